import Foundation
import HTTP
import Jobs
import Media
import Serving
import Support

/// The native API: every request is a job that can be watched, cancelled and asked for again.
struct NativeJobs: Sendable {
    let engine: Engine
    let reader: GenerationFields
    let keys: APIKeys
    let address: PublicAddress
    let heartbeat: Duration

    func register(in router: inout Router, uploadLimit: Int) {
        router.add("POST", "/v1/jobs", bodyLimit: uploadLimit, create)
        router.add("GET", "/v1/jobs", list)
        router.add("GET", "/v1/jobs/{id}") { request in
            try Self.answer(await jobs.visible(Self.id(request), to: request), base: address.prefix(for: request))
        }
        router.add("DELETE", "/v1/jobs/{id}") { request in
            let job = try await jobs.changeable(Self.id(request), by: request)
            try await engine.delete(job.id)
            return .json(["id": .string(job.id), "object": "job.deleted", "deleted": true])
        }
        router.add("GET", "/v1/jobs/{id}/events", events)
        router.add("GET", "/v1/jobs/{id}/pictures/{digest}") { request in
            // A client that may only see the job gets none of the pictures that were sent along.
            let job = try await jobs.changeable(Self.id(request), by: request)
            return try await picture(request.parameters["digest"] ?? "", of: job, to: request)
        }
        router.add("POST", "/v1/jobs/{id}/cancel") { request in
            let job = try await engine.cancel(jobs.changeable(Self.id(request), by: request).id)
            return try Self.answer(job, base: address.prefix(for: request))
        }
        router.add("POST", "/v1/jobs/{id}/retry") { request in
            let job = try await engine.retry(jobs.changeable(Self.id(request), by: request).id)
            return try Self.answer(job, base: address.prefix(for: request))
        }
    }

    private var jobs: OwnedJobs { OwnedJobs(engine: engine, keys: keys) }

    private static func id(_ request: HTTPRequest) -> String { request.parameters["id"] ?? "" }

    /// Unlike OpenAI's routes this one refuses fields it does not know: a misspelt one would be lost silently.
    @Sendable private func create(_ request: HTTPRequest) async throws -> HTTPResponse {
        let fields = try Fields(body: request)
        let kinds = GenerationRequest.Kind.allCases.map(\.rawValue)
        let kind = try fields.choice("kind", of: kinds).flatMap(GenerationRequest.Kind.init(rawValue:))
        let wanted: ReadRequest
        switch kind {
        case nil: throw APIError.missing("kind")
        case .image:
            try fields.requireKnown(Self.ownFields + RequestFields.names(of: .image))
            wanted = try await reader.image(fields)
        case .video:
            try fields.requireKnown(Self.ownFields + RequestFields.names(of: .video))
            wanted = try await reader.video(fields)
        }
        let priority = try fields.choice("priority", of: Priority.allCases.map(\.rawValue))
        let job: Job
        do {
            job = try await engine.submit(
                wanted.request, pictures: wanted.pictures,
                priority: priority.flatMap(Priority.init(rawValue:)) ?? .interactive,
                owner: keys.owner(of: request), idempotency: Idempotency(request))
        } catch {
            throw wanted.named(error)
        }
        return try wanted.warnings.added(to: Self.accepted(job, base: address.prefix(for: request)))
    }

    private static let ownFields = ["kind", "priority"]

    /// The answer to a request that became a job.
    /// - Parameter base: what comes before the paths of links.
    static func accepted(_ job: Job, base: String) throws -> HTTPResponse {
        var response = try answer(job, base: base)
        response.status = 202
        response.headers["Location"] = "\(base)/v1/jobs/\(job.id)"
        return response
    }

    private static func answer(_ value: some Encodable, base: String) throws -> HTTPResponse {
        .json(try JSONEncoder.api(base: base).encode(value))
    }

    @Sendable private func list(_ request: HTTPRequest) async throws -> HTTPResponse {
        // A list of all would be taken for the one that was asked for.
        let known = Paging.names + ["kind"]
        if let stray = request.target.query.first(where: { !known.contains($0.name) })?.name {
            throw APIError.invalid(
                stray, "there is no '\(stray.prefix(40))' to ask a list by, only \(known.joined(separator: ", "))",
                code: "unknown_parameter")
        }
        var kind: GenerationRequest.Kind?
        if let text = request.query("kind") {
            kind = GenerationRequest.Kind(rawValue: text)
            guard kind != nil else {
                throw APIError.invalid("kind", "kind is '\(text.prefix(40))'; it must be 'image' or 'video'")
            }
        }
        let page = try await Paging(request).page(of: kind, for: keys.caller(of: request), from: engine)
        return try Self.answer(JobList(page: page), base: address.prefix(for: request))
    }

