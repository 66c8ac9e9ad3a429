import Testing

/// What is wrong with a request is said before anything is computed, and names the field.
@Suite struct RefusalTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var path = "/v1/images/generations"
        let body: String
        var status = 400
        let param: String
        /// Parts of the message.
        let says: [String]

        var testDescription: String { "\(path) \(body.prefix(80))" }
    }

    static let cases: [Case] = [
        Case(body: "", param: "null", says: ["not JSON", "byte 0"]),
        Case(body: "{", param: "null", says: ["not JSON", "byte 1"]),
        Case(body: "[]", param: "null", says: ["an array", "JSON object"]),
        Case(body: #"{"prompt": "a", "prompt": "b"}"#, param: "null", says: ["given twice"]),
        Case(body: "{}", param: "prompt", says: ["prompt is required"]),
        Case(body: #"{"prompt": null}"#, param: "prompt", says: ["prompt is required"]),
        Case(body: #"{"prompt": " \n"}"#, param: "prompt", says: ["prompt is empty"]),
        Case(body: #"{"prompt": ["a"]}"#, param: "prompt", says: ["an array", "a string"]),
        Case(body: #"{"prompt": "a\u0000b"}"#, param: "prompt", says: ["NUL"]),
        Case(
            body: "{\"prompt\": \"\(String(repeating: "a", count: 4097))\"}", param: "prompt", says: ["4097", "4096"]),
        Case(
            body: "{\"prompt\": \"\(String(repeating: "a", count: 513))\"}", param: "prompt",
            says: ["513 tokens", "512"]),
        Case(body: #"{"prompt": "a", "negative_prompt": "a\u0000b"}"#, param: "negative_prompt", says: ["NUL"]),
        Case(body: #"{"prompt": "a", "model": "nope"}"#, status: 404, param: "model", says: ["'nope'", "'fake'"]),
        Case(body: #"{"prompt": "a", "model": 7}"#, param: "model", says: ["7", "a string"]),
        Case(body: #"{"prompt": "a", "n": 0}"#, param: "n", says: ["0", "from 1 to 10"]),
        Case(body: #"{"prompt": "a", "n": 11}"#, param: "n", says: ["11", "from 1 to 10"]),
        Case(body: #"{"prompt": "a", "n": "2"}"#, param: "n", says: ["'2'", "an integer"]),
        Case(body: #"{"prompt": "a", "n": 1.5}"#, param: "n", says: ["1.5", "an integer"]),
        Case(body: #"{"prompt": "a", "n": true}"#, param: "n", says: ["true", "an integer"]),
        Case(body: #"{"prompt": "a", "size": "64"}"#, param: "size", says: ["'64'", "WIDTHxHEIGHT", "64x48"]),
        Case(body: #"{"prompt": "a", "size": "-64x64"}"#, param: "size", says: ["'-64x64'"]),
        Case(body: #"{"prompt": "a", "size": "99999999999999999999x64"}"#, param: "size", says: ["WIDTHxHEIGHT"]),
        Case(body: #"{"prompt": "a", "size": "64x50"}"#, param: "size", says: ["50", "multiple of 16"]),
        Case(body: #"{"prompt": "a", "size": "0x16"}"#, param: "size", says: ["0", "multiple of 16"]),
        Case(body: #"{"prompt": "a", "size": "160x160"}"#, param: "size", says: ["160x160", "12288"]),
        Case(body: #"{"prompt": "a", "size": "999999984x999999984"}"#, param: "size", says: ["12288"]),
        Case(body: #"{"prompt": "a", "seed": -2}"#, param: "seed", says: ["-2", "9223372036854775807"]),
        Case(body: #"{"prompt": "a", "seed": 9223372036854775808}"#, param: "seed", says: ["9223372036854775808"]),
        Case(body: #"{"prompt": "a", "seed": 1e300}"#, param: "seed", says: ["1e300"]),
        Case(
            body: #"{"prompt": "a", "num_inference_steps": 0}"#, param: "num_inference_steps",
            says: ["0", "from 1 to 1000"]),
        Case(
            body: #"{"prompt": "a", "num_inference_steps": 5}"#, param: "num_inference_steps",
            says: ["5", "exactly 4 steps"]),
        // Under the name that was sent, whoever looks at the value.
        Case(body: #"{"prompt": "a", "steps": 5}"#, param: "steps", says: ["steps is 5, but", "exactly 4 steps"]),
        Case(
            path: "/v1/jobs", body: #"{"kind": "image", "prompt": "a", "steps": 5}"#, param: "steps",
            says: ["steps is 5, but"]),
        Case(
            path: "/v1/videos", body: #"{"prompt": "a", "width": 50}"#, param: "width", says: ["50", "multiple of 16"]),
        Case(body: #"{"prompt": "a", "height": 50}"#, param: "height", says: ["50", "multiple of 16"]),
        Case(body: #"{"prompt": "a", "guidance_scale": -0.5}"#, param: "guidance_scale", says: ["-0.5", "0 to 100"]),
        Case(body: #"{"prompt": "a", "guidance_scale_2": 1e9}"#, param: "guidance_scale_2", says: ["0 to 100"]),
        Case(body: #"{"prompt": "a", "guidance_scale": "3"}"#, param: "guidance_scale", says: ["'3'", "a number"]),
        Case(
            body: #"{"prompt": "a", "generator": "artist"}"#, param: "generator",
            says: ["'artist'", "'student'", "'teacher'"]),
        Case(
            body: #"{"prompt": "a", "response_format": "file"}"#, param: "response_format",
            says: ["'file'", "'b64_json' or 'url'"]),
        Case(body: #"{"prompt": "a", "output_format": "gif"}"#, param: "output_format", says: ["'gif'", "'png'"]),
        Case(body: #"{"prompt": "a", "output_compression": 50}"#, param: "output_compression", says: ["50", "png"]),
        Case(
            body: #"{"prompt": "a", "output_format": "webp", "output_compression": 101}"#, param: "output_compression",
            says: ["101", "100"]),
        Case(body: #"{"prompt": "a", "background": "transparent"}"#, param: "background", says: ["'opaque'"]),
        Case(body: #"{"prompt": "a", "stream": "yes"}"#, param: "stream", says: ["true or false"]),
        Case(body: #"{"prompt": "a", "partial_images": 4}"#, param: "partial_images", says: ["4", "from 0 to 3"]),
        Case(
            path: "/v1/jobs", body: #"{"kind": "image", "prompt": "a", "priority": "urgent"}"#, param: "priority",
            says: ["'urgent'", "'interactive' or 'batch'"]),
        Case(path: "/v1/images/edits", body: #"{"prompt": "a"}"#, param: "image", says: ["required"]),
        Case(
            path: "/v1/videos", body: #"{"prompt": "a", "num_frames": 6}"#, param: "num_frames", says: ["6", "4k + 1"]),
        Case(
            path: "/v1/images/generations", body: #"{"prompt": "a", "num_frames": 5}"#, param: "num_frames",
            says: ["5", "1"]),
        Case(path: "/v1/videos", body: #"{"prompt": "a", "num_frames": 37}"#, param: "num_frames", says: ["37", "33"]),
        Case(path: "/v1/videos", body: #"{"prompt": "a", "num_frames": 0}"#, param: "num_frames", says: ["0"]),
        Case(
            path: "/v1/videos", body: #"{"prompt": "a", "seconds": "8"}"#, param: "seconds", says: ["8", "1, 2, 3, 4"]),
        Case(path: "/v1/videos", body: #"{"prompt": "a", "seconds": "soon"}"#, param: "seconds", says: ["'soon'"]),
        Case(path: "/v1/videos", body: #"{"prompt": "a", "seconds": 0}"#, param: "seconds", says: ["more than 0"]),
        Case(
            path: "/v1/videos", body: #"{"prompt": "a", "seconds": 2, "num_frames": 9}"#, param: "seconds",
            says: ["num_frames is 9", "differ"]),
        Case(path: "/v1/videos", body: #"{"prompt": "a", "fps": 0}"#, param: "fps", says: ["0", "from 1 to 240"]),
        Case(path: "/v1/videos", body: #"{"prompt": "a", "crf": 52}"#, param: "crf", says: ["52", "51"]),
        Case(
            path: "/v1/videos", body: #"{"prompt": "a", "preset": "warp"}"#, param: "preset", says: ["warp", "medium"]),
        Case(
            path: "/v1/videos", body: #"{"prompt": "a", "input_reference": "x"}"#, param: "input_reference",
            says: ["neither base64 nor a data URL"]),
        Case(path: "/v1/jobs", body: #"{"prompt": "a"}"#, param: "kind", says: ["kind is required"]),
        Case(path: "/v1/jobs", body: #"{"kind": "song", "prompt": "a"}"#, param: "kind", says: ["'song'", "'image'"]),
        Case(
            path: "/v1/jobs", body: #"{"kind": "image", "prompt": "a", "sed": 1}"#, param: "sed",
            says: ["no field 'sed'", "seed"]),
        Case(
            path: "/v1/jobs", body: #"{"kind": "video", "prompt": "a", "n": 2}"#, param: "n", says: ["no field 'n'"]),
        Case(path: "/sdapi/v1/txt2img", body: #"{"steps": 4}"#, param: "prompt", says: ["required"]),
        Case(
            path: "/sdapi/v1/txt2img", body: #"{"prompt": "a", "sampler_name": "no such"}"#, param: "sampler_name",
            says: ["no such", "'student'", "'euler'"]),
        Case(
            path: "/sdapi/v1/txt2img", body: #"{"prompt": "a", "batch_size": 4, "n_iter": 3}"#, param: "n_iter",
            says: ["12", "10"]),
        Case(
            path: "/sdapi/v1/txt2img", body: #"{"prompt": "a", "enable_hr": true}"#, param: "enable_hr", says: ["not"]),
        Case(path: "/sdapi/v1/txt2img", body: #"{"prompt": "a", "width": 100}"#, param: "width", says: ["100", "16"]),
        Case(
            path: "/sdapi/v1/txt2img",
            body: #"{"prompt": "a", "override_settings": {"sd_model_checkpoint": "sdxl"}}"#, status: 404,
            param: "sd_model_checkpoint", says: ["'sdxl'", "'fake'"]),
    ]

    @Test func everyRefusalNamesTheFieldAndComputesNothing() async throws {
        try await TestServer.run { server in
            for wrong in Self.cases {
                let answer = try await server.client.post(wrong.path, wrong.body)
                let error = try answer.error
                #expect(answer.status == wrong.status, "\(wrong.testDescription): \(answer.text)")
                #expect(Set(error.keys) == ["message", "type", "param", "code"], "\(wrong.testDescription)")
                #expect(error["type"] == "invalid_request_error", "\(wrong.testDescription)")
                #expect(error["param"] == wrong.param, "\(wrong.testDescription): \(answer.text)")
                for part in wrong.says {
                    #expect(error["message"]?.contains(part) == true, "\(wrong.testDescription): \(answer.text)")
                }
            }
            #expect(try await server.jobs().isEmpty)
            #expect(try await server.client.get("/healthz").status == 200)
        }
    }

    @Test(arguments: [
        ("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("order=up", "order"),
        ("after=video_unknown", "after"), ("kind=song", "kind"),
        ("state=failed", "state"), ("limit=5&page=2", "page"),
    ])
    func listsRefuseTheirParameters(query: String, param: String) async throws {
        try await TestServer.run { server in
            let answer = try await server.client.get("/v1/jobs?\(query)")
            #expect(answer.status == 400)
            #expect(try answer.error["param"] == param)
        }
    }

    @Test func formsAreReadStrictly() async throws {
        let forms: [(String, String, String)] = [
            ("multipart/form-data", "--x--\r\n", "boundary"),
            ("multipart/form-data; boundary=x", "prompt=a", "boundary"),
            ("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n", "name"),
            (
                "multipart/form-data; boundary=x",
                "--x\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na", "does not end"
            ),
            (
                "multipart/form-data; boundary=x",
                "--x\r\nContent-Disposition: form-data; name=\"n\"; filename=\"a.png\"\r\n\r\na\r\n--x--\r\n", "file"
            ),
            ("application/x-www-form-urlencoded", "prompt=a", "application/json"),
        ]
        try await TestServer.run { server in
            for (type, body, part) in forms {
                let answer = try await server.client.send("POST", "/v1/videos", ["Content-Type": type], body)
                #expect(answer.status == (type.hasPrefix("multipart") ? 400 : 415), "\(body)")
                #expect(try answer.error["message"]?.contains(part) == true, "\(answer.text)")
            }
        }
    }
}
