import Foundation
import Pipelines

/// A request on its way: what `GET /v1/jobs/{id}` shows. `encode(to:)` writes exactly that object.
package struct Job: Sendable, Equatable {
    package enum State: String, Codable, Sendable, CaseIterable {
        case queued, running, succeeded, failed, cancelled

        package var isTerminal: Bool { self != .queued && self != .running }
    }

    /// Why a job failed: a stable code, and a sentence.
    package struct Failure: Codable, Sendable, Equatable {
        package var code: String
        package var message: String

        package init(code: String, message: String) {
            self.code = code
            self.message = message
        }
    }

    /// `image_` or `video_` and 128 random bits.
    package let id: String
    package var request: GenerationRequest
    package let priority: Priority
    /// Stands for the API key or the address it came from; nil if that is not known.
    package let owner: String?
    package var state: State
    /// Steps done.
    package var step: Int
    package var steps: Int
    /// The sigma of the last step done, or of the first one while none is; nil before the job runs.
    package var sigma: Float?
    /// Name of the phase that owns `sigma`.
    package var phase: String?
    /// The expert of that phase.
    package var expert: String?
    /// 0 is next; nil unless queued.
    package var queuePosition: Int?
    /// Seconds until it should be done, from measured throughput; nil while that is not known, and once it has ended.
    package var secondsLeft: Double?
    package var createdAt: Date
    package var startedAt: Date?
    package var finishedAt: Date?
    /// When retention will remove, or has removed, the artifacts; nil until the job has finished.
    package var expiresAt: Date?
    /// The files in the order of the images; empty unless the job has succeeded.
    package var artifacts: [Artifact]
    package var failure: Failure?
    package var timings: Timings
    /// What runs or ran; nil before the job has begun.
    package var ran: RunRecord? {
        get { timings.ran }
        set { timings.ran = newValue }
    }
    /// How often the process ended while this job was computed, since it last got further. Not shown.
    package var interruptions = 0

    package var kind: GenerationRequest.Kind { request.kind }

    /// The artifacts were removed by retention; the job is remembered.
    package var isExpired: Bool { artifacts.contains { $0.isExpired } }

    /// 0...1. What follows the last step (decoding, encoding) counts as a twentieth.
    package var progress: Double {
        if state == .succeeded { return 1 }
        return steps > 0 ? 0.95 * Double(step) / Double(steps) : 0
    }

    package init(
        id: String, request: GenerationRequest, priority: Priority = .interactive, owner: String? = nil, steps: Int,
        createdAt: Date
    ) {
        self.id = id
        self.request = request
        self.priority = priority
        self.owner = owner
        self.steps = steps
        self.createdAt = createdAt
        state = .queued
        step = 0
        artifacts = []
        timings = Timings()
    }
}

/// A finished file.
package struct Artifact: Sendable, Equatable {
    package let id: String
    package let job: String
    /// `image/png`, `image/jpeg`, `image/webp` or `video/mp4`.
    package let contentType: String
    package let bytes: Int
    /// Absolute path. The file is whole, and never changes.
    package let path: String
    /// Removed by retention: there was a file, there is none.
    package let isExpired: Bool

    package init(id: String, job: String, contentType: String, bytes: Int, path: String, isExpired: Bool) {
        self.id = id
        self.job = job
        self.contentType = contentType
        self.bytes = bytes
        self.path = path
        self.isExpired = isExpired
    }

    /// The ending that names the kind of file: `png`, `jpg`, `webp`, `mp4`.
    package var ending: String { (path as NSString).pathExtension }

    /// The path of its address; it ends as the file does, which is what programs go by that are given a link.
    package var url: String { ending.isEmpty ? "/v1/artifacts/\(id)" : "/v1/artifacts/\(id).\(ending)" }
}

/// Wall-clock seconds of the stages of a job.
package struct Timings: Codable, Sendable, Equatable {
    package typealias Step = RunRecord.Step

    /// Given pictures to inputs of the network; nil where none are given.
    package var picture: Double?
    /// Prompt to embedding; next to nothing when the prompt was known.
    package var text: Double?
    package var steps: [Step] = []
    /// Latents to frames.
    package var decode: Double?
    /// Frames to a file, and the file to disk.
    package var encode: Double?
    /// What these are the seconds of; stored beside them.
    var ran: RunRecord?

    package init() {}
}

extension Job: Encodable {
    private enum Key: String, CodingKey {
        case id, object, kind, priority, state, progress, step, steps, sigma, phase, expert, parameters, timings,
            artifacts, error, ran
        case queuePosition = "queue_position"
        case secondsLeft = "eta_seconds"
        case createdAt = "created_at"
        case startedAt = "started_at"
        case finishedAt = "finished_at"
        case expiresAt = "expires_at"
    }

    /// All keys are always there; times are Unix seconds.
    package func encode(to encoder: any Encoder) throws {
        var object = encoder.container(keyedBy: Key.self)
        try object.encode(id, forKey: .id)
        try object.encode("job", forKey: .object)
        try object.encode(kind, forKey: .kind)
        try object.encode(priority, forKey: .priority)
        try object.encode(state, forKey: .state)
        try object.encode(progress, forKey: .progress)
        try object.encode(step, forKey: .step)
        try object.encode(steps, forKey: .steps)
        try object.encode(sigma, forKey: .sigma)
        try object.encode(phase, forKey: .phase)
        try object.encode(expert, forKey: .expert)
        try object.encode(queuePosition, forKey: .queuePosition)
        try object.encode(secondsLeft.map { ($0 * 10).rounded() / 10 }, forKey: .secondsLeft)
        try object.encode(createdAt.timeIntervalSince1970, forKey: .createdAt)
        try object.encode(startedAt?.timeIntervalSince1970, forKey: .startedAt)
        try object.encode(finishedAt?.timeIntervalSince1970, forKey: .finishedAt)
        try object.encode(expiresAt?.timeIntervalSince1970, forKey: .expiresAt)
        try object.encode(request, forKey: .parameters)
        var seconds = timings
        seconds.ran = nil
        try object.encode(seconds, forKey: .timings)
        try object.encode(ran, forKey: .ran)
        try object.encode(artifacts, forKey: .artifacts)
        try object.encode(failure, forKey: .error)
    }
}

extension Artifact: Encodable {
    /// What is put before `url` when an encoder's `userInfo` has it: the address that the reader reaches the server by.
    package static let base = CodingUserInfoKey(rawValue: "phasor.base")

    private enum Key: String, CodingKey {
        case id, url, bytes, expired
        case contentType = "content_type"
    }

    package func encode(to encoder: any Encoder) throws {
        var object = encoder.container(keyedBy: Key.self)
        try object.encode(id, forKey: .id)
        let base = Self.base.flatMap { encoder.userInfo[$0] as? String } ?? ""
        try object.encode(base + url, forKey: .url)
        try object.encode(contentType, forKey: .contentType)
        try object.encode(bytes, forKey: .bytes)
        try object.encode(isExpired, forKey: .expired)
    }
}
