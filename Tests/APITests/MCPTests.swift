import API
import Foundation
import Testing

/// The Model Context Protocol as its specification has it; the official client is tried by Tests/Service/clients.py.
@Suite struct MCPTests {
    private static func message(_ method: String, _ parameters: String = "{}", id: String? = "1") -> String {
        let id = id.map { "\"id\": \($0), " } ?? ""
        return "{\"jsonrpc\": \"2.0\", \(id)\"method\": \"\(method)\", \"params\": \(parameters)}"
    }

    private static func call(_ tool: String, _ arguments: String, _ more: String = "", id: String = "1") -> String {
        message("tools/call", "{\"name\": \"\(tool)\", \"arguments\": \(arguments)\(more)}", id: id)
    }

    private static func result(_ answer: Client.Answer) throws -> [String: Any] {
        try answer.json["result"] as? [String: Any] ?? [:]
    }

    @Test func aClientIntroducesItself() async throws {
        try await TestServer.run { server in
            for (asked, told) in [
                ("2025-11-25", "2025-11-25"), ("2025-03-26", "2025-03-26"), ("1999-01-01", "2025-11-25"),
            ] {
                let answer = try await server.client.post(
                    "/mcp",
                    Self.message(
                        "initialize",
                        "{\"protocolVersion\": \"\(asked)\", \"capabilities\": {}, \"clientInfo\": {\"name\": \"t\"}}"))
                #expect(answer.status == 200)
                let result = try Self.result(answer)
                #expect(result["protocolVersion"] as? String == told)
                #expect((result["capabilities"] as? [String: Any])?["tools"] != nil)
                #expect((result["serverInfo"] as? [String: Any])?["name"] as? String == "phasor")
                #expect(answer.fields["mcp-session-id"]?.count == 16)
            }
            let plain = try await server.client.send(
                "POST", "/mcp", ["Content-Type": "text/plain"], Self.message("ping"))
            #expect(plain.status == 415)
            let heard = try await server.client.post("/mcp", Self.message("notifications/initialized", id: nil))
            #expect(heard.status == 202 && heard.body.isEmpty)
            #expect(try await Self.result(server.client.post("/mcp", Self.message("ping"))).isEmpty)
            #expect(try await server.client.get("/mcp").status == 405)
            #expect(try await server.client.send("DELETE", "/mcp", ["Mcp-Session-Id": "x"]).status == 204)
        }
    }

