/// A subinterval of sigma (equivalently of SNR) and the expert that owns it.
package struct Phase: Sendable, Equatable, Codable {
    package let name: String
    /// Owned sigmas: `lower <= sigma < upper`; the phase whose upper end is 1 owns 1 as well. This is diffusers' rule
    /// (high-noise expert while t >= boundary * 1000). The papers write intervals closed at the *upper* end; a phase
    /// that starts exactly at a sigma of the grid must therefore put its boundary above that sigma.
    package let lower: Double
    package let upper: Double
    /// The folder of the model that holds the weights, such as `transformer_2`, or an `AdaptedExpert`.
    package let expert: String
    /// The guidance scale unless the request gives one. At most 1: no guidance, one evaluation a step.
    package let guidanceScale: Float

    package init(name: String, lower: Double, upper: Double, expert: String, guidanceScale: Float) {
        self.name = name
        self.lower = lower
        self.upper = upper
        self.expert = expert
        self.guidanceScale = guidanceScale
    }
}

/// Which expert computes at which noise level. Valid by construction: every sigma in (0, 1] has one owner.
package struct PhasePlan: Sendable, Equatable {
    /// The phases from high noise to low noise.
    package let phases: [Phase]

    /// - Throws: `DiffusionError.phases`, which names the sigmas that are owned by nobody or twice.
    package init(_ phases: [Phase]) throws {
        for phase in phases {
            guard phase.lower >= 0, phase.upper <= 1, phase.lower < phase.upper else {
                throw DiffusionError.phases(
                    "'\(phase.name)' spans sigma [\(phase.lower), \(phase.upper)), which is no interval of [0, 1]")
            }
            guard Self.isFolderName(phase.expert) else {
                throw DiffusionError.phases(
                    "'\(phase.name)' names the expert '\(phase.expert)', which is no folder of the model")
            }
            guard phase.guidanceScale.isFinite, phase.guidanceScale >= 0 else {
                throw DiffusionError.phases(
                    "'\(phase.name)' has guidance scale \(phase.guidanceScale); it must be a number from 0 on")
            }
        }
        let descending = phases.sorted { ($0.upper, $0.lower) > ($1.upper, $1.lower) }
        var covered = 1.0
        var previous = "above 1"
        for phase in descending {
            guard phase.upper >= covered else {
                throw DiffusionError.phases("no phase owns sigma in [\(phase.upper), \(covered))")
            }
            guard phase.upper <= covered else {
                throw DiffusionError.phases(
                    "sigma in [\(max(phase.lower, covered)), \(phase.upper)) is owned twice: "
                        + "by '\(previous)' and by '\(phase.name)'")
            }
            covered = phase.lower
            previous = phase.name
        }
        guard covered == 0 else {
            throw DiffusionError.phases("no phase owns sigma in (0, \(covered))")
        }
        self.phases = descending
    }

    /// One expert for everything.
    package init(expert: String, guidanceScale: Float) throws {
        try self.init([Phase(name: "whole", lower: 0, upper: 1, expert: expert, guidanceScale: guidanceScale)])
    }

    /// Two experts that meet at a sigma, as `boundary_ratio` of a Wan2.2 model says.
    package init(
        boundary: Double, experts: (high: String, low: String) = ("transformer", "transformer_2"),
        guidanceScales: (high: Float, low: Float)
    ) throws {
        try self.init([
            Phase(
                name: "high noise", lower: boundary, upper: 1, expert: experts.high,
                guidanceScale: guidanceScales.high),
            Phase(
                name: "low noise", lower: 0, upper: boundary, expert: experts.low,
                guidanceScale: guidanceScales.low),
        ])
    }

    /// The index of the phase that owns a timestep (0...1000), as diffusers routes: `t >= boundary * 1000`.
    ///
    /// The timestep is what the network is given, so with UniPC it is an integer: sigma 0.87516 has t = 875 and still
    /// belongs to the phase that starts at 0.875. Otherwise it is a float32 product that may fall short of a boundary
    /// written in decimal (0.8333333 * 1000) by two roundings, 2^-23 relative; so much is allowed for twice over.
    package func phaseIndex(timestep: Float) -> Int {
        let timestep = Double(timestep) * (1 + 0x1p-22)
        return phases.firstIndex { timestep >= $0.lower * 1000 } ?? phases.count - 1
    }

    /// The phase that owns a sigma whose timestep is 1000 sigma.
    package func phase(owning sigma: Float) -> Phase {
        phases[phaseIndex(timestep: sigma * SigmaSchedule.trainTimesteps)]
    }

    /// The experts in the order in which a generation meets them, each once.
    package var experts: [String] {
        phases.reduce(into: []) { experts, phase in
            if !experts.contains(phase.expert) { experts.append(phase.expert) }
        }
    }

    /// A path could leave the model's folder; a folder name cannot.
    static func isFolderName(_ name: String) -> Bool {
        !name.isEmpty && !name.hasPrefix(".") && !name.contains("/") && !name.contains("\0")
    }
}

extension PhasePlan: Codable {
    package init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode([Phase].self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(phases)
    }
}
