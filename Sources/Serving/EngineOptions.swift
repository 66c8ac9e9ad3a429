import Jobs
import Media

/// What an engine may use, and for how long it keeps what it made.
package struct EngineOptions: Sendable {
    /// Where jobs and artifacts live, and how long.
    package var store: StoreOptions
    /// Jobs that may wait; one more is refused. Jobs found at start are kept beyond it.
    package var queueCapacity = 64
    /// Images are stepped together, also those of several jobs, up to this many pixels. The bytes do not depend on it.
    /// Products of more rows than two pictures of 512x512 have (2048 tokens) run no faster, and all would wait for all.
    package var batchPixels = 1 << 19
    /// Embeddings of prompts are kept up to this many bytes, on disk as well.
    package var promptCacheBytes = 1 << 30
    /// What is computed when.
    package var policy = PolicyName.phaseSynchronous
    /// Jobs of each priority that may have begun: between two steps each holds its latents and embeddings.
    package var activeRuns = 16
    /// How many of these jobs one API key may have; nil for any number.
    package var activeRunsPerOwner: Int?
    /// How much of the queue one owner's jobs may fill.
    package var queueShare = QueueShare.whole
    /// The program, as the provenance in every file names it; nil leaves the provenance out.
    package var generator: String? = Provenance.phasor
    /// The addresses that are told when a job has ended.
    package var webhooks = WebhookOptions()
    /// The compute thread calls this after each turn; the closure must return soon.
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
        store = StoreOptions(folder: stateFolder)
    }

    var admission: Admission { Admission(runsPerPriority: activeRuns, runsPerOwner: activeRunsPerOwner) }

    func makePolicy() -> any StepPolicy {
        switch policy {
        case .fifo: FirstComeFirstServed()
        case .phaseSynchronous: PhaseSchedule(batchPixels: batchPixels)
        }
    }
}
