import Foundation
import HTTP
import Serving

/// OpenAI's images: `POST /v1/images/generations`, whole or streamed. The job lives as long as the client waits.
struct OpenAIImages: Sendable {
    let engine: Engine
    let reader: GenerationFields
    let keys: APIKeys
    let heartbeat: Duration

    func register(in router: inout Router, uploadLimit: Int) {
        router.add("POST", "/v1/images/generations", generate)
        router.add("POST", "/v1/images/edits", readsBody: false) { _ in
            throw APIError.invalid(
                "image", "this server's models make images from text only; use /v1/images/generations",
                code: "unsupported")
        }
    }

    @Sendable private func generate(_ request: HTTPRequest) async throws -> HTTPResponse {
        let fields = try Fields(json: request)
        var wanted = try reader.image(fields)
        let isURL = try fields.choice("response_format", of: ["b64_json", "url"]) == "url"
        _ = try fields.choice("output_format", of: ["png"])
        _ = try fields.choice("background", of: ["auto", "opaque"])
        let isStream = try fields.boolean("stream") ?? false
        guard isStream else {
            wanted.previews = 0  // nobody would see them
            let job = try await AttachedJob(wanted, owner: keys.owner(of: request), engine: engine).follow()
            return .json(try whole(job, base: isURL ? PublicAddress.base(of: request) : nil))
        }
        // Submitted before the answer begins: a refusal has its own status.
        let attached = try await AttachedJob(wanted, owner: keys.owner(of: request), engine: engine)
        return .events { writer in
            try await writer.withHeartbeats(every: heartbeat) { try await stream(attached, to: writer) }
        }
    }

    // MARK: Whole

    /// - Parameter base: of links; nil for the bytes themselves.
    private func whole(_ job: Job, base: String?) throws -> JSON {
        let data = try job.artifacts.enumerated().map { index, artifact -> JSON in
            let content = try base.map { JSON.string($0 + artifact.url) } ?? .string(Self.content(of: artifact))
            return [base == nil ? "b64_json" : "url": content, "seed": JSON(job.request.seed(ofImage: index))]
        }
        return [
            "created": JSON(Self.seconds(job.finishedAt ?? job.createdAt)),
            "data": .array(data),
            "background": "opaque",
            "output_format": "png",
            "size": .string(job.request.size),
            "usage": try usage(job.request, images: data.count),
        ]
    }

    // MARK: Streamed

    private func stream(_ attached: AttachedJob, to writer: HTTPBodyWriter) async throws {
        do {
            let job = try await attached.follow { event in
                guard let preview = event.preview else { return }
                try await writer.write(
                    Self.event(
                        "image_generation.partial_image", event.job.request, image: preview.image, at: Date(),
                        content: Data(preview.png).base64EncodedString(),
                        ("partial_image_index", JSON(preview.index))))
            }
            let usage = try usage(job.request, images: 1)
            for (index, artifact) in job.artifacts.enumerated() {
                try await writer.write(
                    Self.event(
                        "image_generation.completed", job.request, image: index, at: job.finishedAt ?? Date(),
                        content: try Self.content(of: artifact), ("usage", usage)))
            }
        } catch let error as APIError {
            // The status has been sent; clients of OpenAI look for `error` in the data.
            var body: JSON = ["type": "error"]
            if case .object(let head) = body, case .object(let rest) = error.body { body = .object(head + rest) }
            try await writer.write(ServerSentEvent(event: "error", data: body.text))
        }
    }

    /// - Parameter image: which of `n`; its seed tells the events of several images apart.
    private static func event(
        _ type: String, _ request: GenerationRequest, image: Int, at date: Date, content: String, _ last: (String, JSON)
    ) -> ServerSentEvent {
        let data: JSON = [
            "type": .string(type),
            "b64_json": .string(content),
            "created_at": JSON(seconds(date)),
            "size": .string(request.size),
            "quality": "auto",
            "background": "opaque",
            "output_format": "png",
            "seed": JSON(request.seed(ofImage: image)),
            last.0: last.1,
        ]
        return ServerSentEvent(event: type, data: data.text)
    }

    // MARK: Parts

    /// Tokens as the networks see them: of the text encoder, and of the transformer.
    private func usage(_ request: GenerationRequest, images: Int) throws -> JSON {
        let model = try engine.model(request.model)
        let input = model.tokenCount(of: request.prompt)
        let output = images * model.sizes.tokens(width: request.width, height: request.height)
        return [
            "input_tokens": JSON(input),
            "input_tokens_details": ["text_tokens": JSON(input), "image_tokens": 0],
            "output_tokens": JSON(output),
            "output_tokens_details": ["text_tokens": 0, "image_tokens": JSON(output)],
            "total_tokens": JSON(input + output),
        ]
    }

    /// Base64.
    static func content(of artifact: Artifact) throws -> String {
        do {
            return try Data(contentsOf: URL(fileURLWithPath: artifact.path)).base64EncodedString()
        } catch {
            throw ServingError.storage(operation: "reading \(artifact.path)", reason: error.localizedDescription)
        }
    }

    static func seconds(_ date: Date) -> Int { Int(date.timeIntervalSince1970) }
}

extension GenerationRequest {
    var size: String { "\(width)x\(height)" }
}
