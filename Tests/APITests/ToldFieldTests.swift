import Foundation
import Jobs
import Media
import Pictures
import Support
import Testing

/// Fields of other servers and other times: honoured, or told. Sizes that a model does not make.
@Suite struct ToldFieldTests {
    private static let path = "/v1/images/generations"

    @Test func otherServersNamesMeanTheSame() async throws {
        try await TestServer.run { server in
            let pairs = [
                (#""num_inference_steps": 3, "guidance_scale": 2"#, #""steps": 3, "cfg_scale": 2"#),
                (#""size": "32x16""#, #""width": 32, "height": 16"#), (#""n": 2"#, #""num_outputs_per_prompt": 2"#),
                (#""n": 2"#, #""num_images_per_prompt": 2, "n": 2"#), (#""size": "32x48""#, #""width": 32"#),
            ]
            for (own, other) in pairs {
                let start = #"{"prompt": "a", "seed": 1, "generator": "teacher", "#
                let one = try await server.client.post(Self.path, start + own + "}")
                let two = try await server.client.post(Self.path, start + other + "}")
                #expect(one.status == 200 && two.status == 200, "\(two.text.prefix(200))")
                #expect(
                    try ImageTests.images(one).map { ImageTests.bytes($0) }
                        == ImageTests.images(two).map { ImageTests.bytes($0) }, "\(other)")
                #expect(try two.json["warnings"] == nil)
            }
        }
    }

    /// A distilled generator runs without guidance: the picture is the same with and without a negative prompt.
    @Test func aNegativePromptWithoutEffectIsTold() async throws {
        try await TestServer.run { server in
            func ask(_ fields: String) async throws -> (image: RGBImage, warnings: [String]?) {
                let answer = try await server.client.post(Self.path, "{\"prompt\": \"a\", \"seed\": 1, \(fields)}")
                let image = try Picture.decode(ImageTests.bytes(ImageTests.images(answer).first))
                return (image, try answer.json["warnings"] as? [String])
            }
            let plain = try await ask(#""n": 1"#)
            let idle = try await ask(#""negative_prompt": "b""#)
            #expect(idle.image == plain.image)
            #expect(idle.warnings == ["negative_prompt: ignored; 'student' runs without guidance"])
            for fields in [
                #""negative_prompt": " ""#, #""negative_prompt": "b", "generator": "teacher""#,
                #""negative_prompt": "b", "guidance_scale": 2"#,
            ] {
                #expect(try await ask(fields).warnings == nil, "\(fields)")
            }
            let off = try await ask(#""negative_prompt": "b", "generator": "teacher", "guidance_scale": 1"#)
            #expect(off.warnings == ["negative_prompt: ignored; 'teacher' runs without guidance"])
        }
    }

    @Test(arguments: [
        (#""steps": 3, "num_inference_steps": 4"#, "steps"), (#""size": "64x48", "width": 32"#, "width"),
        (#""size": "64x48", "height": 64"#, "height"),
    ])
    func twoNamesWithTwoValuesAreRefused(fields: String, param: String) async throws {
        try await TestServer.run { server in
            let answer = try await server.client.post(Self.path, "{\"prompt\": \"a\", \(fields)}")
            #expect(answer.status == 400)
            #expect(try answer.error["param"] == param, "\(answer.text)")
        }
    }

    @Test func whatIsNotReadIsTold() async throws {
        try await TestServer.run { server in
            let answer = try await server.client.post(
                Self.path, #"{"prompt": "a", "quality": "hd", "sharpness": 3, "user": "u", "style": null, "a\r\nb": 1}"#
            )
            #expect(answer.status == 200)
            let warnings = try answer.json["warnings"] as? [String] ?? []
            #expect(warnings == ["a??b: ignored", "quality: ignored", "sharpness: ignored"])
            #expect(answer.fields["x-phasor-warning"]?.contains(": ignored") == true)
            let video = try await server.client.post("/v1/videos", #"{"prompt": "a", "style": "noir", "width": 32}"#)
            #expect(try video.json["warnings"] as? [String] == ["style: ignored"])
            #expect(try video.json["size"] as? String == "32x48")
            let plain = try await server.client.post(Self.path, #"{"prompt": "a", "quality": "auto", "n": 1}"#)
            #expect(try plain.json["warnings"] == nil)
            #expect(plain.fields["x-phasor-warning"] == nil)
        }
    }

    @Test(arguments: [
        ("/v1/images/generations", #""size": "1024x1024""#), ("/v1/images/generations", #""size": "720x1280""#),
        ("/v1/images/generations", #""width": 100"#), ("/sdapi/v1/txt2img", #""width": 512, "height": 512"#),
        ("/v1/videos", #""size": "1280x720""#), ("/v1/images/generations", #""size": "0x0""#),
        ("/v1/images/generations", #""size": "999999999x1""#),
    ])
    func aRefusedSizeComesWithOneThatIsMade(path: String, fields: String) async throws {
        try await TestServer.run { server in
            let refused = try await server.client.post(path, "{\"prompt\": \"a\", \(fields)}")
            #expect(refused.status == 400)
            let message = try refused.error["message"] ?? ""
            let sizes = message.matches(of: /[0-9]+x[0-9]+/).map { String($0.output) }
            let near = try #require(
                sizes.last(where: { $0 != "64x48" && PixelSize($0).map { $0.width * $0.height <= 12288 } == true })
                    ?? sizes.last, "\(message)")
            let answer = try await server.client.post(
                "/v1/images/generations", "{\"prompt\": \"a\", \"size\": \"\(near)\"}")
            #expect(answer.status == 200, "\(message)")
        }
    }

    @Test func theNearestSizeIsMadeWhereTheOperatorSaysSo() async throws {
        try await TestServer.run(configure: { $0.sizePolicy = .nearest }) { server in
            let answer = try await server.client.post(Self.path, #"{"prompt": "a", "size": "1024x1024"}"#)
            #expect(answer.status == 200)
            // 12288 pixels are allowed: 112x112 is too many by 256.
            let made = try answer.json["size"] as? String ?? ""
            #expect(["96x96", "112x96"].contains(made))
            let told = try #require(try (answer.json["warnings"] as? [String])?.first)
            #expect(told.contains("1024x1024") && told.contains(made))
            let web = try await server.client.post(
                "/sdapi/v1/txt2img", #"{"prompt": "a", "width": 512, "height": 512}"#)
            #expect(web.status == 200)
            #expect(try (web.json["info"] as? String)?.contains("512x512") == true)
            let exact = try await server.client.post(Self.path, #"{"prompt": "a", "size": "32x32"}"#)
            #expect(try exact.json["size"] as? String == "32x32")
            #expect(try exact.json["warnings"] == nil)
        }
    }

    @Test func aCompressedBodyIsRefusedByName() async throws {
        try await TestServer.run { server in
            for (coding, status) in [("gzip", 415), ("identity, br", 415), ("identity", 200)] {
                let answer = try await server.client.post(Self.path, #"{"prompt": "a"}"#, ["Content-Encoding": coding])
                #expect(answer.status == status, "\(coding)")
                guard status == 415 else { continue }
                #expect(try answer.error["param"] == "Content-Encoding")
                #expect(answer.fields["accept-encoding"] == "identity")
            }
        }
    }

    @Test func whatIsNotSupportedSaysSo() async throws {
        try await TestServer.run { server in
            for path in [
                "/v1/images/variations", "/v1/videos/video_1/remix", "/v1/videos/edits",
                "/v1/videos/extensions",
            ] {
                let answer = try await server.client.post(path, #"{"prompt": "a"}"#)
                #expect(answer.status == 400, "\(path)")
                #expect(try answer.error["code"] == "unsupported", "\(path)")
            }
        }
    }

    @Test func lifeIsToldUnderTheNamesOfOthers() async throws {
        try await TestServer.run { server in
            for path in ["/healthz", "/health", "/v1/health", "/ping"] {
                let answer = try await server.client.get(path)
                #expect(answer.status == 200, "\(path)")
            }
            let version = try await server.client.get("/version").json["version"] as? String
            #expect(version == Release.version)
        }
    }
}
