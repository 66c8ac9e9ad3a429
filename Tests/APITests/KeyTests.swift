import API
import Foundation
import Testing

/// Files of keys as editors write them, and the ways in which clients send a key.
@Suite struct KeyTests {
    struct KeyFile: Sendable {
        let what: String
        let bytes: [UInt8]
        let keys: [String]
        let others: [String]
    }

    private static func utf16(_ text: String, isLittle: Bool) -> [UInt8] {
        ("\u{FEFF}" + text).utf16.flatMap { unit -> [UInt8] in
            let bytes = [UInt8(unit >> 8), UInt8(unit & 255)]
            return isLittle ? bytes.reversed() : bytes
        }
    }

    static let files: [KeyFile] = [
        KeyFile(what: "LF", bytes: Array("alpha\nbeta\n".utf8), keys: ["alpha", "beta"], others: ["alphabeta"]),
        KeyFile(what: "CR LF", bytes: Array("alpha\r\nbeta\r\n".utf8), keys: ["alpha", "beta"], others: ["alphabeta"]),
        KeyFile(what: "CR", bytes: Array("alpha\rbeta".utf8), keys: ["alpha", "beta"], others: ["alphabeta"]),
        KeyFile(
            what: "a byte order mark", bytes: [0xEF, 0xBB, 0xBF] + Array("alpha\r\n".utf8), keys: ["alpha"],
            others: ["\u{FEFF}alpha"]),
        KeyFile(
            what: "comments", bytes: Array("# people\r\n \t alpha \t # Alice, since May\r\n\r\n#beta\nga#mma\n".utf8),
            keys: ["alpha", "ga#mma"], others: ["# people", "beta", "#beta", "Alice", "ga"]),
        KeyFile(
            what: "UTF-16, little end first", bytes: utf16("alpha\r\nbêta\r\n", isLittle: true),
            keys: ["alpha", "bêta"], others: ["beta"]),
        KeyFile(
            what: "UTF-16, big end first", bytes: utf16("alpha\nbeta", isLittle: false), keys: ["alpha", "beta"],
            others: ["a"]),
        KeyFile(
            // printf %s second | sha256sum
            what: "digests and operators",
            bytes: Array(
                "operator:first\r\noperator: sha256:16367AACB67A4A017C8DA8AB95682CCB390863780F7114DDA0A0E0C55644C7C4\r\n"
                    .utf8), keys: ["first", "second"], others: ["operator:first", "operator"]),
    ]

    @Test(arguments: files)
    func everyKeyOfAFileOpens(_ file: KeyFile) async throws {
        try await TestServer.run(configure: { $0.keys = try APIKeys(file: file.bytes) }) { server in
            for (keys, status) in [(file.keys, 200), (file.others, 401)] {
                for key in keys {
                    let answer = try await server.client.get("/v1/models", ["Authorization": "Bearer \(key)"])
                    #expect(answer.status == status, "\(file.what): \(key)")
                }
            }
        }
    }

    @Test(arguments: [
        ("", "no key"), ("# nothing\r\n\r\n", "no key"), ("a\nb c", "line 2: a key has no blanks"),
        ("a\r\n\r\nsha256:12", "line 3"), ("operator:", "line 1"), ("operator: # boss", "line 1"),
    ])
    func whatIsNoKeyIsNamedByItsLine(file: String, says: String) {
        let fault = #expect(throws: APIKeyFault.self) { try APIKeys(file: file) }
        #expect(fault?.description.contains(says) == true, "\(String(describing: fault))")
    }

    @Test func bytesThatAreNoTextAreRefused() {
        for bytes: [UInt8] in [[0x61, 0xFF, 0x62], [0xFF, 0xFE, 0x61], [0xFF, 0xFE, 0x00, 0xD8]] {
            #expect(throws: APIKeyFault.self) { try APIKeys(file: bytes) }
        }
    }

    private static func basic(_ text: String) -> String { "Basic \(Data(text.utf8).base64EncodedString())" }

    @Test func clientsSendKeysInSeveralWays() async throws {
        try await TestServer.run(configure: { $0.keys = try APIKeys(file: "alpha\nbe:ta\n") }) { server in
            let right: [[String: String]] = [
                ["Authorization": "Bearer alpha"], ["Authorization": "bearer  alpha"], ["api-key": "alpha"],
                ["X-API-Key": "be:ta"], ["Authorization": Self.basic("user:alpha")],
                ["Authorization": Self.basic("user:be:ta")], ["Authorization": Self.basic(":alpha")],
                ["Authorization": Self.basic("alpha:")],
                // base64 of "a:alpha", without its padding.
                ["Authorization": "basic YTphbHBoYQ"],
                // The proxy's own, and the client's.
                ["Authorization": Self.basic("proxy:secret"), "X-API-Key": "alpha"],
            ]
            let wrong: [[String: String]] = [
                [:], ["Authorization": "alpha"], ["Authorization": "Basic alpha"], ["Authorization": "Basic !!!"],
                ["Authorization": Self.basic("alpha")], ["Authorization": Self.basic("user:beta")],
                ["Authorization": Self.basic("alpha:wrong")], ["Authorization": Self.basic(":")], ["api-key": ""],
                ["x-api-key": "Bearer alpha"], ["Cookie": "api-key=alpha"],
            ]
            for path in ["/v1/models", "/v1/jobs", "/metrics", "/sdapi/v1/options"] {
                for (fields, status) in right.map({ ($0, 200) }) + wrong.map({ ($0, 401) }) {
                    #expect(try await server.client.get(path, fields).status == status, "\(path) \(fields)")
                }
            }
            // A key in the address would stand in logs.
            let answer = try await server.client.get("/v1/models?api-key=alpha")
            #expect(answer.status == 401)
        }
    }
}
