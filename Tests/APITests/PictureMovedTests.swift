import Foundation
import Models
import Pipelines
import Serving
import Tensor
import TestSupport
import Testing

/// A network that may be given a clip's first frame, a tiny Wan2.2-TI2V, by way of a server: it moves a picture, and changes one
/// by strength.
@Suite(.serialized) struct PictureMovedTests {
    private static func model() throws -> Pipeline {
        try Pipeline(
            ModelFiles(folder: Fixtures.root.appending(path: "wan22-ti2v-tiny").path), compute: Compute(threads: 2))
    }

    private static func picture() throws -> String {
        try Data(contentsOf: Fixtures.root.appending(path: "pictures/rgb.jpg")).base64EncodedString()
    }

    @Test func bothAreTold() async throws {
        try await TestServer.run(model: try Self.model()) { server in
            let body = try await server.client.get("/v1/capabilities").json
            let told = try #require((body["models"] as? [[String: Any]])?.first)
            #expect(told["kinds"] as? [String] == ["image", "video"])
            #expect(told["kinds_from_pictures"] as? [String] == ["image", "video"])
            let inputs = try #require(told["inputs"] as? [String: Any])
            #expect(inputs["image"] as? String == "optional" && inputs["last_image"] as? String == "never")
        }
    }

    @Test func aPictureIsMovedOrChanged() async throws {
        try await TestServer.run(model: try Self.model()) { server in
            let settings = #""prompt": "a", "seed": 3, "size": "64x32", "num_inference_steps": 4"#
            let picture = try Self.picture()
            for (kind, all) in [("\"video\", \"num_frames\": 5", true), ("\"image\", \"strength\": 0.5", false)] {
                let answer = try await server.client.post(
                    "/v1/jobs", "{\"kind\": \(kind), \(settings), \"image\": \"\(picture)\"}")
                #expect(answer.status == 202, "\(answer.text)")
                let id = try #require(try answer.json["id"] as? String)
                #expect(try await server.reaches(.succeeded, id))
                let ran = try #require(try await server.engine.job(id).ran)
                #expect((ran.stepCount == 4) == all, "\(ran.sigmas)")
            }
            let refused = try await server.client.post(
                "/v1/jobs",
                "{\"kind\": \"video\", \(settings), \"num_frames\": 5, \"strength\": 0.5, \"image\": \"\(picture)\"}")
            #expect(refused.status == 400 && refused.text.contains("strength"), "\(refused.text)")
        }
    }
}
