import Foundation
import HTTP
import Jobs
import Media
import Serving
import Support

/// OpenAI's videos. A video goes on when the client leaves; it is asked for again by its id.
struct OpenAIVideos: Sendable {
    let engine: Engine
    let reader: GenerationFields
    let artifacts: Artifacts
    let keys: APIKeys

    func register(in router: inout Router, uploadLimit: Int) {
        router.add("POST", "/v1/videos", bodyLimit: uploadLimit, create)
        router.add("GET", "/v1/videos", list)
        router.add("GET", "/v1/videos/{id}") { request in .json(Self.describe(try await video(request))) }
        router.add("GET", "/v1/videos/{id}/content", content)
        router.add("DELETE", "/v1/videos/{id}", delete)
        for (path, field) in [
            ("/v1/videos/{id}/remix", "prompt"), ("/v1/videos/edits", "video"), ("/v1/videos/extensions", "video"),
        ] {
            router.add("POST", path, readsBody: false) { _ in
                throw APIError.invalid(
                    field, "clips are made from text and from pictures, not from other clips; use POST /v1/videos",
                    code: "unsupported")
            }
        }
    }

    // MARK: Routes

    @Sendable private func create(_ request: HTTPRequest) async throws -> HTTPResponse {
        let fields = try Fields(body: request)
        let read = try await reader.video(fields)
        let warnings =
            read.warnings + RequestWarning.ignored(of: fields, known: RequestFields.names(of: .video))
        let job: Job
        do {
            job = try await engine.submit(
                read.request, pictures: read.pictures, owner: keys.owner(of: request), idempotency: Idempotency(request)
            )
        } catch {
            throw read.named(error)
        }
        return warnings.added(to: .json(warnings.added(to: Self.describe(job))))
    }

    @Sendable private func list(_ request: HTTPRequest) async throws -> HTTPResponse {
        let page = try await Paging(request).page(of: .video, for: keys.caller(of: request), from: engine)
        return .json([
            "object": "list",
            "data": .array(page.jobs.map(Self.describe)),
            "first_id": JSON(page.jobs.first?.id),
            "last_id": JSON(page.jobs.last?.id),
            "has_more": .bool(page.hasMore),
            "unreadable": .array(page.unreadable.map(JSON.string)),
        ])
    }

    @Sendable private func content(_ request: HTTPRequest) async throws -> HTTPResponse {
        let variant = request.query("variant") ?? "video"
        guard ["video", "thumbnail"].contains(variant) else {
            throw APIError.invalid(
                "variant", "variant is '\(variant.prefix(40))'; there are only 'video' and 'thumbnail'")
        }
        let job = try await video(request)
        guard let artifact = job.artifacts.first else {
            if job.state.isTerminal { throw APIError.ended(job) }
            throw APIError(
                status: 409, message: "the video \(job.id) is \(Self.status(job)); it has no content yet",
                code: "video_not_ready")
        }
        guard variant == "thumbnail" else { return try await artifacts.response(artifact.id, to: request) }
        let path = try await engine.artifact(artifact.id).path
        let provenance = Provenance(engine.generator, of: job.request)
        return try await VideoThumbnail.response(ofClip: path, provenance: provenance, etag: artifact.id, to: request)
    }

    @Sendable private func delete(_ request: HTTPRequest) async throws -> HTTPResponse {
        let job = try await jobs.changeable(video(request).id, by: request)
        try await engine.delete(job.id)
        return .json(["id": .string(job.id), "object": "video.deleted", "deleted": true])
    }

    private var jobs: OwnedJobs { OwnedJobs(engine: engine, keys: keys) }

    /// - Throws: `APIError` also for a job that is no video.
    private func video(_ request: HTTPRequest) async throws -> Job {
        let id = request.parameters["id"] ?? ""
        do {
            let job = try await jobs.visible(id, to: request)
            if job.kind == .video { return job }
        } catch ServingError.unknownJob {
        }
        throw APIError.unknown("video", id)
    }

    // MARK: The video object

    /// All keys are always there.
    static func describe(_ job: Job) -> JSON {
        [
            "id": .string(job.id),
            "object": "video",
            "model": .string(job.request.model),
            "status": .string(status(job)),
            "progress": JSON(Int(job.progress * 100)),
            "created_at": JSON(OpenAIImages.seconds(job.createdAt)),
            "completed_at": JSON(job.state == .succeeded ? job.finishedAt.map(OpenAIImages.seconds) : nil),
            "expires_at": JSON(job.expiresAt.map(OpenAIImages.seconds)),
            "prompt": .string(job.request.prompt),
            "size": .string(job.request.size),
            "seconds": .string(seconds(job.request)),
            "remixed_from_video_id": .null,
            "error": failure(job),
            "num_frames": JSON(job.request.frames),
            "fps": JSON(job.request.fps),
            "seed": JSON(job.request.seed),
        ]
    }

    /// OpenAI has no word for a cancelled video: it is a failed one, and the error says why.
    private static func status(_ job: Job) -> String {
        switch job.state {
        case .queued: "queued"
        case .running: "in_progress"
        case .succeeded: "completed"
        case .failed, .cancelled: "failed"
        }
    }

    private static func failure(_ job: Job) -> JSON {
        switch job.state {
        case .cancelled: ["code": "cancelled", "message": "the video was cancelled"]
        case .failed: ["code": JSON(job.failure?.code), "message": JSON(job.failure?.message)]
        case .queued, .running, .succeeded: .null
        }
    }

    /// The length in seconds: k for a clip of k * fps + 1 frames, as the client asked for it; else the exact length.
    private static func seconds(_ request: GenerationRequest) -> String {
        let spans = request.frames - 1
        if spans > 0, spans % request.fps == 0 { return "\(spans / request.fps)" }
        return JSON(Double(request.frames) / Double(request.fps)).text
    }
}
