import Diffusion
import Models
import Tensor

/// What a run tells on its way.
package struct RunObserver {
    /// A step was done: which, by whom and in how many seconds; the run after it; the estimate of x0 `[C, F, H, W]`.
    package var onStep: (_ done: RunRecord.Step, _ run: Run, _ estimate: Tensor) throws -> Void = { _, _, _ in }
    /// A step begins.
    package var beforeStep: (_ step: Int, _ sigma: Float, _ phase: Phase) -> Void = { _, _, _ in }
    /// A stage begins.
    package var onStage: (Stage.Kind) -> Void = { _ in }
    /// Seconds on the clock that times are taken from.
    package var now: () -> Double = { RunObserver.wall() }

    package init() {}

    /// Seconds of the monotonic clock.
    package static func wall() -> Double { start.duration(to: .now) / .seconds(1) }

    private static let start = ContinuousClock.now
}

extension Run {
    /// Does all that is left, pass by pass, and tells the memory manager before each pass what follows it.
    ///
    /// - Parameters:
    ///   - interrupt: called before each block; what it throws ends the run between two passes.
    ///   - onFrames: gets frames `[T, H, W, 3]` in [0, 1] as they are decoded.
    /// - Returns: what ran.
    package mutating func finish(
        _ observer: RunObserver = RunObserver(), interrupt: @escaping @Sendable () throws -> Void = {},
        onFrames: (Tensor) throws -> Void
    ) throws -> RunRecord {
        var record = RunRecord(of: self)
        if !pictures.isEmpty {
            let encoding = observer.now()
            observer.onStage(.picture)
            pipeline.expect(passes.map(\.part))
            var alone = [self]
            try Run.encodePictures(of: &alone, interrupt: { try interrupt() })
            self = alone[0]
            record.pictureSeconds = observer.now() - encoding
        }
        let began = observer.now()
        if prompted == nil {
            observer.onStage(.text)
            pipeline.expect(passes.map(\.part))
            try encodeTexts { [pipeline, seen] in
                try pipeline.encode($0, by: $1, seeing: seen, interrupt: interrupt)
            }
            record.textSeconds = observer.now() - began
        }
        record.steps = try finishSteps(observer, interrupt: interrupt)
        observer.onStage(.decode)
        let decoding = observer.now()
        pipeline.expect(passes.map(\.part))
        try decode(interrupt: { try interrupt() }, onFrames: onFrames)
        record.decodeSeconds = observer.now() - decoding
        return record
    }

    /// Does the steps that are left.
    /// - Returns: what was done, step by step.
    @discardableResult
    package mutating func finishSteps(
        _ observer: RunObserver = RunObserver(), interrupt: @escaping @Sendable () throws -> Void = {}
    ) throws -> [RunRecord.Step] {
        var done: [RunRecord.Step] = []
        if !generation.isFinished { observer.onStage(.steps) }
        while let step = generation.nextStep, let phase = generation.nextPhase {
            observer.beforeStep(step.index + 1, step.sigma, phase)
            let began = observer.now()
            pipeline.expect(passes.map(\.part))
            var batch = [self]
            let estimates = try Run.step(&batch, interrupt: interrupt)
            self = batch[0]
            if generation.nextPhase?.expert != phase.expert { forget(expert: phase.expert) }
            let last = RunRecord.Step(
                step: step.index + 1, sigma: step.sigma, phase: phase.name, expert: phase.expert,
                seconds: observer.now() - began)
            done.append(last)
            if let estimate = estimates.first { try observer.onStep(last, self, estimate) }
        }
        return done
    }
}
