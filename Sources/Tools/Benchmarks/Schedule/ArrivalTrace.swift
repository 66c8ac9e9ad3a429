import Foundation
import Jobs

/// Requests and when they come.
package struct ArrivalTrace: Codable, Sendable {
    package struct Arrival: Codable, Sendable {
        /// Seconds after the start.
        package let at: Double
        package let kind: GenerationRequest.Kind
        package let prompt: String
        package let seed: UInt64
        package let priority: Priority

        private enum CodingKeys: String, CodingKey { case at, kind, prompt, seed, priority }

        init(at: Double, kind: GenerationRequest.Kind, prompt: String, seed: UInt64, priority: Priority) {
            (self.at, self.kind, self.prompt, self.seed, self.priority) = (at, kind, prompt, seed, priority)
        }

        package init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: CodingKeys.self)
            at = try values.decode(Double.self, forKey: .at)
            kind = try values.decode(GenerationRequest.Kind.self, forKey: .kind)
            prompt = try values.decode(String.self, forKey: .prompt)
            seed = try values.decodeIfPresent(UInt64.self, forKey: .seed) ?? 0
            priority = try values.decodeIfPresent(Priority.self, forKey: .priority) ?? .interactive
            guard at.isFinite, 0...86_400 ~= at else {
                throw DecodingError.dataCorruptedError(
                    forKey: .at, in: values, debugDescription: "it is \(at) and must be 0 to 86400 seconds")
            }
        }
    }

    /// How requests come.
    package enum Pattern: String, Sendable, CaseIterable, Codable {
        /// One by one, at times that know nothing of each other.
        case poisson
        /// Several at the same moment, then a pause.
        case bursts
        /// Both, pictures and clips.
        case mixed
    }

    /// Earliest first.
    package let arrivals: [Arrival]

    package init(arrivals: [Arrival]) {
        self.arrivals = arrivals.sorted { $0.at < $1.at }
    }

    /// - Parameter file: a JSON array of objects with `at` (seconds), `kind`, `prompt` and optionally `seed`, `priority`.
    package init(file: String) throws {
        self.init(
            arrivals: try JSONDecoder().decode([Arrival].self, from: Data(contentsOf: URL(fileURLWithPath: file))))
    }

    /// - Parameter seconds: between two requests, on average.
    package init(_ pattern: Pattern, count: Int, every seconds: Double, prompts: [String], seed: UInt64, clips: Bool) {
        var random = SplitMix64(state: seed)
        func pause(_ mean: Double) -> Double { -log(1 - Double.random(in: 0..<1, using: &random)) * mean }
        var now = 0.0
        var arrivals: [Arrival] = []
        while arrivals.count < count {
            let isBurst = pattern == .bursts || (pattern == .mixed && Int.random(in: 0..<3, using: &random) == 0)
            let size = min(isBurst ? Int.random(in: 4...8, using: &random) : 1, count - arrivals.count)
            for _ in 0..<size {
                let isClip = clips && pattern == .mixed && Int.random(in: 0..<4, using: &random) == 0
                let prompt = prompts.isEmpty ? "" : prompts[Int.random(in: 0..<prompts.count, using: &random)]
                arrivals.append(
                    Arrival(
                        at: now, kind: isClip ? .video : .image, prompt: prompt, seed: UInt64(arrivals.count),
                        priority: .interactive))
            }
            now += pause(seconds * Double(size))
        }
        self.init(arrivals: arrivals)
    }
}
