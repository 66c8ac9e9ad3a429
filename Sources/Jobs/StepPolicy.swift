import Models
import Pipelines

/// Tells which jobs go before which.
package enum Priority: String, Codable, Sendable, CaseIterable {
    /// Somebody waits for it.
    case interactive
    /// Whenever there is time.
    case batch
}

/// What a stage computes with: a part of a model.
package struct StageWeights: Hashable, Sendable {
    package let model: String
    package let stage: Stage.Kind
    package let part: Part
    /// The part whose heavy weights it uses: for an expert that is a LoRA on a shared base, that base; else itself.
    package let base: Part
    /// LoRA files of the request on the part.
    package let loras: [LoRA]

    package init(model: String, stage: Stage.Kind, part: Part, base: Part? = nil, loras: [LoRA] = []) {
        self.model = model
        self.stage = stage
        self.part = part
        self.base = base ?? part
        self.loras = loras
    }

    package var isExpert: Bool { stage == .steps }

    /// Whether at most a LoRA has to change between these weights and the others.
    func shareHeavyWeights(with other: StageWeights?) -> Bool { model == other?.model && base == other?.base }
}

/// A run between two stages, as a policy sees it.
package struct WaitingRun: Sendable {
    package let id: String
    /// One entry for each stage to come: the prompt, the steps, the decoding. Not empty.
    package let course: ArraySlice<StageWeights>
    /// The shapes of the run's latents and other inputs: runs of the same shapes share a network evaluation. Nil for a
    /// stage that is not shared.
    package let shape: [[Int]]?
    /// The pixels of all frames of all its images that are to do the stage.
    package let pixels: Int
    package let priority: Priority
    /// The run's place in the order in which jobs were accepted.
    package let arrival: Int64

    /// Returns nil without a stage to come.
    package init?(
        id: String, course: ArraySlice<StageWeights>, shape: [[Int]]?, pixels: Int, priority: Priority, arrival: Int64
    ) {
        guard let first = course.first else { return nil }
        self.id = id
        self.course = course
        self.shape = shape
        self.pixels = pixels
        self.priority = priority
        self.arrival = arrival
        weights = first
    }

    /// The weights of the stage for which the run waits.
    package let weights: StageWeights

    /// What is left to do, in pixels times stages.
    var work: Int { pixels * course.count }

    /// Stages with the same weights from now on.
    var length: Int { course.prefix { $0 == weights }.count }
}

/// What is computed next.
package struct Decision: Sendable, Equatable {
    /// Runs that wait for `weights`. Several of them share one network evaluation.
    package let runs: [String]
    package let weights: StageWeights
    /// What the passes through weights will be from now on, as far as can be told: first those with `weights`.
    package let passes: [StageWeights]
}

/// Decides, whenever nothing is being computed, what is computed next.
///
/// A policy is a value: no clock, no files. It takes it that what it decides is done.
package protocol StepPolicy: Sendable {
    /// - Parameters:
    ///   - waiting: all runs that have begun; their ids are unique.
    ///   - seconds: of any clock that does not go back.
    ///   - isResident: whether weights are in memory, so that computing with them reads nothing first.
    /// - Returns: nil if nothing waits.
    mutating func decide(
        _ waiting: [WaitingRun], at seconds: Double, isResident: (StageWeights) -> Bool
    ) -> Decision?
}

/// First come, first served, one run at a time from its prompt to its file: what other servers do, to compare with.
package struct FirstComeFirstServed: StepPolicy {
    package init() {}

    package mutating func decide(
        _ waiting: [WaitingRun], at seconds: Double, isResident: (StageWeights) -> Bool
    ) -> Decision? {
        waiting.min { $0.arrival < $1.arrival }.map {
            Decision(runs: [$0.id], weights: $0.weights, passes: Array($0.course))
        }
    }
}
