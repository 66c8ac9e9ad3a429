import Foundation
import PhasorKit
import Testing

/// The library, as a Swift program uses it. It imports nothing of Phasor but the product.
@Suite struct PhasorModelTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
    private static let folder = root.appending(path: "Models/emoji-scenes").path

    /// The executable beside the tests, which are built into the same folder.
    private static let executable = URL(fileURLWithPath: CommandLine.arguments[0])
        .resolvingSymlinksInPath().deletingLastPathComponent().appending(path: "phasor")

    private func output(_ program: String, _ arguments: [String]) throws -> Data {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [program] + arguments
        process.standardOutput = pipe
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        return data
    }

    /// The pixels of a file, as ffmpeg reads them.
    private func pixels(of path: String) throws -> Data {
        try output("ffmpeg", ["-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
    }

    @Test func aPictureIsThatOfTheCommandLine() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "phasor-kit-\(UUID())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let model = try PhasorModel(folder: Self.folder, threads: 2)
        var told: [Int] = []
        let picture = try model.picture(
            of: "a large dog on the beach", seed: 7, settings: GenerationSettings(width: 64, height: 96)
        ) { done, count in
            #expect(count == 4)
            told.append(done)
        }
        #expect(told == [1, 2, 3, 4])
        try picture.png().write(to: URL(filePath: "\(folder)/kit.png"))
        _ = try output(
            Self.executable.path,
            [
                "generate", "a large dog on the beach", "--model", Self.folder, "--seed", "7", "--size", "64x96",
                "-o", "\(folder)/command.png",
            ])
        let made = try pixels(of: "\(folder)/kit.png")
        #expect(made == Data(picture.pixels) && made.count == 64 * 96 * 3)
        #expect(try made == pixels(of: "\(folder)/command.png"))

        try model.clip(of: "a cat", frames: 5, to: "\(folder)/clip.mp4")
        #expect(try pixels(of: "\(folder)/clip.mp4").count == 5 * 128 * 128 * 3)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 3)
    }

    @Test func whatTheModelDoesNotTakeIsRefused() throws {
        let model = try PhasorModel(folder: Self.folder, threads: 1)
        #expect(model.generators.first == "student" && model.generators.contains("teacher"))
        for settings in [GenerationSettings(width: 100), GenerationSettings(width: 4096, height: 4096)] {
            #expect(throws: PhasorError.self) { try model.picture(of: "a dog", settings: settings) }
        }
        #expect(throws: (any Error).self) {
            try model.picture(of: "a dog", settings: GenerationSettings(generator: "nobody"))
        }
        #expect(throws: (any Error).self) { try PhasorModel(folder: "/none") }
    }
}
