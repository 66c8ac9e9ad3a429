import API
import Foundation
import Testing

/// Links to finished files.
@Suite struct LinkTests {
    private static let path = "/v1/images/generations"
    private static let key = ["Authorization": "Bearer first"]

    /// The path and query of the first link of an answer.
    private static func link(_ answer: Client.Answer, _ base: String) throws -> String {
        let url = try ImageTests.images(answer).first?["url"] as? String ?? ""
        #expect(url.hasPrefix(base), "\(answer.text)")
        return String(url.dropFirst(base.count))
    }

    @Test func aLinkOpensWithoutAKeyAndNothingElseDoes() async throws {
        try await TestServer.run(configure: { $0.keys = try APIKeys(file: "first\nsecond") }) { server in
            let client = server.client
            let base = "http://127.0.0.1:\(client.port)"
            let links = try await [1, 2].asyncMap { seed in
                try Self.link(
                    try await client.post(
                        Self.path, "{\"prompt\": \"a\", \"seed\": \(seed), \"response_format\": \"url\"}", Self.key),
                    base)
            }
            for link in links {
                let answer = try await client.get(link)
                #expect(answer.status == 200)
                #expect(ImageTests.pngSize(answer.body) == [64, 48])
                #expect(try await client.send("HEAD", link).status == 200)
                #expect(link.prefix { $0 != "?" }.hasSuffix(".png"))
                // Another user's key does not close it.
                #expect(try await client.get(link, ["Authorization": "Bearer second"]).status == 200)
            }
            let parts = links[0].components(separatedBy: "?")
            let other = links[1].components(separatedBy: "?")
            let digit = parts[1].last == "0" ? "1" : "0"
            for wrong in [
                parts[0], parts[0] + "?" + other[1], other[0] + "?" + parts[1], links[0].dropLast() + digit,
                String(links[0].dropLast(2)), links[0].replacingOccurrences(of: "expires=", with: "expires=1"),
                parts[0] + "?signature=&expires=99999999999",
            ] {
                #expect(try await client.get(wrong).status == 401, "\(wrong)")
            }
            #expect(try await client.get(parts[0], Self.key).status == 200)
            // The signature opens that file, and nothing else of the server.
            #expect(try await client.get("/v1/models?" + parts[1]).status == 401)
        }
    }

    @Test func aLinkExpires() async throws {
        let secret = [UInt8](repeating: 7, count: 32)
        let configure = { (options: inout APIServer.Options) in
            options.keys = try APIKeys(file: "first")
            options.links = ArtifactLinks(secret: secret, seconds: 1)
        }
        try await TestServer.run(configure: configure) { server in
            let answer = try await server.client.post(
                Self.path, #"{"prompt": "a", "response_format": "url"}"#, Self.key)
            let link = try Self.link(answer, "http://127.0.0.1:\(server.client.port)")
            #expect(try await eventually { try await server.client.get(link).status == 401 })
        }
    }

    /// With it, and with the same secret in the next process, links go on opening.
    @Test func theSecretIsKept() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "phasor-secret-\(UUID())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let first = try LinkSecret.read(in: folder)
        #expect(first.count == 32)
        #expect(try LinkSecret.read(in: folder) == first)
        let path = "\(folder)/link-secret"
        #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
        try Data([1, 2]).write(to: URL(fileURLWithPath: path))
        #expect(try LinkSecret.read(in: folder).count == 32)
    }

    @Test(arguments: [
        (["X-Forwarded-Proto": "https"], "https://127.0.0.1:PORT"),
        (["X-Forwarded-Host": "img.test", "X-Forwarded-Proto": "https, http"], "https://img.test"),
        (["X-Forwarded-Host": "img.test, inner", "X-Forwarded-Prefix": "/phasor/"], "http://img.test/phasor"),
        (["X-Forwarded-Host": "img.test", "X-Forwarded-Prefix": "//evil.test"], "http://img.test"),
        (["X-Forwarded-Host": "a/b"], ""),
    ])
    func whatAProxySaysIsBelievedWhereItIsTrusted(headers: [String: String], base: String) async throws {
        let body = #"{"prompt": "a", "response_format": "url"}"#
        try await TestServer.run(configure: { $0.trustsProxy = true }) { server in
            let base = base.replacingOccurrences(of: "PORT", with: "\(server.client.port)")
            let link = try Self.link(try await server.client.post(Self.path, body, headers), base)
            #expect(link.hasPrefix("/v1/artifacts/"), "\(link)")
        }
        try await TestServer.run { server in
            let link = try Self.link(
                try await server.client.post(Self.path, body, headers), "http://127.0.0.1:\(server.client.port)")
            #expect(link.hasPrefix("/v1/artifacts/"))
        }
        try await TestServer.run(configure: { ($0.publicURL, $0.trustsProxy) = ("https://own.test/p", true) }) {
            server in
            let link = try Self.link(try await server.client.post(Self.path, body, headers), "https://own.test/p")
            #expect(link.hasPrefix("/v1/artifacts/"))
        }
    }

    /// What a proxy puts before the paths is in every link that leads back.
    @Test func jobsAndTheDocumentLeadBackThroughAProxy() async throws {
        let base = "https://own.test/p"
        try await TestServer.run(configure: { $0.publicURL = base }) { server in
            let created = try await server.client.post("/v1/jobs", #"{"kind": "image", "prompt": "a"}"#)
            let id = try created.json["id"] as? String ?? ""
            #expect(created.fields["location"] == "\(base)/v1/jobs/\(id)")
            #expect(try await server.reaches(.succeeded, id))
            let paths = ["/v1/jobs/\(id)", "/v1/jobs", "/v1/jobs/\(id)/events"]
            for path in paths {
                let text = try await server.client.get(path).text
                #expect(text.contains("\"url\":\"\(base)/v1/artifacts/\(id)-0.png\""), "\(path): \(text)")
            }
            let servers = try await server.client.get("/openapi.json").json["servers"] as? [[String: Any]]
            #expect(servers?.first?["url"] as? String == base)
        }
    }

    @Test func dallEAnswersWithLinksUnlessToldOtherwise() async throws {
        try await TestServer.run { server in
            for (model, isURL) in [
                ("dall-e-2", true), ("dall-e-3", true), ("gpt-image-1", false), ("gpt-image-2", false),
            ] {
                let answer = try await server.client.post(Self.path, "{\"prompt\": \"a\", \"model\": \"\(model)\"}")
                let image = try ImageTests.images(answer).first ?? [:]
                #expect((image["url"] != nil) == isURL, "\(model)")
                #expect((image["b64_json"] != nil) == !isURL, "\(model)")
                let asked = try await server.client.post(
                    Self.path, "{\"prompt\": \"a\", \"model\": \"\(model)\", \"response_format\": \"b64_json\"}")
                #expect(try ImageTests.images(asked).first?["b64_json"] != nil)
            }
        }
    }
}

extension Sequence {
    fileprivate func asyncMap<T>(_ transform: (Element) async throws -> T) async rethrows -> [T] {
        var values: [T] = []
        for element in self { values.append(try await transform(element)) }
        return values
    }
}
