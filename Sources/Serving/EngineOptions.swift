/// What an engine may use, and for how long it keeps what it made.
package struct EngineOptions: Sendable {
    /// Where jobs and artifacts live; created if missing.
    package var stateFolder: String
    /// The state folder is closed to other accounts of the machine.
    package var isPrivate = true
    /// A file of the state folder that no job knows is removed at a start when it is older than this many seconds.
    package var strayGraceSeconds: Double = 3600
    /// Jobs that may wait; one more is refused. Jobs found at start are kept beyond it.
    package var queueCapacity = 64
    /// Artifacts older than this many seconds are removed.
    package var retentionSeconds: Double = 7 * 86_400
    /// When the artifacts hold more bytes than this, the oldest are removed.
    package var retentionBytes = 20 << 30
    /// A job whose artifacts have expired, or that has none, is forgotten after this many seconds.
    package var historySeconds: Double = 60 * 86_400
    /// Images are stepped together, also those of several jobs, up to this many pixels. The bytes do not depend on it.
    /// Products of more rows than two pictures of 512x512 have (2048 tokens) run no faster, and all would wait for all.
    package var batchPixels = 1 << 19
    /// Embeddings of prompts are kept up to this many bytes, on disk as well.
    package var promptCacheBytes = 1 << 30
    /// What is computed when.
    package var policy = PolicyName.phaseSynchronous
    /// Jobs of each priority that may have begun: between two steps each holds its latents and embeddings.
    package var activeRuns = 16
    /// Of these, jobs of one API key; nil for any number.
    package var activeRunsPerOwner: Int?
    /// How much of the queue one owner's jobs may fill.
    package var queueShare = QueueShare.whole
    /// Called on the compute thread after each turn; must return soon.
    package var onTurn: (@Sendable (Turn) -> Void)?

    package enum PolicyName: String, Sendable, CaseIterable {
        case fifo
        case phaseSynchronous = "phase_synchronous"
    }

    /// What the compute thread did at one stretch: a network evaluation, a prompt, or a file.
    package struct Turn: Sendable {
        package let runs: [String]
        package let weights: StageWeights
        package let start: ContinuousClock.Instant
        package let seconds: Double
    }

    package init(stateFolder: String) {
        self.stateFolder = stateFolder
    }

    var admission: Admission { Admission(runsPerPriority: activeRuns, runsPerOwner: activeRunsPerOwner) }

    func makePolicy() -> any StepPolicy {
        switch policy {
        case .fifo: FirstComeFirstServed()
        case .phaseSynchronous: PhaseSchedule(batchPixels: batchPixels)
        }
    }
}

/// How much of the queue the waiting jobs of one owner may fill, so that others find room.
package enum QueueShare: Sendable, Equatable {
    case whole
    /// Fewer places than are free: one owner gets half of the queue, two that fill it a third each, and whoever comes
    /// next always finds a place (the dynamic threshold of Choudhury and Hahne, 1998, with alpha 1).
    case fair
    case atMost(Int)

    /// Whether an owner with so many waiting jobs may have one more.
    func admits(waiting: Int, free: Int) -> Bool {
        switch self {
        case .whole: true
        case .fair: waiting < free
        case .atMost(let count): waiting < count
        }
    }
}

/// Lets a client send a request again without having it done again.
package struct Idempotency: Sendable, Equatable {
    /// What the client chose, the Idempotency-Key header.
    package let key: String
    /// Tells requests apart: FNV-1a, 64 bits, of the body. A client could fool only itself.
    package let fingerprint: String
    /// Whose choice the key is: two clients may choose the same.
    private(set) var owner: String?

    package init(key: String, body: some Sequence<UInt8>) {
        self.key = key
        fingerprint = String(FNV1a.hash(body), radix: 16)
    }

    /// What the store knows it by. No owner's name has a blank in it.
    var stored: String { owner.map { "\($0) \(key)" } ?? key }

    func owned(by owner: String?) -> Idempotency {
        var copy = self
        copy.owner = owner
        return copy
    }
}

/// Some of the jobs, newest or oldest first.
package struct JobPage: Sendable, Equatable {
    package let jobs: [Job]
    package let hasMore: Bool
    /// Ids of jobs that belong here, but that this version cannot read.
    package var unreadable: [String] = []
}

/// Whether the engine would take a job now.
package enum Readiness: Sendable, Equatable {
    case ready
    /// Not now, for this reason.
    case notReady(String)
}
