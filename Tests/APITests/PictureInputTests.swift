import Foundation
import Jobs
import Serving
import Support
import Testing

/// Pictures that other programs made, on their way into jobs.
@Suite struct PictureInputTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../Fixtures/pictures").standardized.path

    private static func base64(_ name: String) throws -> String {
        try Data(contentsOf: URL(filePath: "\(folder)/\(name)")).base64EncodedString()
    }

    private static func digest(_ name: String) throws -> String {
        SHA256.hexadecimal(of: try Data(contentsOf: URL(filePath: "\(folder)/\(name)")))
    }

    /// What lies in the folder of pictures of a state folder.
    private static func kept(_ state: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "\(state)/pictures").sorted()
    }

    @Test(arguments: ["rgb.jpg", "rgb8.png", "lossy.webp"])
    func aJobKeepsItsPictureAsLongAsItself(name: String) async throws {
        let state = FileManager.default.temporaryDirectory.appending(path: "phasor-pictures-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: state) }
        try await TestServer.run(state: { $0 = EngineOptions(stateFolder: state) }) { server in
            let body =
                #"{"kind": "image", "prompt": "a", "seed": 1, "strength": 0.7, "image": "\#(try Self.base64(name))"}"#
            let answer = try await server.client.post("/v1/jobs", body, ["Idempotency-Key": "one"])
            #expect(answer.status == 202, "\(answer.text)")
            let id = try #require(try answer.json["id"] as? String)
            let digest = try Self.digest(name)
            #expect((try answer.json["parameters"] as? [String: Any])?["image"] as? String == digest)
            #expect(try Self.kept(state) == ["\(id)-\(digest)"])
            // The same key and body: no second job, no second file. Another picture under the key: another request.
            let again = try await server.client.post("/v1/jobs", body, ["Idempotency-Key": "one"])
            #expect(try again.json["id"] as? String == id)
            #expect(try Self.kept(state).count == 1)
            let other = body.replacingOccurrences(of: try Self.base64(name), with: try Self.base64("gray8.png"))
            #expect(try await server.client.post("/v1/jobs", other, ["Idempotency-Key": "one"]).status == 409)
            #expect(try Self.kept(state).count == 1)
            #expect(try await server.reaches(.succeeded, id))
            // Sigmas 1, .9, .75, .5: .7 begins at .75.
            let ran = try #require(try await server.engine.job(id).ran)
            #expect(ran.sigmas == [0.75, 0.5, 0])
            #expect(try await server.engine.job(id).steps == 2)
            #expect(try await server.client.send("DELETE", "/v1/jobs/\(id)").status == 200)
            #expect(try Self.kept(state).isEmpty)
        }
    }

    @Test func everyDoorMakesTheSamePicture() async throws {
        try await TestServer.run { server in
            let picture = try Self.base64("rgb.jpg")
            let edit = try await server.client.post(
                "/v1/images/edits",
                #"{"prompt": "a", "seed": 4, "size": "64x48", "strength": 0.5, "fit": "stretch", "image": "data:image/jpeg;base64,\#(picture)"}"#
            )
            let web = try await server.client.post(
                "/sdapi/v1/img2img",
                #"{"prompt": "a", "seed": 4, "width": 64, "height": 48, "denoising_strength": 0.5, "init_images": ["\#(picture)"]}"#
            )
            let first = (try edit.json["data"] as? [[String: Any]])?.first?["b64_json"] as? String
            #expect(first != nil, "\(edit.text.prefix(300))")
            #expect((try web.json["images"] as? [String])?.first == first, "\(web.text.prefix(300))")
            #expect((try edit.json["strength"] as? [String: Any])?["steps"] as? Int == 1)
            let plain = try await server.client.post(
                "/v1/images/generations", #"{"prompt": "a", "seed": 4, "size": "64x48"}"#)
            #expect((try plain.json["data"] as? [[String: Any]])?.first?["b64_json"] as? String != first)
        }
    }

    /// OpenAI's newer form of an edit: one of `images` is the picture, where the model looks at none.
    @Test func anEditMayNameItsPictureInAList() async throws {
        try await TestServer.run { server in
            let picture = "\"data:image/jpeg;base64,\(try Self.base64("rgb.jpg"))\""
            func edit(_ fields: String) async throws -> Client.Answer {
                try await server.client.post(
                    "/v1/images/edits", #"{"prompt": "a", "seed": 4, "size": "64x48", "strength": 0.5, \#(fields)}"#)
            }
            let one = try await edit("\"image\": \(picture)")
            let listed = try await edit("\"images\": [{\"image_url\": \(picture)}]")
            func image(_ answer: Client.Answer) throws -> String? {
                (try answer.json["data"] as? [[String: Any]])?.first?["b64_json"] as? String
            }
            #expect(try image(one) != nil && image(one) == image(listed), "\(listed.text.prefix(300))")
            let two = try await edit("\"images\": [{\"image_url\": \(picture)}, {\"image_url\": \(picture)}]")
            #expect(try two.status == 400 && two.error["param"] == "images", "\(two.text)")
        }
    }

    /// As OpenAI's JavaScript package flattens objects, and as axios, PHP and pages name lists and fields left empty.
    @Test func formsMayNameTheirPictureInBrackets() async throws {
        try await TestServer.run { server in
            let file = [UInt8](try Data(contentsOf: URL(filePath: "\(Self.folder)/rgb.jpg")))
            let address = Array("data:image/jpeg;base64,\(try Self.base64("rgb.jpg"))".utf8)
            let fields: [(name: String, file: String?, content: [UInt8])] =
                ["prompt": "a", "seed": "4", "size": "64x48", "strength": "0.5", "stream": "False"]
                .map { ($0.key, nil, Array($0.value.utf8)) }
            func edit(_ parts: (name: String, file: String?, content: [UInt8])...) async throws -> Client.Answer {
                try await server.client.post("/v1/images/edits", form: fields + parts)
            }
            func image(_ answer: Client.Answer) throws -> String? {
                #expect(answer.status == 200, "\(answer.text.prefix(300))")
                #expect(try answer.json["warnings"] == nil)
                return (try answer.json["data"] as? [[String: Any]])?.first?["b64_json"] as? String
            }
            let plain = try #require(try image(await edit(("image", "a.jpg", file))))
            #expect(try image(await edit(("image[0]", "a.jpg", file))) == plain)
            #expect(try image(await edit(("image", nil, file))) == plain)
            #expect(try image(await edit(("image[]", nil, address))) == plain)
            #expect(try image(await edit(("images[0][image_url]", nil, address))) == plain)
            #expect(try image(await edit(("image[image_url][url]", nil, address))) == plain)
            #expect(
                try image(
                    await edit(("image", "a.jpg", file), ("mask", "", []), ("quality", nil, []), ("n", nil, [])))
                    == plain)
            for (name, says) in [("photo", "photo is a file"), ("image[", "image[ is a file")] {
                let refused = try await edit((name, "a.jpg", file))
                #expect(try refused.status == 400 && refused.error["message"]?.hasPrefix(says) == true)
                let names = "image, image_url, images, input_reference, last_image"
                #expect(try refused.error["message"]?.hasSuffix("under \(names)") == true, "\(refused.text)")
            }
            let masked = try await edit(("image", "a.jpg", file), ("mask[image_url]", nil, address))
            #expect(try masked.error["param"] == "mask")
            let named = try await edit(("image[file_id]", nil, Array("file-1".utf8)))
            #expect(try named.status == 400 && named.error["message"]?.contains("file_id") == true)
            let two = try await edit(("image[0]", "a.jpg", file), ("image[1]", "a.jpg", file))
            #expect(try two.status == 400 && two.error["message"]?.contains("2 pictures") == true)
        }
    }

    @Test func picturesStandInObjectsOfAllDialects() async throws {
        try await TestServer.run { server in
            let base64 = try Self.base64("rgb.jpg")
            let address = "\"data:image/jpeg;base64,\(base64)\""
            for object in [
                "{\"image_url\": \(address)}", "{\"type\": \"input_image\", \"image_url\": {\"url\": \(address)}}",
                "{\"url\": \(address), \"image_url\": null}", "{\"b64_json\": \"\(base64)\"}",
            ] {
                let answer = try await server.client.post(
                    "/v1/jobs", "{\"kind\": \"image\", \"prompt\": \"a\", \"image\": \(object)}")
                #expect(answer.status == 202, "\(answer.text.prefix(300))")
                let parameters = try answer.json["parameters"] as? [String: Any]
                #expect(try parameters?["image"] as? String == Self.digest("rgb.jpg"))
            }
            for object in ["{}", "{\"image_url\": {}}", "{\"image_url\": 7}", "{\"file_id\": \"a\"}", "{\"url\": []}"] {
                let answer = try await server.client.post(
                    "/v1/images/edits", "{\"prompt\": \"a\", \"image\": \(object)}")
                #expect(try answer.status == 400 && answer.error["param"]?.hasPrefix("image") == true, "\(answer.text)")
            }
        }
    }

    @Test func filesThatNobodyReadsAreTold() async throws {
        try await TestServer.run { server in
            let picture = [UInt8](try Data(contentsOf: URL(filePath: "\(Self.folder)/rgb.jpg")))
            let answer = try await server.client.post(
                "/v1/images/edits",
                form: [
                    ("prompt", nil, Array("a".utf8)), ("image", "a.jpg", picture),
                    ("last_image", "b.jpg", Array("no picture".utf8)), ("input_reference", "c.jpg", picture),
                ])
            #expect(answer.status == 200, "\(answer.text.prefix(300))")
            #expect(try answer.json["warnings"] as? [String] == ["input_reference: ignored", "last_image: ignored"])
        }
    }

    @Test func anEditIsStreamedUnderItsOwnName() async throws {
        try await TestServer.run { server in
            let answer = try await server.client.post(
                "/v1/images/edits",
                #"{"prompt": "a", "stream": true, "partial_images": 1, "strength": 1, "image": "\#(try Self.base64("rgb.jpg"))"}"#
            )
            let names = answer.text.split(separator: "\n").filter { $0.hasPrefix("event: ") }.map { $0.dropFirst(7) }
            #expect(names == ["image_edit.partial_image", "image_edit.completed"], "\(answer.text.prefix(300))")
        }
    }

    @Test(arguments: ["animated.webp", "animated.png", "other.tiff", "other.avif", "other.bmp", "other.gif"])
    func whatIsNotReadIsRefusedByField(name: String) async throws {
        try await TestServer.run { server in
            let picture = try Self.base64(name)
            for (path, field, value) in [
                ("/v1/images/edits", "image", "\"\(picture)\""), ("/v1/videos", "input_reference", "\"\(picture)\""),
                ("/sdapi/v1/img2img", "init_images", "[\"\(picture)\"]"),
            ] {
                let answer = try await server.client.post(path, "{\"prompt\": \"a\", \"\(field)\": \(value)}")
                #expect(answer.status == 400, "\(path)")
                #expect(try answer.error["param"] == field)
            }
            #expect(try await server.jobs().isEmpty)
        }
    }

    @Test func whatTheModelDoesNotTakeIsRefusedByField() async throws {
        try await TestServer.run { server in
            let picture = try Self.base64("rgb.jpg")
            for (path, body, field) in [
                ("/v1/videos", #""input_reference": "\#(picture)""#, "input_reference"),
                ("/v1/jobs", #""kind": "video", "last_image": "\#(picture)""#, "last_image"),
                ("/v1/jobs", #""kind": "image", "images": ["\#(picture)"]"#, "images"),
                ("/v1/jobs", #""kind": "image", "strength": 0.5"#, "strength"),
                ("/v1/jobs", #""kind": "image", "fit": "pad""#, "fit"),
                ("/v1/images/edits", #""image": "\#(picture)", "mask": "\#(picture)""#, "mask"),
            ] {
                let answer = try await server.client.post(path, "{\"prompt\": \"a\", \(body)}")
                #expect(answer.status == 400, "\(path) \(field)")
                #expect(try answer.error["param"] == field, "\(answer.text)")
            }
        }
    }
}
