import Foundation

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// A server that speaks OpenAI's image API, as a client sees it.
package struct ImageServer: Sendable {
    private let base: URL
    private let session: URLSession
    private let key: String?
    private let timeout: Double

    /// Why there is no picture.
    package enum Fault: Error, Hashable, CustomStringConvertible {
        case status(Int, String)
        case unreachable(String)
        /// An answer that is none of the API's.
        case malformed(String)

        package var description: String {
            switch self {
            case .status(let code, let message): "HTTP \(code)" + (message.isEmpty ? "" : ": \(message)")
            case .unreachable(let reason): reason
            case .malformed(let reason): reason
            }
        }
    }

    /// - Parameters:
    ///   - url: with or without `/v1` at its end.
    ///   - key: sent as a bearer token.
    ///   - seconds: after which an answer is given up.
    package init?(url: String, key: String?, connections: Int, timeout seconds: Double) {
        var text = url
        while text.hasSuffix("/") { text.removeLast() }
        if text.hasSuffix("/v1") { text.removeLast(3) }
        guard let base = URL(string: text), ["http", "https"].contains(base.scheme), base.host != nil else {
            return nil
        }
        self.base = base
        self.key = key
        timeout = seconds
        let configuration = URLSessionConfiguration.ephemeral
        configuration.httpMaximumConnectionsPerHost = connections
        configuration.timeoutIntervalForRequest = seconds
        configuration.timeoutIntervalForResource = seconds
        session = URLSession(configuration: configuration)
    }

    /// The first model of `GET /v1/models`; nil where the server does not tell.
    package func firstModel() async -> String? {
        struct Answer: Decodable {
            let data: [Model]
            struct Model: Decodable { let id: String }
        }
        guard let data = try? await send(request("v1/models")) else { return nil }
        return (try? JSONDecoder().decode(Answer.self, from: data))?.data.first?.id
    }

    /// Asks for one picture.
    /// - Returns: its bytes, as many as came.
    /// - Throws: `Fault`.
    package func picture(model: String?, prompt: String, size: String?) async throws -> Int {
        struct Body: Encodable {
            let model: String?
            let prompt: String
            let size: String?
            let n = 1
            let format = "b64_json"
            enum CodingKeys: String, CodingKey {
                case model, prompt, size, n
                case format = "response_format"
            }
        }
        struct Answer: Decodable {
            let data: [Picture]
            struct Picture: Decodable {
                let text: String?
                enum CodingKeys: String, CodingKey { case text = "b64_json" }
            }
        }
        var request = request("v1/images/generations")
        request.httpMethod = "POST"
        request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        request.httpBody = try JSONEncoder().encode(Body(model: model, prompt: prompt, size: size))
        let data = try await send(request)
        guard let answer = try? JSONDecoder().decode(Answer.self, from: data), let text = answer.data.first?.text,
            let picture = Data(base64Encoded: text)
        else { throw Fault.malformed("the answer has no data[0].b64_json") }
        let signatures: [[UInt8]] = [[0x89, 0x50, 0x4E, 0x47], [0xFF, 0xD8, 0xFF], Array("RIFF".utf8)]
        guard signatures.contains(where: { picture.starts(with: $0) }) else {
            throw Fault.malformed("the answer's picture is neither PNG, JPEG nor WebP")
        }
        return picture.count
    }

    private func request(_ path: String) -> URLRequest {
        var request = URLRequest(url: base.appending(path: path))
        if let key { request.setValue("Bearer \(key)", forHTTPHeaderField: "Authorization") }
        return request
    }

    private func send(_ request: URLRequest) async throws(Fault) -> Data {
        let (status, body) = try await exchange(request)
        guard status == 200 else {
            struct Refusal: Decodable {
                let error: Body
                struct Body: Decodable { let message: String }
            }
            let message = (try? JSONDecoder().decode(Refusal.self, from: body))?.error.message ?? ""
            throw .status(status, String(message.prefix(120)))
        }
        return body
    }

    private func exchange(_ request: URLRequest) async throws(Fault) -> (status: Int, body: Data) {
        do {
            if let request = SocketRequest(request) { return try await request.send(timeout: timeout) }
            let (body, response) = try await session.data(for: request)
            return ((response as? HTTPURLResponse)?.statusCode ?? 0, body)
        } catch let fault as Fault {
            throw fault
        } catch {
            throw .unreachable(error.localizedDescription)
        }
    }
}
