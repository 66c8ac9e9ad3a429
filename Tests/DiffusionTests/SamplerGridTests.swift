import Diffusion
import Foundation
import Testing

/// Which step rule walks which grid is said in one place, and everybody who builds a generator meets it there.
@Suite struct SamplerGridTests {
    private static let grids: [(name: String, grid: SigmaGrid)] = [
        ("fixed", .fixed(sigmas: [1, 0.5], shift: nil)), ("nearest", .nearest(timesteps: [1000, 500], shift: 3)),
        ("shifted", .shifted(steps: 4, shift: 3)), ("default", .flowMatchDefault(steps: 4, shift: 3)),
        ("unipc", .uniPCFlow(steps: 4, shift: 3)), ("dpm", .dpmFlow(steps: 4, shift: 3)),
        ("trigonometric", .trigonometric(TrigonometricFlow.Times())),
        ("discrete", .discrete(DiscreteGrid(.trailing, steps: 4))),
    ]

    /// The grids that each rule walks, written down by what the rules need: a multistep rule its own nodes, ancestral, ddim and
    /// tcd the signal's share at a time, trigonometric times fresh noise.
    private static let walked: [SamplerKind: Set<String>] = [
        .euler: ["fixed", "nearest", "shifted", "default", "discrete"],
        .renoise: ["fixed", "nearest", "shifted", "default", "trigonometric", "discrete"],
        .uniPC: ["unipc"], .dpm: ["dpm"], .ancestral: ["discrete"], .ddim: ["discrete"], .tcd: ["discrete"],
    ]

    @Test(arguments: SamplerKind.allCases) func aGeneratorIsWhatItsRuleWalks(sampler: SamplerKind) throws {
        let plan = try PhasePlan(expert: "transformer", guidanceScale: 1)
        for (name, grid) in Self.grids {
            let walks = Self.walked[sampler]?.contains(name) == true
            #expect((sampler.refusal(of: grid) == nil) == walks, "\(sampler) \(name)")
            let spec = try? GeneratorSpec(name: "a", sampler: sampler, grid: grid, plan: plan)
            #expect((spec != nil) == walks, "\(sampler) \(name)")
            if walks { #expect(try spec?.schedule(steps: nil, tokens: 64).count ?? 0 > 0) }
        }
    }

    /// Steps and a shift in phases.json become the rule's own grid, or are refused by name.
    @Test(arguments: SamplerKind.allCases) func stepsAndAShift(sampler: SamplerKind) throws {
        let text = """
            {"default": "a", "generators": {"a": {"sampler": "\(sampler.rawValue)", "steps": 6, "shift": 3,
              "phases": [{"name": "all", "sigma": [0, 1], "expert": "transformer"}]}}}
            """
        let grid = sampler.grid(steps: 6, shift: 3)
        if sampler.refusal(of: grid) == nil {
            #expect(try GeneratorSet(phases: Data(text.utf8)).generator(nil).grid == grid)
        } else {
            let error = #expect(throws: DiffusionError.self) { try GeneratorSet(phases: Data(text.utf8)) }
            #expect("\(try #require(error))".contains(sampler.rawValue))
        }
    }
}
