import API
import Foundation
import HTTP
import Support
import Testing

/// What holds for all routes: the form of errors, keys, other origins, the page, what is said about the server.
@Suite struct ServiceTests {
    @Test func everyErrorHasTheSameForm() async throws {
        try await TestServer.run(configure: { $0.limits.bodyBytes = 1000 }) { server in
            let long = String(repeating: "x", count: 9000)
            let requests: [(String, Client.Connection)] = try [
                ("404", server.client.open("GET", "/nothing")),
                ("404", server.client.open("GET", "/v1/nothing")),
                ("405", server.client.open("GET", "/v1/images/generations")),
                ("405", server.client.open("PUT", "/v1/videos")),
                ("413", server.client.open("POST", "/sdapi/v1/txt2img", [:], String(long.prefix(2000)))),
                ("414", server.client.open("GET", "/\(long)")),
                ("431", server.client.open("GET", "/healthz", ["X-Long": long + long])),
                ("400", server.client.open("GET", "/%2e%2e/etc/passwd")),
                ("400", server.client.open("GET", "/healthz", ["Host": "a b"])),
                ("417", server.client.open("POST", "/v1/jobs", ["Expect": "miracle"], "{}")),
                ("501", server.client.open("POST", "/v1/jobs", ["Transfer-Encoding": "gzip"])),
            ]
            for (status, connection) in requests {
                let answer = try await connection.answer()
                #expect("\(answer.status)" == status, "\(answer.text)")
                let error = try answer.error
                #expect(Set(error.keys) == ["message", "type", "param", "code"], "\(answer.text)")
                #expect(error["code"] != "null", "\(answer.text)")
                #expect(answer.fields["content-type"] == "application/json")
                #expect(answer.fields["x-request-id"] != nil)
                if status == "405" { #expect(answer.fields["allow"]?.contains("OPTIONS") == true) }
            }
        }
    }

    @Test func keysOpenWhatIsNotOpenToAll() async throws {
        // printf %s second | sha256sum
        let file = """
            # two keys
            first

            sha256:16367aacb67a4a017c8da8ab95682ccb390863780f7114dda0a0e0c55644c7c4
            """
        try await TestServer.run(configure: { $0.keys = try APIKeys(file: file) }) { server in
            for path in ["/v1/models", "/v1/jobs", "/metrics", "/sdapi/v1/samplers", "/v1/artifacts/x"] {
                for field in ["", "Bearer", "Bearer third", "Basic first", "Bearer firs", "Bearer first1"] {
                    let answer = try await server.client.get(path, field.isEmpty ? [:] : ["Authorization": field])
                    #expect(answer.status == 401, "\(path) \(field)")
                    #expect(try answer.error["code"] == "invalid_api_key")
                    #expect(answer.fields["www-authenticate"] == "Bearer")
                }
            }
            for field in ["Bearer first", "bearer second"] {
                #expect(try await server.client.get("/v1/models", ["Authorization": field]).status == 200)
            }
            for path in ["/healthz", "/readyz", "/openapi.json"] {
                #expect(try await server.client.get(path).status == 200)
            }
        }
    }

    @Test(arguments: ["", "# nothing", "sha256:12", "sha256:\(String(repeating: "g", count: 64))"])
    func aFileWithoutKeysIsRefused(file: String) {
        #expect(throws: APIKeyFault.self) { try APIKeys(file: file) }
    }

    @Test func pagesOfOtherOriginsStayOut() async throws {
        let foreign = ["Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site"]
        let friend = ["Origin": "https://friend.test", "Sec-Fetch-Site": "cross-site"]
        let body = #"{"kind": "image", "prompt": "a"}"#
        try await TestServer.run { server in
            let refused = try await server.client.post("/v1/jobs", body, foreign)
            #expect(refused.status == 403)
            #expect(try refused.error["code"] == "origin_not_allowed")
            #expect(refused.fields["access-control-allow-origin"] == nil)
            let own = try await server.client.post("/v1/jobs", body, ["Sec-Fetch-Site": "same-origin"])
            #expect(own.status == 202)
            #expect(own.fields["access-control-allow-origin"] == nil)
        }
        try await TestServer.run(configure: { $0.corsOrigins = ["https://friend.test"] }) { server in
            #expect(try await server.client.post("/v1/jobs", body, foreign).status == 403)
            let allowed = try await server.client.post("/v1/jobs", body, friend)
            #expect(allowed.status == 202)
            #expect(allowed.fields["access-control-allow-origin"] == "https://friend.test")
            let preflight = try await server.client.send("OPTIONS", "/v1/jobs", friend)
            #expect(preflight.status == 204)
            #expect(preflight.fields["access-control-allow-headers"]?.contains("Idempotency-Key") == true)
        }
    }

    @Test func thePageIsServedUnderAStrictPolicy() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "phasor-page-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try Data("<!doctype html>".utf8).write(to: folder.appending(path: "index.html"))
        try Data("1".utf8).write(to: folder.appending(path: "app.js"))
        try await TestServer.run(configure: { $0.publicFolder = folder.path }) { server in
            for (path, type) in [("/", "text/html"), ("/app.js", "text/javascript")] {
                let answer = try await server.client.get(path)
                #expect(answer.status == 200)
                #expect(answer.fields["content-type"]?.hasPrefix(type) == true)
                let policy = answer.fields["content-security-policy"] ?? ""
                #expect(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"))
                #expect(!policy.contains("unsafe"))
                #expect(answer.fields["x-content-type-options"] == "nosniff")
            }
            #expect(try await server.client.get("/other.js").status == 404)
            // Paths of other methods stay 405 beside the page, which takes every path.
            let answer = try await server.client.get("/v1/images/generations")
            #expect(answer.status == 405)
            #expect(answer.fields["allow"] == "OPTIONS, POST")
            #expect(try await server.client.send("HEAD", "/v1/jobs/x/cancel").status == 405)
            let options = try await server.client.send("OPTIONS", "/v1/images/generations")
            #expect(options.fields["allow"] == "OPTIONS, POST")
        }
    }

