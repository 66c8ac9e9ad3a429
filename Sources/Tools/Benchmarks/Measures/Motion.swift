import Media
import Pictures

/// How much moves in a clip, told from its pixels alone.
package struct Motion: Codable, Sendable, Equatable {
    /// Mean length of the optical flow over all pixels and all pairs of neighbouring frames, in pixels a frame.
    package var flow: Double
    /// 1 if the clip counts as dynamic, else 0; of several clips, the share of those that do.
    package var dynamicDegree: Double

    enum CodingKeys: String, CodingKey {
        case flow = "mean_flow_pixels"
        case dynamicDegree = "dynamic_degree"
    }

    /// The largest flows of a frame that are looked at, as a share of its pixels.
    private static let share = 0.05
    /// The mean motion in pixels that makes a pair of frames a dynamic one, for a shorter side of 256 pixels.
    private static let threshold = 6.0
    /// Dynamic pairs that make a clip dynamic, as a share of its frames.
    private static let pairs = 0.25

    /// The rule in words; it is VBench's (Huang et al. 2023) with another estimator of flow.
    package static let rule =
        "a clip is dynamic if in a quarter of its frames the 5 % largest flows are 6 px or more on average "
        + "(for a shorter side of 256 px)"

    private init(flow: Double, dynamicDegree: Double) {
        self.flow = flow
        self.dynamicDegree = dynamicDegree
    }

    /// Returns nil for less than two frames.
    package init?(of frames: [RGBImage]) {
        guard frames.count > 1, let first = frames.first else { return nil }
        let lumas = frames.map(Luminance.init)
        let threshold = Self.threshold * Double(min(first.width, first.height)) / 256
        var total = 0.0
        var dynamic = 0
        for (from, to) in zip(lumas, lumas.dropFirst()) {
            let lengths = OpticalFlow(from: from, to: to).magnitudes
            total += lengths.reduce(0) { $0 + Double($1) } / Double(lengths.count)
            let most = lengths.sorted(by: >).prefix(max(Int(Double(lengths.count) * Self.share), 1))
            if most.reduce(0, { $0 + Double($1) }) / Double(most.count) >= threshold { dynamic += 1 }
        }
        let needed = max((Double(frames.count) * Self.pairs).rounded(), 1)
        self.init(flow: total / Double(frames.count - 1), dynamicDegree: Double(dynamic) >= needed ? 1 : 0)
    }

    /// The mean of the motions; nil for none.
    package static func mean(_ motions: [Motion]) -> Motion? {
        guard !motions.isEmpty else { return nil }
        let count = Double(motions.count)
        return Motion(
            flow: motions.reduce(0) { $0 + $1.flow } / count,
            dynamicDegree: motions.reduce(0) { $0 + $1.dynamicDegree } / count)
    }
}
