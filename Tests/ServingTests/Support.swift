import Foundation
import Jobs
import Logging
import Pipelines
import Serving
import Testing

/// A folder of one test's own, removed with the value that owns it.
final class Scratch: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "serving-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

    /// The names of all finished and unfinished artifacts of a state folder.
    func artifacts(of state: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: self("\(state)/artifacts")).sorted()
    }

    func engine(_ model: AnalyticModel, _ change: (inout EngineOptions) -> Void = { _ in }) throws -> Engine {
        try engine("state", model.pipeline, change)
    }

    func engine(
        _ state: String, _ model: AnalyticModel, _ change: (inout EngineOptions) -> Void = { _ in }
    ) throws -> Engine {
        try engine(state, model.pipeline, change)
    }

    func engine(_ model: Pipeline, _ change: (inout EngineOptions) -> Void = { _ in }) throws -> Engine {
        try engine("state", model, change)
    }

    func engine(
        _ state: String, _ model: Pipeline, _ change: (inout EngineOptions) -> Void = { _ in }
    ) throws -> Engine {
        var options = EngineOptions(stateFolder: self(state))
        change(&options)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return try Engine(models: [model], options: options, logger: logger)
    }
}

extension GenerationRequest {
    static func image(
        _ prompt: String = "a red balloon", count: Int = 1, seed: UInt64 = 7, previews: Int = 0,
        generator: String? = nil
    ) -> GenerationRequest {
        GenerationRequest(
            kind: .image, prompt: prompt, model: "analytic", generator: generator, width: 64, height: 48, count: count,
            seed: seed, previews: previews)
    }

    static func video(_ prompt: String = "a red balloon", frames: Int = 9, seed: UInt64 = 7) -> GenerationRequest {
        GenerationRequest(
            kind: .video, prompt: prompt, model: "analytic", width: 64, height: 48, frames: frames, fps: 12, seed: seed)
    }
}

extension Engine {
    /// Waits for the end of a job.
    func end(of id: String) async throws -> Job {
        for await event in try await events(of: id) where event.name.isTerminal { return event.job }
        throw ServingError.draining
    }

    func run(_ request: GenerationRequest) async throws -> Job {
        try await end(of: submit(request).id)
    }

    /// The bytes of the artifacts of a job.
    func files(of job: Job) async throws -> [Data] {
        var files: [Data] = []
        for artifact in job.artifacts {
            files.append(try Data(contentsOf: URL(filePath: try await self.artifact(artifact.id).path)))
        }
        return files
    }
}

/// Standard output of a program, the independent reader of what was written.
func output(_ command: String...) throws -> Data {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = command
    process.standardOutput = pipe
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    return data
}
