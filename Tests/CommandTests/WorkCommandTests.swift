import Foundation
import TestSupport
import Testing

/// `phasor work` beside other workers of a store.
@Suite(
    .serialized, .timeLimit(.minutes(5)),
    .enabled(if: PostgresServer.programs != nil, Comment(rawValue: PostgresServer.skipped)))
struct WorkCommandTests {
    private let command: CommandRun
    private let server: PostgresServer

    init() throws {
        command = try CommandRun()
        server = try PostgresServer()
    }

    private func agreed() throws -> String { try jobs().text }

    private func jobs(_ more: String...) throws -> CommandRun.Result {
        try command.run(["jobs", "arithmetic", "--store", server.address] + more)
    }

    private var store: [String] {
        ["--store", server.address, "--blobs", "file://\(command.folder.path)/blobs"]
    }

    /// A worker that runs until it is told to end.
    private func startWorker(_ arguments: String...) throws -> (process: Process, said: Pipe) {
        let (process, said) = (Process(), Pipe())
        process.executableURL = CommandRun.binary
        process.currentDirectoryURL = command.folder
        process.arguments = ["work", CommandRun.model, "--threads", "1"] + store + arguments
        process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("PHASOR") }
        (process.standardOutput, process.standardError) = (FileHandle.nullDevice, said)
        try process.run()
        return (process, said)
    }

    /// Starts a worker and ends it when the condition does not hold any more.
    private func work(_ precision: String, while condition: () throws -> Bool) throws -> (code: Int32, said: String) {
        let (process, said) = try startWorker("--precision", precision, "--drain", "0")
        let deadline = Date.now + 120
        while process.isRunning, try condition(), .now < deadline { Thread.sleep(forTimeInterval: 0.02) }
        process.terminate()
        let text = String(decoding: said.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }

    @Test func aWorkerOfAnotherPrecisionIsRefused() throws {
        let first = try work("f32") { try !agreed().contains("f32") }
        #expect(first.code == 0, "\(first.said)")
        let refused = try work("bf16") { true }
        #expect(refused.code == 1)
        #expect(refused.said.contains("f32; this process would compute with") && refused.said.contains("--precision"))
        #expect(try agreed().hasSuffix("f32\n"))
        #expect(try jobs("--forget").text.isEmpty)
        let other = try work("bf16") { try !agreed().contains("bf16") }
        #expect(other.code == 0, "\(other.said)")
        #expect(try agreed().hasPrefix("emoji-scenes: ") && agreed().hasSuffix(" bf16\n"))
        #expect(try command.run(["jobs", "arithmetic", "--store", "here"]).code == 64)
    }

    /// What a front has not computed it answers with all the same: whole, streamed, and in every dialect.
    @Test func aFrontThatComputesNothingAnswersWithThePictures() throws {
        let expected = try command.run([
            "generate", "a dog", "--model", CommandRun.model, "--seed", "5", "-o", "dog.png",
        ])
        try #require(expected.code == 0, "\(expected.said)")
        let front = try ServerRun(command, ["--no-compute", "--no-provenance"] + store)
        let worker = try startWorker("--state", "worker", "--no-provenance")
        defer {
            front.stop()
            worker.process.terminate()
            worker.process.waitUntilExit()
        }
        func ask(_ path: String, _ body: String) throws -> String {
            let run = try command.run(
                [
                    "-sS", "-f", "--max-time", "120", "-H", "Content-Type: application/json", "-H",
                    "Accept: application/json, text/event-stream", "--data", body, front.address + path,
                ],
                program: URL(filePath: "/usr/bin/curl"))
            #expect(run.code == 0, "\(path): \(run.said)")
            return run.text
        }
        let size = #""seed": 5, "size": "128x128""#
        // The pixels are those of `generate`; the notes beside them differ.
        func pixels(_ base64: some StringProtocol) throws -> Data {
            let bytes = try #require(Data(base64Encoded: String(base64)))
            let file = command.folder.appending(path: "answer.png")
            try bytes.write(to: file)
            return try raw(file.path)
        }
        func raw(_ path: String) throws -> Data {
            try command.run(
                ["-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
                program: URL(filePath: "/usr/bin/ffmpeg")
            ).output
        }
        let dog = try raw(command.folder.appending(path: "dog.png").path)
        try #require(dog.count == 128 * 128 * 3)
        let whole = try ask("/v1/images/generations", #"{"prompt": "a dog", \#(size)}"#)
        #expect(try pixels(#require(whole.firstMatch(of: /"b64_json":\s*"([^"]+)"/)).1) == dog)
        let streamed = try ask("/v1/images/generations", #"{"prompt": "a dog", "stream": true, \#(size)}"#)
        #expect(streamed.contains("image_generation.completed"))
        #expect(try pixels(#require(streamed.firstMatch(of: /"b64_json":\s*"([^"]+)"/)).1) == dog)
        let webUI = try ask("/sdapi/v1/txt2img", #"{"prompt": "a dog", "seed": 5, "width": 128, "height": 128}"#)
        #expect(try pixels(#require(webUI.firstMatch(of: /"images":\s*\[\s*"([^"]+)"/)).1) == dog)
        let tool = try ask(
            "/mcp",
            #"{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "generate_image", "arguments": "#
                + #"{"prompt": "a dog", \#(size)}}}"#)
        #expect(try pixels(#require(tool.firstMatch(of: /"data":\s*"([^"]+)"/)).1) == dog)
    }
}
