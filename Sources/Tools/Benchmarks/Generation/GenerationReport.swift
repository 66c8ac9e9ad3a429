import Foundation
import Jobs

/// What a comparison of generators found. Its JSON is that of `phasor bench --json`.
package struct GenerationReport: Sendable {
    package var model: String
    package var machine: Machine
    package var workloads: [Workload]
    /// What it was made with and how; nil leaves the report without.
    package var origin: Origin?

    package init(model: String, machine: Machine, workloads: [Workload]) {
        self.model = model
        self.machine = machine
        self.workloads = workloads
    }

    /// What has to be known to make the same report again.
    package struct Origin: Codable, Sendable {
        /// The version of Phasor.
        package var version: String
        /// The command with its arguments.
        package var command: [String]
        /// The digest of the weights and settings, in hexadecimal.
        package var modelDigest: String?

        enum CodingKeys: String, CodingKey {
            case version, command
            case modelDigest = "model_digest"
        }

        package init(version: String, command: [String], modelDigest: String?) {
            self.version = version
            self.command = command
            self.modelDigest = modelDigest
        }

        /// The command as a reader pastes it into a shell, the program without its folder.
        package var commandLine: String {
            let program = command.first.map { ($0 as NSString).lastPathComponent }
            return ([program].compactMap(\.self) + command.dropFirst().map(Self.quoted)).joined(separator: " ")
        }

        private static func quoted(_ argument: String) -> String {
            let plain = argument.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                    || "-_./:=,+@%".utf8.contains(byte)
            }
            if plain, !argument.isEmpty { return argument }
            return "'" + argument.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''")
                + "'"
        }
    }

    package struct Machine: Codable, Sendable {
        package var processor: String
        package var instructions: String
        package var threads: Int
        package var precision: String
        /// `wall`, or `processor`: time of the process over its threads.
        package var clock = "wall"
        package var measuresEnergy: Bool

        enum CodingKeys: String, CodingKey {
            case processor, instructions, threads, precision, clock
            case measuresEnergy = "measures_energy"
        }

        package init(instructions: String, threads: Int, precision: String) {
            self.instructions = instructions
            self.threads = threads
            self.precision = precision
            measuresEnergy = ResourceMeter().measuresEnergy
            let lines = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?.split(separator: "\n") ?? []
            let name = lines.first { $0.hasPrefix("model name") }?.split(separator: ":").dropFirst().first
            processor = name.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown"
        }
    }

    /// Pictures, or clips, of one size.
    package struct Workload: Encodable, Sendable {
        package var kind: GenerationRequest.Kind
        package var width: Int
        package var height: Int
        package var frames: Int
        package var fps: Int
        package var prompts: [String]
        package var seeds: [UInt64]
        /// Times that each pair of prompt and seed was made.
        package var rounds: Int
        /// The last one is what the others are compared with.
        package var contenders: [ContenderResult]
        package var comparisons: [Comparison]
        /// Some frames as PNG for each contender, of the first seed of each prompt.
        package var pictures: [[[[UInt8]]]]
        /// The clip as MP4 for each contender, of the first seed of each prompt; empty for pictures.
        package var clips: [[[UInt8]]] = []

        enum CodingKeys: String, CodingKey {
            case kind, width, height, fps, prompts, seeds, rounds, contenders, comparisons
            case frames = "num_frames"
        }
    }

    /// Seconds of the stages. A stage of a clip's delivery counts for all frames.
    package struct Stages: Codable, Sendable {
        package var text: Summary
        package var steps: [Step]
        package var switchStall: Summary
        package var decode: Summary
        package var encode: Summary

        enum CodingKeys: String, CodingKey {
            case text, steps, decode, encode
            case switchStall = "switch_stall"
        }

        package struct Step: Codable, Sendable {
            package var step: Int
            package var sigma: Float
            package var phase: String
            package var expert: String
            package var seconds: Summary
        }
    }

    package struct ContenderResult: Encodable, Sendable {
        package var name: String
        package var generator: String
        package var sampler: String
        package var nfe: Int
        package var total: Summary
        package var stages: Stages
        package var stepsPerSecond: Double
        package var peakResidentBytes: Int?
        package var joules: Double?
        package var mediaBytes: Double
        package var diversity: PictureFeatures.Distance?
        package var motion: Motion?

        private enum CodingKeys: String, CodingKey {
            case name, generator, sampler, steps, nfe, total, stages, joules, diversity, motion
            case totalSeconds = "total_seconds"
            case stageMedians = "stage_medians"
            case colourDiversity = "diversity_colour"
            case structureDiversity = "diversity_structure"
            case stepsPerSecond = "steps_per_second"
            case peakResidentBytes = "peak_resident_bytes"
            case mediaBytes = "media_bytes"
        }

        package var stageMedians: [String: Double] {
            [
                "text": stages.text.median, "steps": stages.steps.reduce(0) { $0 + $1.seconds.median },
                "switch_stall": stages.switchStall.median, "decode": stages.decode.median,
                "encode": stages.encode.median,
            ]
        }

        package func encode(to encoder: any Encoder) throws {
            var object = encoder.container(keyedBy: CodingKeys.self)
            try object.encode(name, forKey: .name)
            try object.encode(generator, forKey: .generator)
            try object.encode(sampler, forKey: .sampler)
            try object.encode(stages.steps.count, forKey: .steps)
            try object.encode(nfe, forKey: .nfe)
            try object.encode(total.median, forKey: .totalSeconds)
            try object.encode(total, forKey: .total)
            try object.encode(stageMedians, forKey: .stageMedians)
            try object.encode(stages, forKey: .stages)
            try object.encode(stepsPerSecond, forKey: .stepsPerSecond)
            try object.encode(peakResidentBytes, forKey: .peakResidentBytes)
            try object.encode(joules, forKey: .joules)
            try object.encode(mediaBytes, forKey: .mediaBytes)
            try object.encode(diversity?.mean, forKey: .diversity)
            try object.encode(diversity?.colour, forKey: .colourDiversity)
            try object.encode(diversity?.structure, forKey: .structureDiversity)
            try object.encode(motion, forKey: .motion)
        }
    }

    /// A contender against the last one, on the same prompts and seeds.
    package struct Comparison: Codable, Sendable {
        package var contender: String
        package var baseline: String
        package var speedup: Speedup
        package var similarity: Similarity?
        /// Shares of the baseline's; nil where it has none.
        package var diversityKept: Double?
        package var motionKept: Double?

        enum CodingKeys: String, CodingKey {
            case contender, baseline, speedup, similarity
            case diversityKept = "diversity_kept"
            case motionKept = "motion_kept"
        }
    }
}

