import Foundation
import HTTP
import Jobs
import Pipelines
import Serving
import Support

/// OpenAI's images: `POST /v1/images/generations`, whole or streamed. The job lives as long as the client waits, unless
/// it asks for the job instead (`Prefer: respond-async`).
struct OpenAIImages: Sendable {
    let engine: Engine
    let reader: GenerationFields
    let keys: APIKeys
    let links: ArtifactLinks
    let patience: Patience
    let heartbeat: Duration

    func register(in router: inout Router, uploadLimit: Int) {
        router.add("POST", "/v1/images/generations", bodyLimit: uploadLimit) { request in
            let fields = try Fields(json: request)
            return try await answer(request, fields, reader.image(fields), events: "image_generation")
        }
        router.add("POST", "/v1/images/edits", bodyLimit: uploadLimit) { request in
            let fields = try Fields(body: request)
            guard !fields.isGiven("mask") else {
                throw APIError.invalid(
                    "mask", "mask is not supported: edits are of whole pictures", code: "unsupported")
            }
            return try await answer(request, fields, reader.image(fields, isEdit: true), events: "image_edit")
        }
        router.add("POST", "/v1/images/variations", readsBody: false) { _ in
            throw APIError.invalid(
                "image", "variations are not made; send the picture with a prompt to /v1/images/edits",
                code: "unsupported")
        }
    }

    /// - Parameter events: what names of events of a stream begin with.
    @Sendable private func answer(
        _ request: HTTPRequest, _ fields: Fields, _ wanted: ReadRequest, events: String
    ) async throws -> HTTPResponse {
        var read = wanted
        let isURL = try isAnsweredByURL(fields)
        _ = try fields.choice("background", of: ["auto", "opaque"])
        let isStream = try fields.boolean("stream") ?? false
        read.warnings += RequestWarning.ignored(
            of: fields, known: RequestFields.names(of: .image) + Self.ownFields + Self.defaults(fields))
        let owner = keys.owner(of: request)
        if !isStream, Self.prefersJob(request) {
            let job = try await submit(read) {
                try await engine.submit(
                    read.request, pictures: read.pictures, owner: owner, idempotency: Idempotency(request))
            }
            var response = try NativeJobs.accepted(job, base: links.address.prefix(for: request))
            response.headers["Preference-Applied"] = "respond-async"
            return read.warnings.added(to: response)
        }
        if !isStream { read.request.previews = 0 }  // nobody would see them
        // Submitted before the answer begins: a refusal has its own status.
        let attached = try await submit(read) {
            try await AttachedJob(read.request, pictures: read.pictures, owner: owner, engine: engine)
        }
        guard isStream else {
            let headers = read.warnings.added(to: HTTPResponse()).headers
            return try await patience.answer(headers: headers) { [warnings = read.warnings] in
                let job = try await attached.follow()
                return try await warnings.added(to: whole(job) { isURL ? links.url(of: $0, for: request) : nil })
            }
        }
        return read.warnings.added(
            to: .events { writer in
                try await writer.withHeartbeats(every: heartbeat) { try await stream(attached, events, to: writer) }
            })
    }

    private func submit<Result>(_ read: ReadRequest, _ body: () async throws -> Result) async throws -> Result {
        do { return try await body() } catch { throw read.named(error) }
    }

    /// Fields of this route alone.
    private static let ownFields = ["response_format", "background", "stream"]

    /// Names of fields that are given as what they are anyhow.
    private static func defaults(_ fields: Fields) -> [String] {
        let plain: [String: [String]] = ["quality": ["auto", "standard"], "style": ["natural"]]
        return plain.filter { $0.value.contains(fields[$0.key]?.string ?? "") }.map(\.key)
    }

    /// OpenAI's DALL-E answers with links where nothing is said, its later models with base64.
    private func isAnsweredByURL(_ fields: Fields) throws -> Bool {
        let asked = try fields.choice("response_format", of: ["b64_json", "url"])
        return try asked.map { $0 == "url" } ?? (fields.string("model")?.hasPrefix("dall-e-") ?? false)
    }

    /// RFC 7240.
    private static func prefersJob(_ request: HTTPRequest) -> Bool {
        request.headers.list("Prefer").contains { $0.lowercased().prefix { $0 != ";" && $0 != " " } == "respond-async" }
    }

    // MARK: Whole

    /// - Parameter url: of an artifact; nil for the bytes themselves.
    private func whole(_ job: Job, url: (Artifact) -> String?) async throws -> JSON {
        var data: [JSON] = []
        for (index, artifact) in job.artifacts.enumerated() {
            let seed = JSON(job.request.seed(ofImage: index))
            if let url = url(artifact) {
                data.append(["url": .string(url), "seed": seed])
            } else {
                let content = try await engine.content(of: artifact).base64EncodedString()
                data.append(["b64_json": .string(content), "seed": seed])
            }
        }
        let whole: JSON = [
            "created": JSON(Self.seconds(job.finishedAt ?? job.createdAt)),
            "data": .array(data),
            "background": "opaque",
            "output_format": .string(job.request.pictureFormat.rawValue),
            "size": .string(job.request.size),
            "usage": try usage(job.request, images: data.count),
        ]
        guard let start = try Self.start(of: job, engine), case .object(let members) = whole else { return whole }
        return .object(members + [JSON.Member(name: "strength", value: start)])
    }

    /// What became of `strength`: the step that was begun at. Nil for a picture that was not made by it.
    private static func start(of job: Job, _ engine: Engine) throws -> JSON? {
        guard job.request.isChangeByStrength(of: try engine.model(job.request.model)), let ran = job.ran else {
            return nil
        }
        return [
            "asked": JSON(job.request.strength ?? GenerationParameters.defaultStrength),
            "sigma": JSON(ran.sigmas.first), "steps": JSON(ran.stepCount),
        ]
    }

    // MARK: Streamed

    private func stream(_ attached: AttachedJob, _ events: String, to writer: HTTPBodyWriter) async throws {
        do {
            let job = try await attached.follow { event in
                guard let preview = event.preview else { return }
                try await writer.write(
                    Self.event(
                        "\(events).partial_image", event.job.request, image: preview.image, at: Date(),
                        content: Data(preview.file).base64EncodedString(),
                        ("partial_image_index", JSON(preview.index))))
            }
            let usage = try usage(job.request, images: 1)
            for (index, artifact) in job.artifacts.enumerated() {
                try await writer.write(
                    Self.event(
                        "\(events).completed", job.request, image: index, at: job.finishedAt ?? Date(),
                        content: try await engine.content(of: artifact).base64EncodedString(), ("usage", usage)))
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
            "output_format": .string(request.pictureFormat.rawValue),
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

    static func seconds(_ date: Date) -> Int { Int(date.timeIntervalSince1970) }
}

extension GenerationRequest {
    /// The size of the files.
    var size: String { deliveredSize.description }
}
