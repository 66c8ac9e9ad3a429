import Batch
import Foundation
import Jobs
import Models
import Pipelines
import Tensor
import TestSupport
import Testing

/// The field `decoder`, over HTTP and in manifests.
@Suite struct DecoderTests {
    private static func model() throws -> Pipeline {
        var files = ModelFiles(folder: Fixtures.root.appending(path: "z-image-tiny").path)
        files.previewVAE = Fixtures.root.appending(path: "taehv-tiny/taef1_decoder.safetensors").path
        return try Pipeline(files, compute: Compute(threads: 2))
    }

    private static let job = #""kind": "image", "prompt": "a", "size": "64x64", "num_inference_steps": 8"#

    @Test func aModelWithATinyDecoderTellsAndTakesIt() async throws {
        try await TestServer.run(model: Self.model()) { server in
            let models = try await server.client.get("/v1/capabilities").json["models"] as? [[String: Any]]
            #expect(models?.first?["decoders"] as? [String] == ["full", "tiny"])
            #expect(models?.first?["partial_images"] as? Int == GenerationRequest.previewEveryStep)
            let created = try await server.client.post(
                "/v1/jobs", #"{\#(Self.job), "decoder": "tiny", "partial_images": 7}"#)
            #expect(created.status == 202, "\(created.text)")
            let id = try #require(created.json["id"] as? String)
            #expect(try await server.reaches(.succeeded, id))
            let told = try await server.client.get("/v1/jobs/\(id)").json
            #expect((told["parameters"] as? [String: Any])?["decoder"] as? String == "tiny")
            #expect((told["ran"] as? [String: Any])?["decoder"] as? String == "tiny")
        }
    }

    @Test func aModelWithoutOneNamesTheField() async throws {
        try await TestServer.run { server in
            let models = try await server.client.get("/v1/capabilities").json["models"] as? [[String: Any]]
            #expect(models?.first?["decoders"] as? [String] == ["full"])
            #expect(models?.first?["partial_images"] as? Int == RequestFields.mostPreviews)
            for route in ["/v1/jobs", "/v1/images/generations"] {
                let kind = route == "/v1/jobs" ? #""kind": "image", "# : ""
                let refused = try await server.client.post(route, #"{\#(kind)"prompt": "a", "decoder": "tiny"}"#)
                #expect(refused.status == 400)
                #expect(try refused.error["param"] == "decoder", "\(refused.text)")
                let many = try await server.client.post(route, #"{\#(kind)"prompt": "a", "partial_images": 4}"#)
                #expect(many.status == 400)
                #expect(try many.error["param"] == "partial_images", "\(many.text)")
            }
            #expect(try await server.jobs().isEmpty)
        }
    }

    @Test func aManifestHasAColumnForIt() throws {
        let lines = Array("prompt,size,decoder\na,64x64,tiny\nb,64x64,\n".utf8)
        let manifest = try Manifest(lines, format: .csv, model: Self.model())
        #expect(manifest.items.map(\.request.decoder) == [.tiny, nil])
        let digests = try manifest.items.map {
            try ModelIdentity(Self.model(), generator: nil, decoder: $0.request.decoder).parts["tiny_vae"]
        }
        #expect(digests[0]?.count == 64 && digests[1] == nil)
        let plain = try Pipeline(
            folder: Fixtures.root.appending(path: "z-image-tiny").path, compute: Compute(threads: 1))
        #expect {
            try Manifest(lines, format: .csv, model: plain)
        } throws: { error in
            guard let faults = (error as? ManifestError)?.faults else { return false }
            return faults.map(\.line) == [2] && faults.first?.field == "decoder"
        }
    }
}
