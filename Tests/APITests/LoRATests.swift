import API
import Foundation
import Glibc
import HTTP
import Jobs
import Pipelines
import Tensor
import TestSupport
import Testing

/// `loras` over HTTP, with a tiny Wan2.2.
@Suite struct LoRATests {
    private static let wan = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../Fixtures/wan22-tiny").standardized.path

    private func run(
        adding more: (_ folder: String) throws -> Void = { _ in }, _ body: (TestServer) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "phasor-loras-\(UUID())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try RandomLoRA.write(to: "\(folder)/ink.safetensors", seed: 1)
        try RandomLoRA.write(to: "\(folder)/wide.safetensors", seed: 2, width: 64)
        try more(folder)
        var files = ModelFiles(folder: Self.wan)
        files.loras = folder
        let pipeline = try Pipeline(files, compute: Compute(threads: 2))
        try await TestServer.run(model: pipeline, body)
    }

    /// Opening a pipe waits for who writes to it, and would keep one of the few threads that answer.
    @Test func onlyRegularFilesAreLookedAt() async throws {
        try await run(adding: { folder in
            for index in 0..<8 { #expect(mkfifo("\(folder)/pipe\(index).safetensors", 0o600) == 0) }
            try FileManager.default.createDirectory(
                atPath: "\(folder)/folder.safetensors", withIntermediateDirectories: false)
            #expect(symlink("/dev/zero", "\(folder)/zero.safetensors") == 0)
            #expect(symlink("ink.safetensors", "\(folder)/link.safetensors") == 0)
        }) { server in
            for name in (0..<8).map({ "pipe\($0)" }) + ["folder", "zero"] {
                let answer = try await server.client.post(
                    "/v1/images/generations",
                    #"{"prompt": "a cat", "size": "32x32", \#(Self.settings), "loras": [{"name": "\#(name)"}]}"#)
                #expect(answer.status == 400, "\(answer.text)")
                #expect(try answer.error["message"]?.contains("'ink', 'link', 'wide'") == true, "\(answer.text)")
            }
            #expect(try await server.client.get("/healthz").status == 200)
        }
        // Nor elsewhere: where a part of a model is a pipe, opening it fails at once.
        let pipe = FileManager.default.temporaryDirectory.appending(path: "phasor-pipe-\(UUID())").path
        #expect(mkfifo(pipe, 0o600) == 0)
        defer { unlink(pipe) }
        var files = ModelFiles(folder: Self.wan)
        files.vae = pipe
        #expect(throws: (any Error).self) { try Pipeline(files, compute: Compute(threads: 1)) }
    }

    private static let settings = #""seed": 4, "num_inference_steps": 2, "guidance_scale": 1"#

    @Test func everyDialectHasIt() async throws {
        try await run { server in
            func openAI(_ loras: String) async throws -> String? {
                let answer = try await server.client.post(
                    "/v1/images/generations",
                    #"{"prompt": "a cat", "size": "32x32", \#(Self.settings), "loras": \#(loras)}"#)
                #expect(answer.status == 200, "\(answer.text)")
                return try ImageTests.images(answer).first?["b64_json"] as? String
            }
            let bare = try #require(try await openAI("[]"))
            let ink = try #require(try await openAI(#"[{"name": "ink", "strength": 0.5}]"#))
            #expect(ink != bare)

            let web = try await server.client.post(
                "/sdapi/v1/txt2img",
                #"{"prompt": "a cat <lora:ink:0.5>", "seed": 4, "steps": 2, "cfg_scale": 1, "width": 32, "height": 32}"#
            )
            #expect(web.status == 200, "\(web.text)")
            #expect((try web.json["images"] as? [String])?.first == ink)
            #expect((try web.json["info"] as? String)?.contains("<lora:ink:0.5>") == true)
            let list = try await server.client.get("/sdapi/v1/loras")
            let names = try JSONSerialization.jsonObject(with: Data(list.body)) as? [[String: Any]] ?? []
            #expect(names.map { $0["name"] as? String } == ["ink", "wide"])
            let capabilities = try await server.client.get("/v1/capabilities").json
            #expect((capabilities["models"] as? [[String: Any]])?.first?["loras"] as? [String] == ["ink", "wide"])

            let job = try await server.client.post(
                "/v1/jobs",
                #"{"kind": "video", "prompt": "a cat", "size": "32x32", "num_frames": 5, \#(Self.settings), "#
                    + #""loras": [{"name": "ink", "expert": "low"}]}"#)
            #expect(job.status == 202, "\(job.text)")
            let parameters = try job.json["parameters"] as? [String: Any]
            let kept = (parameters?["loras"] as? [[String: Any]])?.first
            #expect(kept?["name"] as? String == "ink")
            #expect(kept?["expert"] as? String == "low")
            #expect(kept?["strength"] as? Double == 1)
            #expect(try await server.reaches(.succeeded, #require(try job.json["id"] as? String)))

            let part = "--b\r\nContent-Disposition: form-data; name="
            let video = try await server.client.send(
                "POST", "/v1/videos", ["Content-Type": "multipart/form-data; boundary=b"],
                part + "\"prompt\"\r\n\r\na cat\r\n" + part + "\"size\"\r\n\r\n32x32\r\n" + part
                    + "\"num_frames\"\r\n\r\n1\r\n" + part
                    + "\"loras\"\r\n\r\n[{\"name\": \"ink\"}]\r\n--b--\r\n")
            #expect(video.status == 200, "\(video.text)")
        }
    }

    @Test func whatDoesNotFitIsRefusedByName() async throws {
        try await run { server in
            let cases: [(loras: String, says: String)] = [
                (#"[{"name": "nope"}]"#, "'ink', 'wide'"), (#"[{"name": "../ink"}]"#, "no LoRA '../ink'"),
                (#"[{"name": "wide"}]"#, "[64, 64]"), (#"[{"name": "ink", "expert": "middle"}]"#, "'middle'"),
                (#"[{"name": "ink", "strength": 5}]"#, "from -4"), (#"[{"name": "ink", "strength": "NaN"}]"#, "'NaN'"),
                (#"[{"name": "ink", "strength": 1e999}]"#, "1e999"), (#"[{"strength": 1}]"#, "name is required"),
                (#"[{"name": "ink", "path": "x"}]"#, "'path'"), (#""ink""#, "array of objects"),
                (#"["ink"]"#, "loras[0] is 'ink'; it must be an object"),
            ]
            for (loras, says) in cases {
                for route in ["/v1/images/generations", "/v1/videos", "/v1/jobs"] {
                    let kind = route == "/v1/jobs" ? #""kind": "image", "# : ""
                    let answer = try await server.client.post(
                        route, #"{\#(kind)"prompt": "a cat", "size": "32x32", "loras": \#(loras)}"#)
                    #expect(answer.status == 400, "\(answer.text)")
                    #expect(try answer.error["param"] == "loras")
                    #expect(try answer.error["message"]?.contains(says) == true, "\(answer.text)")
                }
            }
            for tag in ["<lora:nope>", "<lora:ink:9>", "<lora:ink:a>"] {
                let answer = try await server.client.post("/sdapi/v1/txt2img", #"{"prompt": "a cat \#(tag)"}"#)
                #expect(answer.status == 400, "\(answer.text)")
                #expect(try answer.error["param"] == "prompt")
            }
            #expect(try await server.jobs().isEmpty)
        }
    }
}