    @Test func anImageComesWithItsSeedAndALink() async throws {
        try await TestServer.run(configure: { $0.keys = try APIKeys(file: "first") }) { server in
            let key = ["Authorization": "Bearer first"]
            let body = Self.call("generate_image", #"{"prompt": "a", "seed": 9, "size": "32x48", "n": 2}"#, id: "\"x\"")
            #expect(try await server.client.post("/mcp", body).status == 401)
            let answer = try await server.client.post("/mcp", body, key)
            #expect(try answer.json["id"] as? String == "x")
            let result = try Self.result(answer)
            #expect(result["isError"] as? Bool == false)
            let content = result["content"] as? [[String: Any]] ?? []
            #expect(content.map { $0["type"] as? String } == ["image", "image", "text"])
            let plain = try await server.client.post(
                "/v1/images/generations", #"{"prompt": "a", "seed": 9, "size": "32x48"}"#, key)
            #expect(try content.first?["data"] as? String == ImageTests.images(plain).first?["b64_json"] as? String)
            let told = result["structuredContent"] as? [String: Any] ?? [:]
            let files = told["files"] as? [[String: Any]] ?? []
            #expect(files.map { $0["seed"] as? Int } == [9, 10])
            let link = files.first?["url"] as? String ?? ""
            let path = String(link.dropFirst("http://127.0.0.1:\(server.client.port)".count))
            #expect(try await server.client.get(path).status == 200)
        }
    }

    @Test func aStreamTellsOfItsProgress() async throws {
        try await TestServer.run { server in
            let answer = try await server.client.post(
                "/mcp",
                Self.call(
                    "generate_video", #"{"prompt": "a", "num_frames": 5}"#, #", "_meta": {"progressToken": "p"}"#),
                ["Accept": "application/json, text/event-stream"])
            #expect(answer.fields["content-type"]?.hasPrefix("text/event-stream") == true)
            let events = try ReceivedEvent.all(in: answer.text)
            let progress = events.dropLast().map { $0.data["params"] as? [String: Any] ?? [:] }
            #expect(progress.allSatisfy { $0["progressToken"] as? String == "p" })
            let values = progress.compactMap { $0["progress"] as? Double }
            #expect(values.count >= 4 && values == values.sorted() && (values.last ?? 2) <= 1)
            let result = events.last?.data["result"] as? [String: Any] ?? [:]
            let link = (result["content"] as? [[String: Any]])?.first ?? [:]
            #expect(link["type"] as? String == "resource_link")
            #expect(link["mimeType"] as? String == "video/mp4")
            #expect((link["uri"] as? String)?.contains(".mp4?") == true)
        }
    }

    @Test func whatAToolRefusesIsForTheAssistantToRead() async throws {
        try await TestServer.run { server in
            for (arguments, word) in [
                (#"{"prompt": "a", "size": "640x640"}"#, "96"), (#"{"prompt": ""}"#, "empty"),
                (#"{"promt": "a"}"#, "promt"),
                ("{}", "prompt"),
            ] {
                let answer = try await server.client.post("/mcp", Self.call("generate_image", arguments))
                #expect(answer.status == 200)
                let result = try Self.result(answer)
                #expect(result["isError"] as? Bool == true)
                let text = (result["content"] as? [[String: Any]])?.first?["text"] as? String ?? ""
                #expect(text.contains(word), "\(text)")
            }
            #expect(try await server.jobs().isEmpty)
        }
    }

    @Test(arguments: [
        ("", 400, -32700), ("{", 400, -32700), ("[]", 400, -32600), (#"{"id": 1, "method": "ping"}"#, 400, -32600),
        (#"{"jsonrpc": "2.0", "id": 1, "method": "tools/dance"}"#, 200, -32601),
        (#"{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "dance"}}"#, 200, -32602),
        (
            #"{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "generate_image", "arguments": 7}}"#,
            200, -32602
        ),
        (#"{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": []}"#, 200, -32602),
    ])
    func wrongMessagesHaveTheCodesOfJSONRPC(body: String, status: Int, code: Int) async throws {
        try await TestServer.run { server in
            let answer = try await server.client.post("/mcp", body)
            #expect(answer.status == status)
            #expect((try answer.json["error"] as? [String: Any])?["code"] as? Int == code, "\(answer.text)")
        }
    }

    @Test func aCallIsCancelledByItsSessionAlone() async throws {
        try await TestServer.run(pace: 30) { server in
            let waiting = try server.client.open(
                "POST", "/mcp", ["Content-Type": "application/json", "Mcp-Session-Id": "mine"],
                Self.call("generate_image", #"{"prompt": "a"}"#, id: "5"))
            #expect(try await eventually { try await server.jobs().first?.state == .running })
            let cancel = Self.message("notifications/cancelled", #"{"requestId": 5}"#, id: nil)
            for session in ["other", ""] {
                let fields = session.isEmpty ? [:] : ["Mcp-Session-Id": session]
                #expect(try await server.client.post("/mcp", cancel, fields).status == 202)
            }
            #expect(try await server.jobs().first?.state == .running)
            #expect(try await server.client.post("/mcp", cancel, ["Mcp-Session-Id": "mine"]).status == 202)
            let result = try Self.result(try await waiting.answer())
            #expect(result["isError"] as? Bool == true)
            #expect(try await server.jobs().first?.state == .cancelled)
        }
    }
}
