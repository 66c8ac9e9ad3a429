import Foundation
import Media
import Pictures
import Testing

/// What `png-info` makes of infotexts. The parameters that are expected are those that the web UI's own
/// `parse_generation_parameters` gave for the same texts, without what it adds of its settings.
@Suite struct InfotextTests {
    /// The example that the web UI's documentation of its reader has.
    private static let usual = """
        girl with an artist's beret, determined, blue eyes, desert scene, computer monitors, heavy makeup, by Alphonse Mucha and Charlie Bowater, ((eyeshadow)), (coquettish), detailed, intricate
        Negative prompt: ugly, fat, obese, chubby, (((deformed))), [blurry], bad anatomy, disfigured, poorly drawn face, mutation, mutated, (extra_limb), (ugly), (poorly drawn hands), messy drawing
        Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 965400086, Size: 512x512, Model hash: 45dee52b
        """

    private static func parameters(of text: String, _ server: TestServer) async throws -> [String: String] {
        let picture = try RGBImage(width: 8, height: 8, bytes: [UInt8](repeating: 9, count: 192))
        let file = try PNG.encode(picture, text: [("parameters", text)])
        let answer = try await server.client.post(
            "/sdapi/v1/png-info", #"{"image": "\#(Data(file).base64EncodedString())"}"#)
        #expect(try answer.json["info"] as? String == text)
        return try #require(try answer.json["parameters"] as? [String: String], "\(answer.text)")
    }

    @Test(arguments: [
        (
            usual,
            [
                "Prompt":
                    "girl with an artist's beret, determined, blue eyes, desert scene, computer monitors, heavy makeup, by Alphonse Mucha and Charlie Bowater, ((eyeshadow)), (coquettish), detailed, intricate",
                "Negative prompt":
                    "ugly, fat, obese, chubby, (((deformed))), [blurry], bad anatomy, disfigured, poorly drawn face, mutation, mutated, (extra_limb), (ugly), (poorly drawn hands), messy drawing",
                "Steps": "20", "Sampler": "Euler a", "CFG scale": "7", "Seed": "965400086", "Size-1": "512",
                "Size-2": "512", "Model hash": "45dee52b",
            ]
        ),
        (
            "a castle,\n  on a hill \r\n\nat dusk\nNegative prompt: blurry,\nlow quality\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.0, Seed: 1, Size: 512x768, Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, Denoising strength: 0.7, Hires upscale: 2, Hires upscaler: Latent (nearest-exact), Lora hashes: \"ink: 3e2f1a, film grain: 77\", TI hashes: \"easynegative: c74b4e810b03\", Version: v1.10.1",
            [
                "Prompt": "a castle,\non a hill\n\nat dusk", "Negative prompt": "blurry,\nlow quality", "Steps": "20",
                "Sampler": "DPM++ 2M", "Schedule type": "Karras", "CFG scale": "7.0", "Seed": "1", "Size-1": "512",
                "Size-2": "768", "Model hash": "6ce0161689", "Model": "v1-5-pruned-emaonly",
                "Denoising strength": "0.7", "Hires upscale": "2", "Hires upscaler": "Latent (nearest-exact)",
                "Lora hashes": "ink: 3e2f1a, film grain: 77", "TI hashes": "easynegative: c74b4e810b03",
                "Version": "v1.10.1",
            ]
        ),
        (
            "a fox\nSteps: 4, Wildcard prompt: \"a __colour__ fox, \\\"sly\\\"\\nat night\", Seed: 7, Size: 64x48, Mask size: \"8x9\", Empty: , Version: v1.6.0",
            [
                "Prompt": "a fox", "Negative prompt": "", "Steps": "4",
                "Wildcard prompt": "a __colour__ fox, \"sly\"\nat night", "Seed": "7", "Size-1": "64", "Size-2": "48",
                "Mask size-1": "8", "Mask size-2": "9", "Version": "v1.6.0",
            ]
        ),
        (
            "x\nNegative prompt: a\nNegative prompt: b\nE: 1, Steps: 2, e-f/g: 3,Seed:4 , Quote: \"a\" b, Tail: \"open, Seed: 9",
            [
                "Prompt": "x", "Negative prompt": "a\nb", "Steps": "2", "e-f/g": "3", "Seed": "9", "Quote": "\"a\" b",
                "Tail": "\"open",
            ]
        ),
        // A combining accent makes one Swift character of itself and the comma before it.
        (
            "雪の山 🏔\nSteps: 4, Sampler: euler, モデル: 山, Größe: 12x٣, Key: a\u{301},\u{301}b, CFG scale: 1.0",
            [
                "Prompt": "雪の山 🏔", "Negative prompt": "", "Steps": "4", "Sampler": "euler", "モデル": "山",
                "Größe-1": "12", "Größe-2": "٣", "Key": "a\u{301}", "CFG scale": "1.0",
            ]
        ),
        // Fewer than three pairs are a prompt's last line.
        ("Steps: 4, Seed: 7", ["Prompt": "Steps: 4, Seed: 7", "Negative prompt": ""]),
        (
            "Steps: 20, Sampler: Euler, CFG scale: 7",
            ["Prompt": "", "Negative prompt": "", "Steps": "20", "Sampler": "Euler", "CFG scale": "7"]
        ),
        (
            "a, b: c, d\nthree: 1, four", ["Prompt": "a, b: c, d\nthree: 1, four", "Negative prompt": ""]
        ),
        ("", ["Prompt": "", "Negative prompt": ""]),
    ])
    func `The parameters are those that the web UI reads`(_ text: String, _ expected: [String: String]) async throws {
        try await TestServer.run { server in
            let parameters = try await Self.parameters(of: text, server)
            #expect(parameters == expected)
        }
    }

    @Test func `Long texts of marks are read in time`() async throws {
        try await TestServer.run { server in
            for text in [":", "a ", "\"\\", ",", "aa:", "a\n", "aa: \"", "Negative prompt:\n"] {
                let long = String(repeating: text, count: 1_000_000 / text.utf8.count)
                let start = ContinuousClock.now
                _ = try await Self.parameters(of: long, server)
                #expect(start.duration(to: .now) < .seconds(20), "\(text)")
            }
        }
    }

    /// As the web UI quotes what would not be read back as one value.
    @Test func `A model's name is read back whatever marks it has`() async throws {
        let name = #"a: b, "c""#
        try await TestServer.run(model: try FakeModel.pipeline(id: name)) { server in
            let made = try await server.client.post("/sdapi/v1/txt2img", #"{"prompt": "a", "width": 64, "height": 48}"#)
            let picture = try #require((made.json["images"] as? [String])?.first, "\(made.text.prefix(300))")
            let answer = try await server.client.post("/sdapi/v1/png-info", #"{"image": "\#(picture)"}"#)
            #expect(try (answer.json["info"] as? String)?.contains(#"Model: "a: b, \"c\"", Generator"#) == true)
            let parameters = try #require(try answer.json["parameters"] as? [String: String])
            #expect(parameters["Model"] == name && parameters["Generator"] == "student")
        }
    }

    /// Of a changed picture the steps are those that were asked for, as the web UI writes them.
    @Test func `A changed picture tells its steps and strength`() async throws {
        let bytes = (0..<64 * 48 * 3).map { UInt8(truncatingIfNeeded: $0) }
        let given = try PNG.encode(RGBImage(width: 64, height: 48, bytes: bytes))
        try await TestServer.run { server in
            let made = try await server.client.post(
                "/sdapi/v1/img2img",
                #"{"prompt": "a fox,\nNegative", "negative_prompt": "two\nlines", "seed": 4, "width": 64, "height": 48, "denoising_strength": 0.5, "init_images": ["\#(Data(given).base64EncodedString())"]}"#
            )
            let info = try JSONSerialization.jsonObject(with: Data((made.json["info"] as? String ?? "").utf8))
            let told = try #require(info as? [String: Any], "\(made.text.prefix(300))")
            #expect(told["steps"] as? Int == 4 && told["denoising_strength"] as? Double == 0.5)
            let picture = try #require((made.json["images"] as? [String])?.first)
            let answer = try await server.client.post("/sdapi/v1/png-info", #"{"image": "\#(picture)"}"#)
            let parameters = try #require(try answer.json["parameters"] as? [String: String])
            #expect(parameters["Prompt"] == "a fox,\nNegative" && parameters["Negative prompt"] == "two\nlines")
            #expect(parameters["Steps"] == "4" && parameters["Denoising strength"] == "0.5")
            #expect(parameters["Seed"] == "4" && parameters["Size-1"] == "64" && parameters["Size-2"] == "48")
            #expect(parameters["Model"] != nil && parameters["Generator"] == "student")
        }
    }
}
