import Foundation
import Pipelines
import Tensor
import Testing

/// A model of single pictures that is guided away from a negative prompt only: a tiny Qwen-Image.
@Suite struct PictureModelTests {
    private static let qwen = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../Fixtures/qwen-image-tiny").standardized.path

    @Test func capabilitiesTellTheEvaluationsOfBothKinds() async throws {
        let model = try Pipeline(ModelFiles(folder: Self.qwen), compute: Compute(threads: 2))
        try await TestServer.run(model: model) { server in
            let body = try await server.client.get("/v1/capabilities").json
            let models = body["models"] as? [[String: Any]]
            let generator = try #require((models?.first?["generators"] as? [[String: Any]])?.first)
            let steps = try #require(generator["steps"] as? Int)
            let scale = ((generator["phases"] as? [[String: Any]])?.first?["guidance_scale"] as? Double) ?? 0
            #expect(generator["nfe"] as? Int == steps)
            #expect(generator["nfe_with_negative_prompt"] as? Int == (scale > 1 ? 2 * steps : steps))
            #expect(models?.first?["kinds"] as? [String] == ["image"])
        }
    }

    @Test func oneFrameIsAPictureAndMoreAreRefused() async throws {
        let model = try Pipeline(ModelFiles(folder: Self.qwen), compute: Compute(threads: 2))
        try await TestServer.run(model: model) { server in
            for (route, kind) in [("/v1/jobs", #""kind": "image", "#), ("/v1/images/generations", "")] {
                func ask(_ frames: Int) async throws -> Client.Answer {
                    try await server.client.post(
                        route,
                        #"{\#(kind)"prompt": "a", "size": "32x32", "num_inference_steps": 2, "num_frames": \#(frames)}"#
                    )
                }
                #expect(try await (200...202).contains(ask(1).status))
                let refused = try await ask(5)
                #expect(refused.status == 400)
                #expect(try refused.error["param"] == "num_frames")
                #expect(try refused.error["message"]?.contains("single pictures") == true, "\(refused.text)")
            }
        }
    }
}
