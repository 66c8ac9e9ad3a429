import Foundation
import Media
import Models
import Pictures
import Pipelines
import Serving
import Support
import Tensor
import TestSupport
import Testing

/// Edits by a model that makes nothing without a picture, a tiny Qwen-Image-Edit, through every door.
@Suite(.serialized) struct PictureEditTests {
    private static let folder = Fixtures.root.appending(path: "qwen-image-edit-tiny").path

    private static func model() throws -> Pipeline {
        try Pipeline(ModelFiles(folder: folder), compute: Compute(threads: 2))
    }

    private static func photo(_ index: Int) throws -> Data {
        try Data(contentsOf: URL(filePath: "\(folder)/inputs/photo\(index).png"))
    }

    private static func base64(_ index: Int) throws -> String { try photo(index).base64EncodedString() }

    /// What a run of its own makes.
    private static func expected(_ model: Pipeline, _ photos: [Int]) throws -> RGBImage {
        var run = try Run(
            GenerationParameters(
                prompt: "swap them", width: 48, height: 32, seed: 5, steps: 2,
                pictures: GivenPictures(references: photos.map { try Picture.decode([UInt8](photo($0))) })), of: model)
        var images: [RGBImage] = []
        _ = try run.finish { images += try $0.images() }
        return try #require(images.first)
    }

    private static let settings = #""prompt": "swap them", "seed": 5, "size": "48x32", "num_inference_steps": 2"#