extension GenerationReport: Encodable {
    private enum CodingKeys: String, CodingKey {
        case model, machine, workloads, speedup, student, teacher, measures, origin
        case speedupInterval = "speedup_interval"
    }

    /// How the measures are to be read.
    package static let measures = [
        "diversity":
            "mean distance over all pairs of seeds of a prompt, in a space computed from pixels: half colour (RMS CIE76 "
            + "difference of 8x8 cells / 100), half structure (1 - cosine of gradient orientations of the cells); not "
            + "the DINOv3 cosine or LPIPS of the Phased DMD paper",
        "motion":
            "mean length of dense pyramidal Lucas-Kanade optical flow, pixels a frame; \(Motion.rule); not the "
            + "optical flow and dynamic degree of the paper",
        "similarity": "PSNR of RGB and SSIM of luma against the baseline's picture of the same prompt and seed",
        "speedup": "median of the ratios of total seconds on the same prompt and seed; 95 % bootstrap interval",
    ]

    /// The top of the JSON is the first workload; where that is pictures, which do not move, with the motion of the
    /// clips.
    private func main(_ choose: ([ContenderResult]) -> ContenderResult?) -> ContenderResult? {
        guard var result = workloads.first.flatMap({ choose($0.contenders) }) else { return nil }
        result.motion = workloads.compactMap { choose($0.contenders)?.motion }.first
        return result
    }

    package func encode(to encoder: any Encoder) throws {
        var object = encoder.container(keyedBy: CodingKeys.self)
        try object.encode(model, forKey: .model)
        try object.encode(machine, forKey: .machine)
        try object.encodeIfPresent(origin, forKey: .origin)
        let speedup = workloads.first?.comparisons.first?.speedup
        try object.encode(speedup?.ratio, forKey: .speedup)
        try object.encode(speedup.map { [$0.low, $0.high] }, forKey: .speedupInterval)
        try object.encode(main(\.first), forKey: .student)
        try object.encode(main { $0.count > 1 ? $0.last : nil }, forKey: .teacher)
        try object.encode(workloads, forKey: .workloads)
        try object.encode(Self.measures, forKey: .measures)
    }
}
