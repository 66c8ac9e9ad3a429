import Foundation
import HTTP
import Synchronization
import Testing
import Web

/// Requests to a server that tells what it was sent.
@Suite(.serialized) struct WebRequestTests {
    private func serve<T: Sendable>(_ body: @escaping @Sendable (String) throws -> T) async throws -> T {
        var router = Router()
        for method in ["GET", "POST", "PUT", "DELETE"] {
            router.add(method, "/echo", bodyLimit: 8 << 20) { request in
                var response = HTTPResponse.text("", status: request.body.isEmpty ? 404 : 201)
                response.headers["X-Got"] = "\(request.method) \(request.headers["X-Sent"] ?? "none")"
                response.body = .bytes(request.body)
                return response
            }
        }
        router.add("GET", "/moved") { _ in HTTPResponse(status: 302, headers: ["Location": "/echo"]) }
        router.add("GET", "/never") { _ in
            try await Task.sleep(for: .seconds(600))
            return .text("")
        }
        let server = try await HTTPServer.start(port: 0, configuration: .init(router: router))
        // On a thread of its own: a request blocks, and tasks share few threads.
        let result: Result<T, any Error> = await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(returning: Result { try body("http://127.0.0.1:\(server.port)") })
            }
        }
        await server.stop()
        return try result.get()
    }

    @Test(arguments: ["GET", "POST", "PUT", "DELETE"], [0, 1, 3 << 20])
    func `Method, headers and body arrive, and come back`(_ method: String, _ count: Int) async throws {
        let body = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        guard count == 0 || method != "GET" else { return }
        try await serve { base in
            let answer = try WebRequest(method, base + "/echo", headers: [("X-Sent", "a: b")], body: body).send()
            #expect(answer.status == (count == 0 ? 404 : 201) && answer.isSuccess == (count > 0))
            #expect(answer.headers["x-got"] == "\(method) a: b")
            // A difference of megabytes is not for a report.
            let isSame = answer.body == body
            #expect(isSame)
        }
    }

    @Test func `A redirect is an answer, not a way on`() async throws {
        try await serve { base in
            let answer = try WebRequest("GET", base + "/moved").send()
            #expect(answer.status == 302 && answer.headers["location"] == "/echo")
        }
    }

    @Test func `An answer that is too long is refused`() async throws {
        try await serve { base in
            var request = WebRequest("POST", base + "/echo", body: [UInt8](repeating: 7, count: 1000))
            request.longestAnswer = 999
            let fault = #expect(throws: WebRequest.Failure.self) { try request.send() }
            #expect(fault?.reason == "the answer has more than 999 bytes")
            request.longestAnswer = 1000
            let answer = try request.send()
            #expect(answer.body.count == 1000)
        }
    }

    @Test func `A wait ends when it is cancelled`() async throws {
        try await serve { base in
            let asked = Atomic(0)
            #expect(throws: WebRequest.Failure.self) {
                try WebRequest("GET", base + "/never").send { asked.add(1, ordering: .relaxed).newValue > 1 }
            }
            #expect(asked.load(ordering: .relaxed) == 2)
        }
    }

    @Test func `Nobody there, and other protocols, are failures with a reason`() {
        #expect(throws: WebRequest.Failure.self) { try WebRequest("GET", "http://127.0.0.1:1/").send() }
        let fault = #expect(throws: WebRequest.Failure.self) { try WebRequest("GET", "file:///etc/passwd").send() }
        #expect(fault?.reason.contains("rotocol") == true, "\(fault?.reason ?? "")")
    }
}