    @Test func everyDoorMakesTheSamePicture() async throws {
        let model = try Self.model()
        let both = try Self.expected(model, [0, 1])
        let one = try Self.expected(model, [2])
        #expect(both != one)
        try await TestServer.run(model: model) { server in
            func decoded(_ text: String?) throws -> RGBImage {
                let text = try #require(text)
                return try Picture.decode([UInt8](try #require(Data(base64Encoded: text))))
            }
            func edit(_ image: String) async throws -> RGBImage {
                let answer = try await server.client.post("/v1/images/edits", "{\(Self.settings), \"image\": \(image)}")
                let data = (try answer.json["data"] as? [[String: Any]])?.first
                return try decoded(data?["b64_json"] as? String)
            }
            #expect(try await edit("[\"\(Self.base64(0))\", \"\(Self.base64(1))\"]") == both)
            #expect(try await edit("\"data:image/png;base64,\(Self.base64(2))\"") == one)

            let texts = [("prompt", "swap them"), ("seed", "5"), ("size", "48x32"), ("num_inference_steps", "2")]
            let sent = try await server.client.post(
                "/v1/images/edits",
                form: texts.map { ($0, nil, Array($1.utf8)) }
                    + [0, 1].map { ("image[]", "\($0).png", [UInt8](try Self.photo($0))) })
            let data = (try sent.json["data"] as? [[String: Any]])?.first
            #expect(try decoded(data?["b64_json"] as? String) == both, "\(sent.text.prefix(300))")

            // A picture of whatever name can only be one to look at.
            for (field, image) in [
                ("images", "[\"\(try Self.base64(0))\", \"\(try Self.base64(1))\"]"),
                ("image", "\"\(try Self.base64(2))\""),
            ] {
                let answer = try await server.client.post(
                    "/v1/jobs", "{\"kind\": \"image\", \(Self.settings), \"\(field)\": \(image)}")
                #expect(answer.status == 202, "\(answer.text)")
                let id = try #require(try answer.json["id"] as? String)
                #expect(try await server.reaches(.succeeded, id))
                let job = try await server.engine.job(id)
                #expect(job.request.image == nil && job.request.images?.count == (field == "images" ? 2 : 1))
                let made = try PNG.decode(path: try #require(job.artifacts.first).path)
                #expect(made == (field == "images" ? both : one))
            }
            let web = try await server.client.post(
                "/sdapi/v1/img2img",
                #"{"prompt": "swap them", "seed": 5, "width": 48, "height": 32, "steps": 2, "denoising_strength": 0.75, "init_images": ["\#(try Self.base64(2))"]}"#
            )
            #expect(try decoded((web.json["images"] as? [String])?.first) == one, "\(web.text.prefix(300))")
        }
    }

    /// Embeddings are kept by prompt and pictures, and go with the job that they were made for.
    @Test func embeddingsAreOfAPromptAndItsPictures() async throws {
        let state = FileManager.default.temporaryDirectory.appending(path: "phasor-edits-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: state) }
        let model = try Self.model()
        try await TestServer.run(model: model, state: { $0 = EngineOptions(stateFolder: state) }) { server in
            var ids: [String] = []
            // The teacher is guided away from the default negative prompt, which sees the pictures too.
            for (photo, misses) in [(0, 2), (0, 2), (1, 4)] {
                let answer = try await server.client.post(
                    "/v1/jobs", "{\"kind\": \"image\", \(Self.settings), \"images\": [\"\(try Self.base64(photo))\"]}")
                let id = try #require(try answer.json["id"] as? String)
                #expect(try await server.reaches(.succeeded, id))
                let metrics = await server.engine.renderMetrics()
                #expect(metrics.contains("phasor_prompt_cache_total{result=\"miss\"} \(misses)\n"))
                ids.append(id)
            }
            func kept() throws -> Int {
                try FileManager.default.contentsOfDirectory(atPath: "\(state)/prompts").count
            }
            #expect(try kept() == 4)
            for id in ids { #expect(try await server.client.send("DELETE", "/v1/jobs/\(id)").status == 200) }
            #expect(try kept() == 0)
        }
    }

    @Test func whatItTakesIsTold() async throws {
        try await TestServer.run(model: try Self.model()) { server in
            let body = try await server.client.get("/v1/capabilities").json
            let told = try #require((body["models"] as? [[String: Any]])?.first)
            #expect((told["kinds"] as? [String])?.isEmpty == true)
            #expect(told["kinds_from_pictures"] as? [String] == ["image"])
            let inputs = try #require(told["inputs"] as? [String: Any])
            #expect(inputs["images"] as? [Int] == [1, 3] && inputs["image"] as? String == "reference")
            #expect(inputs["strength"] as? Bool == false)
        }
    }

    /// A model that looks at pictures and can change one by strength, too: what `image` is follows from `strength`, at every
    /// door.
    @Test func aPictureIsLookedAtUnlessAStrengthIsNamed() async throws {
        let folder = Fixtures.root.appending(path: "flux2-klein-tiny").path
        let model = try Pipeline(ModelFiles(folder: folder), compute: Compute(threads: 2))
        let picture = try PNG.encode(
            RGBImage(width: 64, height: 64, bytes: (0..<3 * 64 * 64).map { UInt8($0 / 64 % 256) }))
        let photo = "\"\(Data(picture).base64EncodedString())\""
        try await TestServer.run(model: model) { server in
            func made(_ path: String, _ fields: String) async throws -> String {
                let answer = try await server.client.post(
                    path, #"{"prompt": "a", "seed": 5, "size": "64x64", \#(fields)}"#)
                let data = (try answer.json["data"] as? [[String: Any]])?.first
                return try #require(data?["b64_json"] as? String, "\(path): \(answer.text.prefix(300))")
            }
            let (edits, generations) = ("/v1/images/edits", "/v1/images/generations")
            let seen = try await made(edits, "\"images\": [\(photo)]")
            #expect(try await made(edits, "\"image\": \(photo)") == seen)
            #expect(try await made(generations, "\"image\": \(photo)") == seen)
            let strength = "\"image\": \(photo), \"strength\": 0.75, \"fit\": \"stretch\""
            let changed = try await made(edits, strength)
            #expect(try await made(generations, strength) == changed)
            #expect(changed != seen)
            let web = try await server.client.post(
                "/sdapi/v1/img2img",
                #"{"prompt": "a", "seed": 5, "width": 64, "height": 64, "denoising_strength": 0.75, "init_images": [\#(photo)]}"#
            )
            #expect((try web.json["images"] as? [String])?.first == changed, "\(web.text.prefix(300))")
            for (fields, isSeen) in [("", true), (#", "strength": 0.75"#, false)] {
                let answer = try await server.client.post(
                    "/v1/jobs", #"{"kind": "image", "prompt": "a", "size": "64x64", "image": \#(photo)\#(fields)}"#)
                let job = try await server.engine.job(#require(try answer.json["id"] as? String))
                #expect((job.request.image == nil) == isSeen && (job.request.images?.count == 1) == isSeen)
            }
            let both = try await server.client.post(
                edits, #"{"prompt": "a", "image": \#(photo), "images": [\#(photo)], "strength": 0.5}"#)
            #expect(try both.status == 400 && both.error["param"] == "images", "\(both.text)")
            let body = try await server.client.get("/v1/capabilities").json
            let inputs = (body["models"] as? [[String: Any]])?.first?["inputs"] as? [String: Any]
            #expect(inputs?["image"] as? String == "reference" && inputs?["strength"] as? Bool == true)
        }
    }

    /// Pictures that are too small or too thin for the network are refused before anything is computed, by their field in each
    /// dialect.
    @Test(arguments: [
        ("qwen-image-edit-tiny", 1, 201, "at most 200 times"), ("flux2-klein-tiny", 63, 100, "at least 64"),
        ("flux2-klein-tiny", 64, 513, "at most 8 times"),
    ])
    func sidesThatItDoesNotLookAtAreRefused(fixture: String, width: Int, height: Int, says: String) async throws {
        let model = try Pipeline(
            ModelFiles(folder: Fixtures.root.appending(path: fixture).path), compute: Compute(threads: 2))
        let thin = try PNG.encode(
            RGBImage(width: width, height: height, bytes: [UInt8](repeating: 90, count: 3 * width * height)))
        let photo = "\"\(Data(thin).base64EncodedString())\""
        try await TestServer.run(model: model) { server in
            for (path, fields, field) in [
                ("/v1/images/edits", #""prompt": "a", "image": \#(photo)"#, "image"),
                ("/v1/jobs", #""kind": "image", "prompt": "a", "images": [\#(photo)]"#, "images"),
            ] {
                let answer = try await server.client.post(path, "{\(fields)}")
                #expect(answer.status == 400, "\(path): \(answer.text.prefix(200))")
                #expect(try answer.error["param"] == field)
                #expect(answer.text.contains(says), "\(answer.text.prefix(300))")
            }
            #expect(try await server.jobs().isEmpty)
        }
    }

    @Test func whatItDoesNotTakeIsRefusedByField() async throws {
        try await TestServer.run(model: try Self.model()) { server in
            let photo = "\"\(try Self.base64(2))\""
            for (path, fields, field) in [
                ("/v1/images/generations", #""prompt": "a""#, "images"),
                ("/v1/images/edits", #""prompt": "a""#, "image"),
                ("/v1/jobs", #""kind": "image", "prompt": "a""#, "images"),
                ("/v1/images/edits", #""prompt": "a", "image": [\#(photo), \#(photo), \#(photo), \#(photo)]"#, "image"),
                ("/v1/images/edits", #""prompt": "a", "image": \#(photo), "strength": 0.5"#, "strength"),
                ("/v1/images/edits", #""prompt": "a <|image_pad|>", "image": \#(photo)"#, "prompt"),
                (
                    "/v1/images/edits", #""prompt": "a", "negative_prompt": "<|image_pad|>", "image": \#(photo)"#,
                    "negative_prompt"
                ),
                ("/v1/jobs", #""kind": "video", "prompt": "a", "image": \#(photo)"#, "model"),
            ] {
                let answer = try await server.client.post(path, "{\(fields)}")
                #expect(answer.status == 400, "\(path) \(field): \(answer.text.prefix(200))")
                #expect(try answer.error["param"] == field, "\(answer.text.prefix(200))")
            }
            #expect(try await server.jobs().isEmpty)
        }
    }
}