    @Test func capabilitiesTellThePhases() async throws {
        try await TestServer.run { server in
            let json = try await server.client.get("/v1/capabilities").json
            let model = (json["models"] as? [[String: Any]])?.first ?? [:]
            #expect(model["id"] as? String == "fake")
            #expect(model["default_generator"] as? String == "student")
            #expect(
                NSDictionary(dictionary: model["sizes"] as? [String: Any] ?? [:]) == [
                    "multiple": 16, "default": "64x48", "maximum_pixels": 12288,
                ])
            #expect(
                NSDictionary(dictionary: model["frames"] as? [String: Any] ?? [:]) == [
                    "rule": "4k+1", "multiple": 4, "default": 17, "maximum": 33,
                ])
            #expect(model["fps"] as? Int == 8)
            let generators = model["generators"] as? [[String: Any]] ?? []
            let student = generators.first ?? [:]
            #expect(student["sigmas"] as? [Double] == [1, 0.9, 0.75, 0.5])
            #expect(student["steps"] as? Int == 4)
            #expect(student["nfe"] as? Int == 4)
            // Guidance is on in all six steps of the teacher.
            #expect(generators.last?["nfe"] as? Int == 12)
            let phases = student["phases"] as? [[String: Any]] ?? []
            #expect(phases.map { $0["expert"] as? String } == ["transformer", "transformer_2"])
            #expect(phases.first?["sigma"] as? [Double] == [0.8, 1])
            // (1 - 0.8)^2 / 0.8^2
            let snr = phases.first?["snr"] as? [Double] ?? []
            #expect(snr.count == 2 && snr[0] == 0 && abs(snr[1] - 0.0625) < 1e-12)
            #expect((phases.last?["snr"] as? [Any])?.last is NSNull)
            #expect((json["limits"] as? [String: Any])?["n"] as? Int == 10)
        }
    }

    @Test func modelsHaveAliases() async throws {
        try await TestServer.run { server in
            let list = try await server.client.get("/v1/models").json["data"] as? [[String: Any]] ?? []
            #expect(list.first?["id"] as? String == "fake")
            for alias in ["gpt-image-1", "gpt-image-1.5", "gpt-image-2", "dall-e-3", "sora-2"] {
                #expect(list.contains { $0["id"] as? String == alias && $0["root"] as? String == "fake" })
                #expect(try await server.client.get("/v1/models/\(alias)").json["id"] as? String == alias)
            }
            // Later models of OpenAI's lines, and their states of a day.
            let others = [
                ("gpt-image-2-2026-04-21", 200), ("gpt-image-2.5-sunburst-2026-09-08", 200), ("gpt-image-3", 200),
                ("sora-2-2025-10-06", 200), ("chatgpt-image-latest", 200), ("gpt-image-", 404), ("gpt-image-x", 404),
                ("gpt-4o", 404), ("sora-", 404), ("dall-e-4", 404), ("fake-2", 404),
            ]
            for (name, status) in others {
                #expect(try await server.client.get("/v1/models/\(name)").status == status, "\(name)")
            }
        }
    }

    @Test func theOperatorGivesModelsOtherNames() async throws {
        let aliases = ["house=fake", "lost=nowhere"].compactMap { ModelAlias($0) }
        try await TestServer.run(configure: { $0.aliases = aliases }) { server in
            let list = try await server.client.get("/v1/models").json["data"] as? [[String: Any]] ?? []
            #expect(list.contains { $0["id"] as? String == "house" && $0["root"] as? String == "fake" })
            #expect(!list.contains { $0["id"] as? String == "lost" })
            let body = #"{"prompt": "a", "model": "house"}"#
            #expect(try await server.client.post("/v1/images/generations", body).status == 200)
            #expect(try await server.client.get("/v1/models/lost").status == 404)
        }
        for wrong in ["", "a", "=b", "a="] { #expect(ModelAlias(wrong) == nil) }
    }

    @Test func metricsCountByTemplate() async throws {
        try await TestServer.run { server in
            _ = try await server.client.post("/v1/images/generations", #"{"prompt": "a"}"#)
            _ = try await server.client.get("/v1/jobs/one")
            _ = try await server.client.get("/v1/jobs/two")
            _ = try await server.client.get("/nowhere/at/all")
            let expected = [
                #"phasor_http_requests_total{method="GET",route="/v1/jobs/{id}",status="404"} 2"#,
                #"phasor_http_requests_total{method="POST",route="/v1/images/generations",status="200"} 1"#,
                #"phasor_http_requests_total{method="other",route="none",status="404"} 1"#,
                "# TYPE phasor_http_request_seconds histogram",
                #"phasor_build_info{version="\#(Release.version)""#, "\nprocess_open_fds ",
                "# TYPE process_cpu_seconds_total counter",
            ]
            // An exchange is counted once its last byte is sent, which its client may see earlier.
            let seen = try await eventually {
                let text = try await server.client.get("/metrics").text
                return expected.allSatisfy { text.contains($0) } && !text.contains("nowhere")
            }
            #expect(seen)
        }
    }

    /// Generators of clients need to know what arrays hold.
    private static func expectItems(in value: JSON, _ place: String) {
        if value["type"] == "array" { #expect(value["items"] != nil, "\(place)") }
        for member in value.members ?? [] { expectItems(in: member.value, "\(place)/\(member.name)") }
        for (index, element) in (value.array ?? []).enumerated() { expectItems(in: element, "\(place)/\(index)") }
    }

    @Test func theDocumentDescribesTheRoutesThereAre() async throws {
        try await TestServer.run { server in
            let answer = try await server.client.get("/openapi.json")
            #expect(answer.fields["content-type"] == "application/json")
            #expect(try answer.json["openapi"] as? String == "3.1.0")
            let paths = try answer.json["paths"] as? [String: [String: Any]] ?? [:]
            let described = paths.flatMap { path, methods in
                methods.keys.filter { $0 != "parameters" }.map { "\($0.uppercased()) \(path)" }
            }
            let routes = server.router.routes.map { "\($0.method) \($0.template)" }
            #expect(Set(described) == Set(routes))
            // Each reference leads somewhere.
            let document = try JSON(parsing: answer.body)
            let text = answer.text.replacingOccurrences(of: "\"$ref\": ", with: "\"$ref\":")
            for piece in text.components(separatedBy: "\"$ref\":\"#/").dropFirst() {
                let path = piece.prefix { $0 != "\"" }.split(separator: "/").map { String($0) }
                let target = path.reduce(document as JSON?) { $0?[$1] }
                #expect(target != nil, "\(path)")
            }
            Self.expectItems(in: document, "")
        }
    }
}
