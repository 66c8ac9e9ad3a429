import API
import Foundation
import Testing

/// What a page of another site, in the browser of somebody who runs a server on this machine, can do with it.
@Suite struct SiteGuardTests {
    private static let body = #"{"kind": "image", "prompt": "a"}"#

    @Test func otherNamesAreRefusedOnThisMachine() async throws {
        try await TestServer.run(configure: { $0.allowedHosts = ["Phasor.Example.org"] }) { server in
            let port = server.client.port
            for host in [
                "localhost", "localhost:\(port)", "LOCALHOST.", "127.0.0.1", "127.0.0.1:1", "[::1]:\(port)",
                "phasor.localhost", "phasor.example.org:443",
            ] {
                #expect(try await server.client.get("/v1/jobs", ["Host": host]).status == 200, "\(host)")
                #expect(try await server.client.post("/v1/jobs", Self.body, ["Host": host]).status == 202, "\(host)")
            }
            for host in [
                "rebind.example", "rebind.example:\(port)", "localhost.evil.test", "evil-localhost",
                "127.0.0.1.evil.test",
                "0.0.0.0:\(port)", "192.168.1.1", "x", "",
            ] {
                for answer in try await [
                    server.client.get("/v1/jobs", ["Host": host]),
                    server.client.get("/sdapi/v1/progress", ["Host": host]),
                    server.client.post("/v1/jobs", Self.body, ["Host": host, "Sec-Fetch-Site": "same-origin"]),
                ] {
                    #expect(answer.status == 403, "\(host)")
                    #expect(try answer.error["code"] == "host_not_allowed")
                }
                // Probes of other programs.
                #expect(try await server.client.get("/healthz", ["Host": host]).status == 200)
            }
        }
        // A page has no key of somebody else's, and the proxy in front a name of its own.
        try await TestServer.run(configure: { $0.keys = try APIKeys(file: "alpha") }) { server in
            let fields = ["Host": "phasor.example.org", "x-api-key": "alpha"]
            let answer = try await server.client.get("/v1/jobs", fields)
            #expect(answer.status == 200)
        }
    }

    @Test func pagesOfOtherOriginsChangeNothing() async throws {
        try await TestServer.run(configure: { $0.corsOrigins = ["https://friend.test"] }) { server in
            let own = "http://127.0.0.1:\(server.client.port)"
            let foreign: [[String: String]] = [
                ["Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"],
                ["Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site"],
                // Browsers say the site only to addresses that they trust, and the origin always.
                ["Origin": "http://127.0.0.1:1"], ["Origin": "https://evil.test"], ["Origin": "null"],
                ["Origin": "http://localhost:\(server.client.port)"], ["Sec-Fetch-Site": "cross-site"],
                ["Origin": own, "Sec-Fetch-Site": "cross-site"],
            ]
            for fields in foreign {
                for (method, path, body) in [
                    ("POST", "/v1/jobs", Self.body), ("POST", "/v1/images/generations", #"{"prompt": "a"}"#),
                    ("POST", "/sdapi/v1/interrupt", ""), ("POST", "/v1/jobs/x/cancel", ""),
                    ("DELETE", "/v1/jobs/x", ""),
                ] {
                    let answer = try await server.client.send(
                        method, path, fields.merging(["Content-Type": "application/json"]) { own, _ in own }, body)
                    #expect(answer.status == 403, "\(method) \(path) \(fields)")
                    #expect(try answer.error["code"] == "origin_not_allowed")
                }
            }
            #expect(try await server.jobs().isEmpty)

            let welcome: [[String: String]] = [
                [:], ["Origin": own, "Sec-Fetch-Site": "same-origin"], ["Origin": own], ["Sec-Fetch-Site": "none"],
                ["Origin": "https://friend.test", "Sec-Fetch-Site": "cross-site"],
                // Behind a proxy that ends TLS; one that tells the name, and one that does not.
                ["Origin": "https://phasor.test", "X-Forwarded-Host": "phasor.test, inner"],
                ["Origin": "https://phasor.test", "Sec-Fetch-Site": "same-origin"],
            ]
            for fields in welcome {
                #expect(try await server.client.post("/v1/jobs", Self.body, fields).status == 202, "\(fields)")
            }
        }
    }

    @Test func pagesOfOtherOriginsReadNothingButPicturesTheyKnow() async throws {
        try await TestServer.run { server in
            let answer = try await server.client.post(
                "/v1/images/generations", #"{"prompt": "a", "response_format": "url"}"#)
            let url = try #require((try answer.json["data"] as? [[String: Any]])?.first?["url"] as? String)
            let path = try #require(URL(string: url)).path
            for (destination, status) in [
                ("image", 200), ("document", 200), ("empty", 403), ("script", 403), ("iframe", 403),
            ] {
                let fields = ["Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": destination]
                #expect(try await server.client.get(path, fields).status == status, "\(destination)")
                #expect(try await server.client.get("/v1/jobs", fields).status == status, "\(destination)")
            }
            #expect(try await server.client.get("/v1/jobs", ["Sec-Fetch-Site": "cross-site"]).status == 403)
            #expect(try await server.client.get("/v1/jobs", ["Sec-Fetch-Site": "same-origin"]).status == 200)
        }
    }

    /// A request that a page of any site may send without asking has a form's type, or none.
    @Test func aBrowsersBodyHasAType() async throws {
        try await TestServer.run { server in
            let own = ["Origin": "http://127.0.0.1:\(server.client.port)"]
            let untyped = try await server.client.send("POST", "/v1/jobs", own, Self.body)
            #expect(untyped.status == 415)
            let plain = own.merging(["Content-Type": "text/plain"]) { own, _ in own }
            #expect(try await server.client.send("POST", "/v1/jobs", plain, Self.body).status == 415)
            #expect(try await server.client.send("POST", "/v1/jobs", [:], Self.body).status == 202)
            #expect(try await server.client.send("POST", "/sdapi/v1/interrupt", own).status == 200)
        }
    }

    /// What listens on other addresses is reached by names that it cannot know.
    @Test(arguments: [
        ("127.0.0.1", true), ("127.1.2.3", true), ("localhost", true), ("::1", true), ("[::1]", true),
        ("0.0.0.0", false),
        ("::", false), ("192.168.1.5", false), ("fe80::1", false),
    ])
    func onlyThisMachinesAddressesCheckNames(host: String, isChecked: Bool) async throws {
        let names = SiteGuard(host: host, allowed: ["a"], origins: [], hasKeys: false).hosts
        #expect((names != nil) == isChecked)
        #expect(SiteGuard(host: host, allowed: ["a"], origins: [], hasKeys: true).hosts == nil)
        try await TestServer.run { server in
            #expect((server.api.warning(host: host) == nil) == isChecked)
            #expect(server.api.warning(host: host)?.contains("--api-keys") != false)
        }
        try await TestServer.run(configure: { $0.keys = try APIKeys(file: "alpha") }) { server in
            #expect(server.api.warning(host: host) == nil)
        }
    }
}
