import Diffusion
import Foundation
import Jobs
import Media
import Pictures
import Pipelines
import Tensor

/// Runs generators of one model against each other: the same prompts and seeds, in turn (A B A B ...), so that what else
/// the machine does falls on all of them alike.
package struct GenerationBenchmark {
    let model: Pipeline
    /// The last one is what the others are compared with.
    let contenders: [Contender]
    let prompts: [String]
    let seeds: [UInt64]
    let rounds: Int
    /// The preset of the media encoder for a clip.
    let preset: String?
    /// Seconds; of the wall's clock or the processor's.
    let now: () -> Double
    private let meter = ResourceMeter()

    /// Frames of a clip whose features are compared, and that are shown.
    private static var shown: Int { 3 }

    package init(
        model: Pipeline, contenders: [Contender], prompts: [String], seeds: [UInt64], rounds: Int,
        preset: String? = nil,
        now: @escaping () -> Double = { BenchmarkClock.wall.seconds(threads: 1) }
    ) {
        self.model = model
        self.contenders = contenders
        self.prompts = prompts
        self.seeds = seeds
        self.rounds = rounds
        self.preset = preset
        self.now = now
    }

    /// What is kept of a contender's trials while others run.
    private struct Tally {
        var trials: [Trial] = []
        var features: [[[PictureFeatures]]] = []
        var motions: [Motion] = []
        var similarities: [Similarity] = []
        var pictures: [[[UInt8]]] = []
        var clips: [[UInt8]] = []

        /// A trial without its frames.
        struct Trial {
            let ran: RunRecord
            let decodeSeconds, encodeSeconds, switchStall, total: Double
            let mediaBytes: Int
            let peakResidentBytes: Int?
            let joules: Double?
        }
    }

    /// - Parameters:
    ///   - frames: 1 for pictures.
    ///   - progress: called before each generation with what is about to be made.
    /// - Throws: `ServingError.invalid` for what the model cannot make, before anything is computed.
    package func run(
        width: Int, height: Int, frames: Int, fps: Int, progress: (_ done: Int, _ of: Int, _ what: String) -> Void
    ) throws -> GenerationReport.Workload {
        func request(_ contender: Contender, _ prompt: String, _ seed: UInt64) -> GenerationRequest {
            GenerationRequest(
                kind: frames > 1 ? .video : .image, prompt: prompt, model: model.id, generator: contender.generator,
                width: width, height: height, frames: frames, fps: fps, seed: seed, steps: contender.steps,
                preset: frames > 1 ? preset : nil)
        }
        for contender in contenders {
            for prompt in prompts { _ = try request(contender, prompt, 0).validate(for: model) }
        }
        let scratch = NSTemporaryDirectory() + "phasor-bench-\(getpid()).mp4"
        // Page faults, caches, and the processor's clock.
        for (index, contender) in contenders.enumerated() {
            progress(index, contenders.count, "warm-up, \(contender)")
            _ = try GenerationTrial(
                request(contender, prompts[0], seeds[0]), model, meter: meter, scratch: scratch, now: now)
        }
        var tallies = contenders.map { _ in Tally() }
        let count = rounds * prompts.count * seeds.count * contenders.count
        var done = 0
        for round in 0..<rounds {
            for prompt in prompts {
                for index in tallies.indices where round == 0 { tallies[index].features.append([]) }
                for seed in seeds {
                    var made: [[RGBImage]] = []
                    for (index, contender) in contenders.enumerated() {
                        progress(done, count, "\(frames > 1 ? "clips" : "pictures"), \(contender)")
                        let trial = try GenerationTrial(
                            request(contender, prompt, seed), model, meter: meter, scratch: scratch, now: now)
                        tallies[index].trials.append(
                            Tally.Trial(
                                ran: trial.ran,
                                decodeSeconds: trial.ran.decodeSeconds - trial.encodeSecondsWhileDecoding,
                                encodeSeconds: trial.encodeSeconds, switchStall: trial.switchStall,
                                total: trial.total, mediaBytes: trial.mediaBytes,
                                peakResidentBytes: trial.peakResidentBytes, joules: trial.joules))
                        made.append(round == 0 ? trial.frames : [])
                        done += 1
                    }
                    // A later round makes the same pictures.
                    if round == 0 { try look(at: made, isFirst: seed == seeds.first, fps: fps, &tallies) }
                }
            }
        }
        return workload(tallies, width: width, height: height, frames: frames, fps: fps)
    }

    /// Measures what each contender made of a prompt and seed; takes no time of any trial.
    private func look(at made: [[RGBImage]], isFirst: Bool, fps: Int, _ tallies: inout [Tally]) throws {
        for (index, frames) in made.enumerated() {
            let some = Self.some(of: frames)
            tallies[index].features[tallies[index].features.count - 1].append(some.map(PictureFeatures.init))
            if let motion = Motion(of: frames) { tallies[index].motions.append(motion) }
            if let reference = made.last, index < made.count - 1 {
                let pairs = zip(frames, reference).map { Similarity($0, $1) }
                tallies[index].similarities.append(contentsOf: [Similarity.mean(pairs)].compactMap(\.self))
            }
            guard isFirst else { continue }
            tallies[index].pictures.append(try some.map { try PNG.encode($0) })
            if frames.count > 1 { tallies[index].clips.append(try clip(of: frames, fps: fps)) }
        }
    }

    /// The frames as the MP4 that a server would give.
    private func clip(of frames: [RGBImage], fps: Int) throws -> [UInt8] {
        let path = NSTemporaryDirectory() + "phasor-bench-shown-\(getpid()).mp4"
        defer { unlink(path) }
        let encoder = try MP4Encoder(
            path: path, width: frames[0].width, height: frames[0].height,
            options: VideoOptions(preset: preset, frameRate: FrameRate(fps)))
        for frame in frames { try encoder.append(frame) }
        try encoder.finish()
        return Array(try Data(contentsOf: URL(filePath: path)))
    }

    /// The first frame, the last one, and those between at equal distances.
    private static func some(of frames: [RGBImage]) -> [RGBImage] {
        guard frames.count > shown else { return frames }
        return (0..<shown).map { frames[$0 * (frames.count - 1) / (shown - 1)] }
    }

    // MARK: Results

    private func workload(
        _ tallies: [Tally], width: Int, height: Int, frames: Int, fps: Int
    ) -> GenerationReport.Workload {
        let results = zip(contenders, tallies).compactMap { result($0, $1) }
        var comparisons: [GenerationReport.Comparison] = []
        if let baseline = results.last, let slow = tallies.last {
            for (result, tally) in zip(results.dropLast(), tallies) {
                let pairs = zip(slow.trials, tally.trials).map { (slow: $0.total, fast: $1.total) }
                guard let speedup = Speedup(pairs) else { continue }
                comparisons.append(
                    GenerationReport.Comparison(
                        contender: result.name, baseline: baseline.name, speedup: speedup,
                        similarity: Similarity.mean(tally.similarities),
                        diversityKept: Self.share(result.diversity?.mean, baseline.diversity?.mean),
                        motionKept: Self.share(result.motion?.flow, baseline.motion?.flow)))
            }
        }
        return GenerationReport.Workload(
            kind: frames > 1 ? .video : .image, width: width, height: height, frames: frames, fps: fps,
            prompts: prompts, seeds: seeds, rounds: rounds, contenders: results, comparisons: comparisons,
            pictures: tallies.map(\.pictures), clips: frames > 1 ? tallies.map(\.clips) : [])
    }

    private static func share(_ value: Double?, _ whole: Double?) -> Double? {
        guard let value, let whole, whole > 0 else { return nil }
        return value / whole
    }

    private func result(_ contender: Contender, _ tally: Tally) -> GenerationReport.ContenderResult? {
        let trials = tally.trials
        guard let first = trials.first, let total = Summary(trials.map(\.total)),
            let text = Summary(trials.map(\.ran.textSeconds)),
            let decode = Summary(trials.map(\.decodeSeconds)),
            let encode = Summary(trials.map(\.encodeSeconds)), let stall = Summary(trials.map(\.switchStall))
        else { return nil }
        let steps = first.ran.steps.enumerated().compactMap { index, step in
            Summary(trials.map { $0.ran.steps[index].seconds }).map {
                GenerationReport.Stages.Step(
                    step: step.step, sigma: step.sigma, phase: step.phase, expert: step.expert, seconds: $0)
            }
        }
        let stepSeconds = steps.reduce(0) { $0 + $1.seconds.median }
        let distances = tally.features.compactMap(Diversity.distance)
        let joules = trials.compactMap(\.joules)
        return GenerationReport.ContenderResult(
            name: "\(contender)", generator: contender.generator,
            sampler: first.ran.sampler, nfe: first.ran.nfe, total: total,
            stages: GenerationReport.Stages(
                text: text, steps: steps, switchStall: stall, decode: decode, encode: encode),
            stepsPerSecond: stepSeconds > 0 ? Double(steps.count) / stepSeconds : 0,
            peakResidentBytes: trials.compactMap(\.peakResidentBytes).max(),
            joules: joules.isEmpty ? nil : joules.reduce(0, +) / Double(joules.count),
            mediaBytes: trials.reduce(0) { $0 + Double($1.mediaBytes) } / Double(trials.count),
            diversity: PictureFeatures.Distance.mean(distances), motion: Motion.mean(tally.motions))
    }
}

extension PictureFeatures.Distance {
    /// The mean of the distances; nil for none.
    static func mean(_ distances: [Self]) -> Self? {
        guard !distances.isEmpty else { return nil }
        let count = Double(distances.count)
        return Self(
            colour: distances.reduce(0) { $0 + $1.colour } / count,
            structure: distances.reduce(0) { $0 + $1.structure } / count)
    }
}
