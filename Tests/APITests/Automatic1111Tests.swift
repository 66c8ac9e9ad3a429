import Foundation
import Testing

@Suite struct Automatic1111Tests {
    @Test func txt2imgAnswersInTheFormOfTheWebUI() async throws {
        try await TestServer.run { server in
            let answer = try await server.client.post(
                "/sdapi/v1/txt2img",
                #"{"prompt": "a", "negative_prompt": "", "seed": 8, "width": 32, "height": 48, "batch_size": 2, "#
                    + #""sampler_name": "Euler", "cfg_scale": 1, "steps": 4, "alwayson_scripts": {}}"#)
            #expect(answer.status == 200, "\(answer.text)")
            let images = try answer.json["images"] as? [String] ?? []
            #expect(
                images.map { ImageTests.pngSize(Array(Data(base64Encoded: $0) ?? Data())) } == [[32, 48], [32, 48]])
            #expect((try answer.json["parameters"] as? [String: Any])?["steps"] as? Int == 4)
            let text = try answer.json["info"] as? String ?? ""
            let info = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] ?? [:]
            #expect(info["seed"] as? Int == 8)
            #expect(info["all_seeds"] as? [Int] == [8, 9])
            #expect(info["sampler_name"] as? String == "student")
            #expect(info["steps"] as? Int == 4)
            #expect(info["sd_model_name"] as? String == "fake")
            // What info tells is what the file itself says.
            let written = try #require(Data(base64Encoded: images[1]))
            let told = try #require((info["infotexts"] as? [String])?.last)
            #expect(told.contains("Seed: 9"))
            #expect(written.range(of: Data(told.utf8)) != nil)
        }
    }

    @Test func imagesAreLeftOutWhereNoneAreWanted() async throws {
        try await TestServer.run { server in
            let answer = try await server.client.post(
                "/sdapi/v1/txt2img", #"{"prompt": "a", "send_images": false, "save_images": true}"#)
            #expect(try answer.json["images"] as? [String] == [], "\(answer.text)")
            #expect(try await server.jobs().map(\.artifacts.count) == [1])
            let wrong = try await server.client.post("/sdapi/v1/txt2img", #"{"prompt": "a", "send_images": 7}"#)
            #expect(try wrong.status == 400 && wrong.error["param"] == "send_images")
            #expect(try await server.jobs().count == 1)
        }
    }

    /// What would change a picture of the web UI and does nothing here is told; what clients send untouched is not.
    @Test func extensionsAndSettingsThatAreIgnoredAreTold() async throws {
        try await TestServer.run { server in
            func warnings(_ fields: String) async throws -> [String] {
                let answer = try await server.client.post("/sdapi/v1/txt2img", "{\"prompt\": \"a\", \(fields)}")
                let text = try answer.json["info"] as? String ?? ""
                let info = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
                return info?["warnings"] as? [String] ?? []
            }
            let scripts = try await warnings(
                #""alwayson_scripts": {"controlnet": {"args": [{"image": "x"}]}, "Sampler": {"args": []}}"#)
            #expect(scripts == ["alwayson_scripts: controlnet ignored"])
            let settings = try await warnings(
                #""override_settings": {"sd_vae": "a.pt", "CLIP_stop_at_last_layers": 2, "samples_format": "png"}"#)
            #expect(settings == ["override_settings: CLIP_stop_at_last_layers, sd_vae ignored"])
            let own = #""sd_vae": "Automatic", "CLIP_stop_at_last_layers": 1, "sd_model_checkpoint": "fake""#
            let untouched = try await warnings(
                #""alwayson_scripts": {"a": {"args": []}}, "override_settings": {\#(own)}"#)
            #expect(untouched.isEmpty)
        }
    }

    @Test func theSameSeedGivesTheSameImageInBothDialects() async throws {
        try await TestServer.run { server in
            let web = try await server.client.post("/sdapi/v1/txt2img", #"{"prompt": "a", "seed": 4}"#)
            let openAI = try await server.client.post("/v1/images/generations", #"{"prompt": "a", "seed": 4}"#)
            #expect(
                (try web.json["images"] as? [String])?.first
                    == (try ImageTests.images(openAI).first?["b64_json"] as? String))
        }
    }

    @Test func progressShowsTheRunningImageAndInterruptEndsIt() async throws {
        try await TestServer.run { server in
            let client = server.client
            let idle = try await client.get("/sdapi/v1/progress").json
            #expect(idle["progress"] as? Int == 0)
            #expect(idle["current_image"] is NSNull)
            server.pace.value = 0.3
            let waiting = try client.open(
                "POST", "/sdapi/v1/txt2img", ["Content-Type": "application/json"],
                #"{"prompt": "a", "sampler_name": "teacher", "steps": 100}"#)
            #expect(
                try await eventually {
                    try await client.get("/sdapi/v1/progress").json["current_image"] is String
                })
            let busy = try await client.get("/sdapi/v1/progress").json
            let image = Array(Data(base64Encoded: busy["current_image"] as? String ?? "") ?? Data())
            #expect(ImageTests.pngSize(image) == [64, 48])
            #expect(busy["progress"] as? Double ?? 0 > 0)
            #expect((busy["state"] as? [String: Any])?["sampling_steps"] as? Int == 100)
            let bare = try await client.get("/sdapi/v1/progress?skip_current_image=true").json
            #expect(bare["current_image"] is NSNull)
            #expect(try await client.get("/sdapi/v1/progress?skip_current_image=maybe").status == 400)
            #expect(try await client.post("/sdapi/v1/interrupt", "").status == 200)
            let answer = try await waiting.answer()
            #expect(answer.status == 409)
            #expect(try await client.get("/sdapi/v1/progress").json["progress"] as? Int == 0)
        }
    }

    @Test func whatThereIsToChooseFrom() async throws {
        try await TestServer.run { server in
            let samplers = try await server.client.get("/sdapi/v1/samplers")
            let list = try JSONSerialization.jsonObject(with: Data(samplers.body)) as? [[String: Any]] ?? []
            #expect(list.map { $0["name"] as? String } == ["student", "teacher"])
            let models = try await server.client.get("/sdapi/v1/sd-models")
            let titles = try JSONSerialization.jsonObject(with: Data(models.body)) as? [[String: Any]] ?? []
            #expect(titles.map { $0["title"] as? String } == ["fake"])
            #expect(try await server.client.get("/sdapi/v1/options").json["sd_model_checkpoint"] as? String == "fake")
        }
    }

    /// Open WebUI reads all options, changes the model, and sends all of them back.
    @Test func optionsChooseTheModel() async throws {
        try await TestServer.run { server in
            let known = #"{"sd_model_checkpoint": "fake", "samples_format": "png", "CLIP_stop_at_last_layers": 1}"#
            #expect(try await server.client.post("/sdapi/v1/options", known).status == 200)
            #expect(try await server.client.get("/sdapi/v1/options").json["sd_model_checkpoint"] as? String == "fake")
            let unknown = try await server.client.post("/sdapi/v1/options", #"{"sd_model_checkpoint": "other"}"#)
            #expect(unknown.status == 404)
            #expect(unknown.text.contains("other"))
        }
    }
}