    /// Answers with a picture that a job starts from, as it was sent; `parameters` of the job names it by its digest.
    private func picture(_ digest: String, of job: Job, to request: HTTPRequest) async throws -> HTTPResponse {
        let path = try await engine.picturePath(digest, of: job)
        let file: HTTPFile
        do {
            file = try HTTPFile(path: path)
        } catch HTTPError.notFound {
            throw ServingError.unknownArtifact(digest)  // it has gone with the files of the job
        }
        return try .file(
            file, contentType: Self.contentType(of: path), for: request,
            headers: ["Cache-Control": "private, max-age=3600", "X-Content-Type-Options": "nosniff"])
    }

    /// The type that the first bytes of a picture tell.
    private static func contentType(of path: String) -> String {
        let head = FileHandle(forReadingAtPath: path).flatMap { try? $0.read(upToCount: 16) }
        return (try? PictureFormat(of: [UInt8](head ?? Data())).contentType) ?? ContentType.bytes
    }

    /// Begins with the present state, or after the event that `Last-Event-ID` names; ends after the job's last event.
    @Sendable private func events(_ request: HTTPRequest) async throws -> HTTPResponse {
        var seen: Int64?
        if let text = request.headers["Last-Event-ID"] {
            seen = Int64(text)
            guard let seen, seen >= 0 else {
                throw APIError.invalid("Last-Event-ID", "Last-Event-ID is '\(text.prefix(40))', not the id of an event")
            }
        }
        let job = try await jobs.visible(Self.id(request), to: request)
        let events = try await engine.events(of: job.id, after: seen)
        let base = address.prefix(for: request)
        if seen != nil, job.state.isTerminal {
            // All that will ever happen has; a client that has seen it all is told to ask no more.
            var rest: [JobEvent] = []
            for await event in events { rest.append(event) }
            guard !rest.isEmpty else { return HTTPResponse(status: 204) }
            return .events { [rest] writer in
                for event in rest { try await Self.write(event, base: base, to: writer) }
            }
        }
        return .events { writer in
            try await writer.withHeartbeats(every: heartbeat) {
                for await event in events { try await Self.write(event, base: base, to: writer) }
            }
        }
    }

    private static func write(_ event: JobEvent, base: String, to writer: HTTPBodyWriter) async throws {
        let data = try JSONEncoder.api(base: base).encode(EventBody(event: event))
        try await writer.write(
            ServerSentEvent(
                event: event.name.rawValue, id: String(event.id), data: String(decoding: data, as: UTF8.self)))
    }
}

/// The job object, and the picture where there is one.
private struct EventBody: Encodable {
    let event: JobEvent

    private struct Preview: Encodable {
        let image: Int
        let index: Int
        let step: Int
        let base64: String

        private enum CodingKeys: String, CodingKey {
            case image, index, step
            case base64 = "b64_json"
        }
    }

    private enum Key: String, CodingKey { case preview, seconds }

    func encode(to encoder: any Encoder) throws {
        try event.job.encode(to: encoder)
        var object = encoder.container(keyedBy: Key.self)
        try object.encodeIfPresent(event.seconds, forKey: .seconds)
        guard let preview = event.preview else { return }
        try object.encode(
            Preview(
                image: preview.image, index: preview.index, step: preview.step,
                base64: Data(preview.file).base64EncodedString()),
            forKey: .preview)
    }
}

private struct JobList: Encodable {
    let page: JobPage

    private enum Key: String, CodingKey {
        case object, data, unreadable
        case firstID = "first_id"
        case lastID = "last_id"
        case hasMore = "has_more"
    }

    func encode(to encoder: any Encoder) throws {
        var object = encoder.container(keyedBy: Key.self)
        try object.encode("list", forKey: .object)
        try object.encode(page.jobs, forKey: .data)
        try object.encode(page.jobs.first?.id, forKey: .firstID)
        try object.encode(page.jobs.last?.id, forKey: .lastID)
        try object.encode(page.hasMore, forKey: .hasMore)
        try object.encode(page.unreadable, forKey: .unreadable)
    }
}

extension JSONEncoder {
    /// - Parameter base: what comes before the paths of links.
    fileprivate static func api(base: String) -> JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        if let key = Artifact.base { encoder.userInfo[key] = base }
        return encoder
    }
}
