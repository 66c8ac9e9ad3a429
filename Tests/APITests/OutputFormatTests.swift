import API
import Foundation
import HTTP
import Jobs
import Media
import Pictures
import Serving
import Support
import Testing

/// Pictures in the formats and sizes that clients ask for, by every door.
@Suite struct OutputFormatTests {
    private static let path = "/v1/images/generations"

    private static func format(_ bytes: [UInt8]) -> String? { (try? PictureFormat(of: bytes))?.rawValue }

    @Test(arguments: [("png", "png"), ("jpeg", "jpg"), ("webp", "webp")])
    func aFormatIsMade(format: String, ending: String) async throws {
        try await TestServer.run { server in
            let body = #"{"prompt": "a fox", "seed": 3, "output_format": "\#(format)""#
            let answer = try await server.client.post(Self.path, body + "}")
            #expect(answer.status == 200, "\(answer.text.prefix(300))")
            #expect(try answer.json["output_format"] as? String == format)
            #expect(try answer.json["warnings"] == nil)
            let bytes = ImageTests.bytes(try ImageTests.images(answer).first)
            #expect(Self.format(bytes) == format)
            let picture = try Picture.decode(bytes)
            #expect((picture.width, picture.height) == (64, 48))
            #expect(try FileNotes(ofPicture: bytes).parameters?.contains("Seed: 3, Size: 64x48") == true)

            let linked = try await server.client.post(Self.path, body + #", "response_format": "url"}"#)
            let url = try #require(try ImageTests.images(linked).first?["url"] as? String)
            #expect(url.prefix { $0 != "?" }.hasSuffix(".\(ending)"))
            let place = try #require(url.firstRange(of: "/v1/"))
            let file = try await server.client.get(String(url[place.lowerBound...]))
            #expect(file.fields["content-type"] == "image/\(format)")
            #expect(file.fields["content-disposition"]?.hasSuffix(".\(ending)\"") == true)
            #expect(file.body == bytes)

            let streamed = try await server.client.post(Self.path, body + #", "stream": true, "partial_images": 1}"#)
            let events = streamed.text.matches(of: /"b64_json":"([^"]+)"/).compactMap {
                Data(base64Encoded: String($0.1)).map(Array.init)
            }
            #expect(events.count == 2 && events.last == bytes)
            #expect(events.map(Self.format) == [format, format])
            #expect(streamed.text.components(separatedBy: "\"output_format\":\"\(format)\"").count == 3)

            let job = try await server.client.post("/v1/jobs", #"{"kind": "image", "# + body.dropFirst() + "}")
            let id = try #require(try job.json["id"] as? String, "\(job.text)")
            #expect(try await server.reaches(.succeeded, id))
            let artifact = try #require(try await server.engine.job(id).artifacts.first)
            #expect(artifact.contentType == "image/\(format)" && artifact.ending == ending)
            #expect(try Data(contentsOf: URL(filePath: artifact.path)) == Data(bytes))
            #expect(try await server.client.send("DELETE", "/v1/jobs/\(id)").status == 200)
            #expect(!FileManager.default.fileExists(atPath: artifact.path))

            let info = try await server.client.post(
                "/sdapi/v1/png-info", #"{"image": "\#(Data(bytes).base64EncodedString())"}"#)
            #expect(try (info.json["info"] as? String)?.hasPrefix("a fox\nSteps: 4") == true)
        }
    }

    @Test(arguments: ["jpeg", "webp"])
    func lessQualityIsSmaller(format: String) async throws {
        try await TestServer.run { server in
            var sizes: [Int] = []
            for quality in ["0", "40", "100", "null"] {
                let answer = try await server.client.post(
                    Self.path,
                    #"{"prompt": "a", "seed": 1, "output_format": "\#(format)", "output_compression": \#(quality)}"#)
                #expect(answer.status == 200, "\(answer.text.prefix(300))")
                sizes.append(ImageTests.bytes(try ImageTests.images(answer).first).count)
            }
            #expect(sizes[0] < sizes[1] && sizes[1] < sizes[2] && sizes[2] == sizes[3], "\(sizes)")
        }
    }

    @Test func anEditAndAToolHaveFormats() async throws {
        try await TestServer.run { server in
            let picture = try PNG.encode(RGBImage(width: 64, height: 48, bytes: Array(repeating: 90, count: 9216)))
            let edit = try await server.client.post(
                "/v1/images/edits",
                #"{"prompt": "a", "output_format": "webp", "image": "\#(Data(picture).base64EncodedString())"}"#)
            #expect(
                Self.format(ImageTests.bytes(try ImageTests.images(edit).first)) == "webp", "\(edit.text.prefix(200))")
            let call = try await server.client.post(
                "/mcp",
                #"{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "generate_image", "arguments": {"prompt": "a", "output_format": "jpeg"}}}"#,
                ["Accept": "application/json, text/event-stream"])
            #expect(call.text.contains("\"mimeType\":\"image/jpeg\""), "\(call.text.prefix(300))")
            let clip = try await server.client.post(
                "/v1/jobs", #"{"kind": "video", "prompt": "a", "output_format": "webp"}"#)
            #expect(clip.status == 400)
            #expect(try clip.error["param"] == "output_format")
        }
    }

    // MARK: Sizes

    @Test func aSizeIsScaledToWhereTheOperatorSaysSo() async throws {
        try await TestServer.run(configure: { $0.sizePolicy = .scale }) { server in
            let answer = try await server.client.post(Self.path, #"{"prompt": "a", "seed": 2, "size": "200x120"}"#)
            #expect(try answer.json["size"] as? String == "200x120", "\(answer.text.prefix(300))")
            let told = try #require(try (answer.json["warnings"] as? [String])?.first)
            let made = try #require(told.matches(of: /; ([0-9]+)x([0-9]+) was made and scaled/).first?.output)
            #expect(told.contains("200x120") && answer.fields["x-phasor-warning"] == told)
            let bytes = ImageTests.bytes(try ImageTests.images(answer).first)
            // Of the house's own resizing, which is compared with Pillow's elsewhere.
            let exact = try await server.client.post(
                Self.path, #"{"prompt": "a", "seed": 2, "size": "\#(made.1)x\#(made.2)"}"#)
            let plain = try Picture.decode(ImageTests.bytes(try ImageTests.images(exact).first))
            #expect(try Picture.decode(bytes) == plain.fitted(width: 200, height: 120, fit: .crop, filter: .lanczos))
            #expect(try FileNotes(ofPicture: bytes).parameters?.contains("Scaled to: 200x120") == true)
            #expect(try exact.json["warnings"] == nil)

            let web = try await server.client.post(
                "/sdapi/v1/txt2img", #"{"prompt": "a", "width": 512, "height": 512}"#)
            let picture = try #require(try (web.json["images"] as? [String])?.first.flatMap { Data(base64Encoded: $0) })
            #expect(ImageTests.pngSize(Array(picture)) == [512, 512])
            let clip = try await server.client.post("/v1/videos", #"{"prompt": "a", "size": "98x70", "num_frames": 5}"#)
            #expect(try clip.json["size"] as? String == "98x70", "\(clip.text)")
            let id = try #require(try clip.json["id"] as? String)
            #expect(try await server.reaches(.succeeded, id))
            let file = try #require(try await server.engine.job(id).artifacts.first)
            let frame = try VideoReader.firstFrame(path: file.path)
            #expect((frame.width, frame.height) == (98, 70))
            for (path, size) in [(Self.path, "0x0"), (Self.path, "99999x99999"), ("/v1/videos", "99x71")] {
                let refused = try await server.client.post(path, #"{"prompt": "a", "size": "\#(size)"}"#)
                #expect(refused.status == 400, "\(size)")
                #expect(try refused.error["param"] == "size", "\(refused.text)")
            }
        }
    }

    // MARK: Pictures that jobs start from

    @Test func aPictureIsGivenBackToWhoSentIt() async throws {
        try await TestServer.run(configure: {
            $0.keys = try APIKeys(file: "one\ntwo\n")
        }) { server in
            let sent = try PNG.encode(RGBImage(width: 64, height: 48, bytes: Array(repeating: 90, count: 9216)))
            let body = #"{"kind": "image", "prompt": "a", "image": "\#(Data(sent).base64EncodedString())"}"#
            let job = try await server.client.post("/v1/jobs", body, ["Authorization": "Bearer one"])
            let id = try #require(try job.json["id"] as? String, "\(job.text)")
            let digest = try #require(try (job.json["parameters"] as? [String: Any])?["image"] as? String)
            func get(_ digest: String, _ key: String) async throws -> Client.Answer {
                try await server.client.get(
                    "/v1/jobs/\(id)/pictures/\(digest)", ["Authorization": "Bearer \(key)"])
            }
            let own = try await get(digest, "one")
            #expect(own.status == 200 && own.body == sent)
            #expect(own.fields["x-content-type-options"] == "nosniff" && own.fields["content-type"] == "image/png")
            #expect(try await get(digest, "two").status == 404)
            #expect(try await get(String(repeating: "0", count: 64), "one").status == 404)
            #expect(try await get("..%2f..%2fjobs.sqlite", "one").status == 400)
            _ = try await server.reaches(.succeeded, id)
            #expect(
                try await server.client.send("DELETE", "/v1/jobs/\(id)", ["Authorization": "Bearer one"]).status == 200)
            #expect(try await get(digest, "one").status == 404)
        }
    }

    @Test func pagesOfOtherOriginsReadWhatAnswersTell() async throws {
        try await TestServer.run(configure: { $0.corsOrigins = ["https://a.test"] }) { server in
            let answer = try await server.client.post(
                "/v1/jobs", #"{"kind": "image", "prompt": "a"}"#, ["Origin": "https://a.test"])
            let exposed = answer.fields["access-control-expose-headers"] ?? ""
            for name in ["X-Phasor-Warning", "Location", "Preference-Applied", "Retry-After"] {
                #expect(exposed.contains(name), "\(exposed)")
            }
        }
    }
}
