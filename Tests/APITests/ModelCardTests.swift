import API
import Foundation
import Testing

/// What a model tells of itself is open to the page, and nothing else of its folder is.
struct ModelCardTests {
    @Test func aCardIsServedWithItsSamplesAndNothingElse() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "phasor-card-\(UUID())")
        defer { try? FileManager.default.removeItem(at: folder) }
        let card = folder.appending(path: "card")
        try FileManager.default.createDirectory(at: card, withIntermediateDirectories: true)
        let text = Data("{\"about\": \"cats only\"}".utf8)
        try text.write(to: card.appending(path: "card.json"))
        try Data([1, 2, 3]).write(to: card.appending(path: "cat.png"))
        try Data("<script>".utf8).write(to: card.appending(path: "page.html"))
        try Data("weights".utf8).write(to: folder.appending(path: "secret.json"))
        try FileManager.default.createSymbolicLink(
            atPath: card.appending(path: "link.json").path, withDestinationPath: "../secret.json")

        let model = try FakeModel.pipeline(id: "cats & dogs", source: folder.path)
        try await TestServer.run(model: model, configure: { $0.keys = try APIKeys(file: "alice\n") }) { server in
            let key = ["Authorization": "Bearer alice"]
            let json = try await server.client.get("/v1/capabilities", key).json
            let address = (json["models"] as? [[String: Any]])?.first?["card"] as? String ?? ""
            #expect(address == "cards/cats%20%26%20dogs/")
            // A browser loads samples by their address, without the key.
            let answer = try await server.client.get("/\(address)card.json")
            #expect(answer.status == 200 && Data(answer.body) == text)
            #expect(answer.fields["content-security-policy"]?.contains("default-src 'none'") == true)
            #expect(try await server.client.get("/\(address)cat.png").fields["content-type"] == "image/png")
            for name in ["page.html", "link.json", "dog.png", "..%2Fsecret.json", "../secret.json", ""] {
                let status = try await server.client.get("/\(address)\(name)").status
                #expect(status == 404 || status == 400, "\(name): \(status)")
            }
            #expect(try await server.client.get("/cards/other/card.json").status == 404)
        }
    }

    @Test func aModelWithoutACardSaysSo() async throws {
        try await TestServer.run { server in
            let json = try await server.client.get("/v1/capabilities").json
            #expect((json["models"] as? [[String: Any]])?.first?["card"] is NSNull)
        }
    }
}
