import Foundation
import Media
import Testing

/// Clients of the A1111 web UI with their own settings, and what they ask for at their start.
@Suite struct WebUITests {
    private static let path = "/sdapi/v1/txt2img"
    private static let defaults = #""prompt": "a", "seed": 3, "sampler_name": "Euler a", "steps": 20, "cfg_scale": 7"#

    private static func picture(_ answer: Client.Answer) throws -> String? {
        (try answer.json["images"] as? [String])?.first
    }

    private static func info(_ answer: Client.Answer) throws -> [String: Any] {
        let text = try answer.json["info"] as? String ?? ""
        return try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] ?? [:]
    }

    @Test func untouchedDefaultsGiveTheGeneratorsOwnPicture() async throws {
        try await TestServer.run { server in
            let plain = try await server.client.post(Self.path, #"{"prompt": "a", "seed": 3}"#)
            let answer = try await server.client.post(Self.path, "{\(Self.defaults), \"scheduler\": \"Karras\"}")
            #expect(answer.status == 200, "\(answer.text)")
            #expect(try Self.picture(answer) == Self.picture(plain))
            let info = try Self.info(answer)
            #expect(info["steps"] as? Int == 4)
            #expect(info["cfg_scale"] as? Double == 1)
            #expect(info["sampler_name"] as? String == "student")
            let warnings = info["warnings"] as? [String] ?? []
            #expect(warnings.map { $0.prefix { $0 != ":" } } == ["steps", "cfg_scale"])
            #expect(try Self.info(plain)["warnings"] == nil)
        }
    }

    /// Weights of words are text, and that is told: the picture is that of the same words by any other route.
    @Test(arguments: [
        ("a (red:1.2) ball", true), ("a ball BREAK a box", true), ("((a ball: 0.8))", true), ("a ball (1:2:x)", false),
        ("a (red) ball: 2", false), ("a breakfast", false), (":3) hello", false),
    ]) func weightsOfWordsAreText(prompt: String, isTold: Bool) async throws {
        try await TestServer.run { server in
            let answer = try await server.client.post(Self.path, "{\"prompt\": \"\(prompt)\", \"seed\": 3}")
            let warnings = try Self.info(answer)["warnings"] as? [String] ?? []
            #expect(warnings.map { $0.prefix { $0 != ":" } } == (isTold ? ["prompt"] : []), "\(warnings)")
            let plain = try await server.client.post(
                "/v1/images/generations",
                "{\"prompt\": \"\(prompt)\", \"seed\": 3, \"response_format\": \"b64_json\"}")
            let data = try #require((try plain.json["data"] as? [[String: Any]])?.first?["b64_json"] as? String)
            let bytes = try #require(Data(base64Encoded: data))
            let own = try #require(try Self.picture(answer))
            let picture = try #require(Data(base64Encoded: own))
            #expect(try Picture.decode([UInt8](bytes)) == Picture.decode([UInt8](picture)))
        }
    }

    /// What a teacher can do, it does.
    @Test func settingsThatAGeneratorCanUseAreUsed() async throws {
        try await TestServer.run { server in
            let answer = try await server.client.post(
                Self.path, #"{"prompt": "a", "sampler_name": "teacher", "steps": 20, "cfg_scale": 7}"#)
            let info = try Self.info(answer)
            #expect(info["steps"] as? Int == 20)
            #expect(info["cfg_scale"] as? Double == 7)
            #expect(info["warnings"] == nil)
        }
    }

    @Test(arguments: [
        ("Euler", "student"), ("euler", "student"), ("Euler a", "student"), ("Euler Karras", "student"),
        ("k_euler_a", "student"), ("DPM++ 2M", "student"), ("DPM++ 2M Karras", "student"), ("DDIM", "student"),
        ("dpmpp_2m_sde", "student"), ("UniPC", "student"), ("LCM", "student"), ("Teacher", "teacher"), ("", "student"),
    ])
    func samplersOfTheWebUIMeanTheDefaultGenerator(name: String, generator: String) async throws {
        try await TestServer.run { server in
            let answer = try await server.client.post(
                Self.path, "{\"prompt\": \"a\", \"sampler_name\": \"\(name)\"}")
            #expect(answer.status == 200, "\(answer.text)")
            #expect(try Self.info(answer)["sampler_name"] as? String == generator)
        }
    }

    @Test func aStrictServerRefusesWhatItCannotUse() async throws {
        try await TestServer.run(configure: { $0.isA1111Strict = true }) { server in
            let sampler = try await server.client.post(Self.path, "{\(Self.defaults)}")
            #expect(sampler.status == 400)
            #expect(try sampler.error["param"] == "sampler_name")
            let steps = try await server.client.post(Self.path, #"{"prompt": "a", "steps": 20}"#)
            #expect(steps.status == 400)
            #expect(try steps.error["param"] == "steps")
            #expect(!steps.text.contains("num_inference_steps"))
            #expect(try steps.json["detail"] as? String == steps.error["message"])
        }
    }

    @Test(arguments: [
        (#""width": 100"#, "width"), (#""height": 100"#, "height"), (#""width": 640, "height": 640"#, "width"),
        (#""override_settings": {"sd_model_checkpoint": "v1-5.ckpt"}"#, "sd_model_checkpoint"),
        (#""sampler_name": "no such sampler""#, "sampler_name"),
        (#""seed": 9223372036854775807, "batch_size": 2"#, "seed"),
        (#""cfg_scale": 101"#, "cfg_scale"), (#""steps": 0"#, "steps"),
    ])
    func refusalsNameTheFieldsThatWereSent(fields: String, param: String) async throws {
        try await TestServer.run { server in
            let answer = try await server.client.post(Self.path, "{\"prompt\": \"a\", \(fields)}")
            #expect([400, 404].contains(answer.status))
            #expect(try answer.error["param"] == param)
            #expect(try answer.error["message"]?.contains(param) == true, "\(answer.text)")
            #expect(try answer.json["detail"] as? String == answer.error["message"])
            for other in ["num_inference_steps", "guidance_scale", "size:"] { #expect(!answer.text.contains(other)) }
        }
    }

    @Test func menusAreThere() async throws {
        try await TestServer.run { server in
            for name in [
                "samplers", "schedulers", "upscalers", "latent-upscale-modes", "sd-models", "sd-vae", "sd-modules",
                "loras",
                "prompt-styles", "face-restorers", "hypernetworks", "realesrgan-models", "script-info", "extensions",
            ] {
                let answer = try await server.client.get("/sdapi/v1/\(name)")
                #expect(answer.status == 200, "\(name)")
                let list = try JSONSerialization.jsonObject(with: Data(answer.body)) as? [[String: Any]]
                #expect(list?.allSatisfy { $0["name"] is String || $0["title"] is String } == true, "\(name)")
            }
            for name in ["cmd-flags", "memory", "embeddings", "scripts", "options"] {
                #expect(try await !server.client.get("/sdapi/v1/\(name)").json.isEmpty, "\(name)")
            }
            for name in ["refresh-checkpoints", "refresh-loras", "skip", "unload-checkpoint"] {
                #expect(try await server.client.post("/sdapi/v1/\(name)", "").status == 200, "\(name)")
            }
        }
    }

    /// aiyabot sends the scale as text, and asks what the picture that it got says of itself.
    @Test func numbersMayStandInText() async throws {
        try await TestServer.run { server in
            let answer = try await server.client.post(
                Self.path,
                #"{"prompt": "\u00e9\u6f22", "sampler_name": "teacher", "steps": "3", "cfg_scale": "7.0", "restore_faces": "false"}"#
            )
            #expect(answer.status == 200, "\(answer.text)")
            #expect(try Self.info(answer)["cfg_scale"] as? Double == 7)
            let picture = try #require(try Self.picture(answer))
            let told = try #require(try (Self.info(answer)["infotexts"] as? [String])?.first)
            for image in [picture, "data:image/png;base64," + picture] {
                let info = try await server.client.post("/sdapi/v1/png-info", "{\"image\": \"\(image)\"}")
                #expect(try info.json["info"] as? String == told)
            }
            for wrong in ["", "!", "aGVsbG8="] {
                let info = try await server.client.post("/sdapi/v1/png-info", "{\"image\": \"\(wrong)\"}")
                #expect(info.status == 400)
                #expect(try info.error["param"] == "image")
            }
        }
    }

    @Test func whatIsNoPictureIsRefused() async throws {
        try await TestServer.run { server in
            let body = "{\"prompt\": \"a\", \"init_images\": [\"\(String(repeating: "a", count: 8 << 20))\"]}"
            let answer = try await server.client.post("/sdapi/v1/img2img", body)
            #expect(answer.status == 400)
            #expect(try answer.error["param"] == "init_images")
            #expect(try answer.error["message"]?.contains("known format") == true)
        }
    }
}
