import Foundation
import Media
import Pictures
import Testing

/// A directory of one test's own, removed with the value that owns it.
final class Scratch {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appending(path: "media-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    func path(_ name: String) -> String { url.appending(path: name).path(percentEncoded: false) }
}

struct ToolFailure: Error {
    let command: [String]
    let status: Int32
    let stderr: String
}

/// Standard output of a program, the independent reader of what Media wrote.
func run(_ command: String..., input: [UInt8] = []) throws -> [UInt8] {
    let scratch = try Scratch()
    let files = ["in", "out", "err"].map { scratch.url.appending(path: $0) }
    for file in files { try Data(file.lastPathComponent == "in" ? input : []).write(to: file) }
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = command
    process.standardInput = try FileHandle(forReadingFrom: files[0])
    process.standardOutput = try FileHandle(forWritingTo: files[1])
    process.standardError = try FileHandle(forWritingTo: files[2])
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
        let stderr = String(decoding: try Data(contentsOf: files[2]), as: UTF8.self)
        throw ToolFailure(command: command, status: process.terminationStatus, stderr: stderr)
    }
    return [UInt8](try Data(contentsOf: files[1]))
}

/// For ffprobe's JSON.
let snakeCase: JSONDecoder = {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return decoder
}()

/// Samples that no two neighbours share, from a small congruential generator.
func noise(width: Int, height: Int, seed: UInt32 = 1) throws -> RGBImage {
    try RGBImage(width: width, height: height, bytes: noiseSamples(width * height * 3, seed: seed))
}

func noiseSamples(_ count: Int, seed: UInt32 = 1) -> [UInt8] {
    var state = seed
    return (0..<count).map { _ in
        state = state &* 1_664_525 &+ 1_013_904_223
        return UInt8(truncatingIfNeeded: state >> 24)
    }
}

/// A picture whose colour at (x, y) is `colour(x, y)`.
func picture(width: Int, height: Int, colour: (Int, Int) -> [UInt8]) throws -> RGBImage {
    let bytes = (0..<width * height).flatMap { colour($0 % width, $0 / width) }
    return try RGBImage(width: width, height: height, bytes: bytes)
}

/// Frames of a square that moves over a gradient.
func clip(width: Int, height: Int, frames: Int) throws -> [RGBImage] {
    try (0..<frames).map { time in
        try picture(width: width, height: height) { x, y in
            let inside = (3 * time..<3 * time + 16).contains(x) && (8..<24).contains(y)
            return inside ? [240, 60, 20] : [UInt8(x * 255 / width), UInt8(y * 255 / height), 128]
        }
    }
}

func largestDifference(_ a: [UInt8], _ b: [UInt8]) -> Int {
    a.count == b.count ? zip(a, b).reduce(0) { max($0, abs(Int($1.0) - Int($1.1))) } : .max
}

/// The most memory that this process has had, in bytes.
func peakMemory() throws -> Int {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
    return 1024 * (try #require(line.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) }))
}
