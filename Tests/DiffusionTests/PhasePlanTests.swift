import Diffusion
import Testing

@Suite struct PhasePlanTests {
    private func phase(_ name: String, _ lower: Double, _ upper: Double, expert: String = "transformer") -> Phase {
        Phase(name: name, lower: lower, upper: upper, expert: expert, guidanceScale: 1)
    }

    private func complaint(_ phases: [Phase]) -> String {
        do {
            _ = try PhasePlan(phases)
            return ""
        } catch {
            return "\(error)"
        }
    }

    /// The experts that diffusers' pipeline chose, integer timestep on the boundary included.
    @Test(arguments: ["e2e_teacher_unipc", "e2e_euler4_distilled", "e2e_euler4_default"])
    func routesAsDiffusersDoes(name: String) throws {
        let golden = try GoldenTensors(name)
        let plan = try PhasePlan(boundary: 0.875, guidanceScales: (1, 1))
        let schedule =
            switch name {
            case "e2e_teacher_unipc": try SigmaSchedule.uniPCFlow(steps: 10, shift: 3)
            case "e2e_euler4_distilled": try SigmaSchedule.shifted(steps: 4, shift: 5)
            default: try SigmaSchedule.flowMatchDefault(steps: 4, shift: 5)
            }
        #expect(try excess(schedule.timesteps, over: golden.values("out.timesteps"), atol: 0, rtol: 2.5e-7) <= 0)
        let experts = schedule.timesteps.map { Float(plan.phaseIndex(timestep: $0) + 1) }
        #expect(try experts == golden.values("out.expert"))
        #expect(Set(experts) == [1, 2])
    }

    @Test func boundariesBelongToTheUpperPhase() throws {
        let plan = try PhasePlan([phase("low", 0, 0.5), phase("top", 0.9, 1), phase("middle", 0.5, 0.9)])
        #expect(plan.phases.map(\.name) == ["top", "middle", "low"])
        #expect(plan.phase(owning: 1).name == "top")
        #expect(plan.phase(owning: 0.9).name == "top")
        #expect(plan.phase(owning: 0.899_99).name == "middle")
        #expect(plan.phase(owning: 0.5).name == "middle")
        #expect(plan.phase(owning: 0.499_999).name == "low")
        #expect(plan.phase(owning: 1e-9).name == "low")
        #expect(plan.phaseIndex(timestep: 875) == 1)
        #expect(plan.phaseIndex(timestep: 0) == 2)
        #expect(plan.phaseIndex(timestep: .nan) == 2)
    }

    /// float32(sigma) * 1000 may round to below the decimal boundary; that must not change the owner.
    @Test func roundingDoesNotMoveABoundary() throws {
        for thousandth in 1...999 {
            let boundary = Double(thousandth) / 1000
            let plan = try PhasePlan(boundary: boundary, guidanceScales: (1, 1))
            #expect(plan.phaseIndex(timestep: Float(boundary) * 1000) == 0, "\(boundary)")
            #expect(plan.phaseIndex(timestep: Float(boundary * 1000)) == 0, "\(boundary)")
            #expect(plan.phaseIndex(timestep: Float((boundary - 1e-5) * 1000)) == 1, "\(boundary)")
        }
        for steps in 1...50 {
            // Boundaries taken from a grid, written with float64 digits.
            for u in 1...steps {
                let boundary = 5 * (Double(u) / Double(steps)) / (1 + 4 * (Double(u) / Double(steps)))
                guard boundary < 1 else { continue }
                let plan = try PhasePlan(boundary: boundary, guidanceScales: (1, 1))
                let schedule = try SigmaSchedule.shifted(steps: steps, shift: 5)
                #expect(plan.phaseIndex(timestep: schedule.timesteps[steps - u]) == 0, "\(steps) \(u)")
            }
        }
    }

    @Test func gapsAndOverlapsAreNamed() {
        #expect(complaint([phase("a", 0.5, 1), phase("b", 0, 0.4)]).contains("no phase owns sigma in [0.4, 0.5)"))
        #expect(complaint([phase("a", 0.5, 0.9), phase("b", 0, 0.5)]).contains("no phase owns sigma in [0.9, 1.0)"))
        #expect(complaint([phase("a", 0.5, 1), phase("b", 0.1, 0.5)]).contains("no phase owns sigma in (0, 0.1)"))
        #expect(complaint([]).contains("no phase owns sigma in (0, 1.0)"))
        let overlap = complaint([phase("b", 0, 0.6), phase("a", 0.5, 1)])
        #expect(overlap.contains("[0.5, 0.6)") && overlap.contains("'a'") && overlap.contains("'b'"))
        #expect(complaint([phase("a", 0, 1), phase("b", 0, 1)]).contains("[0.0, 1.0) is owned twice"))
        #expect(complaint([phase("a", 0, 1), phase("b", 0.2, 0.3)]).contains("[0.2, 0.3) is owned twice"))
    }

    @Test func senselessPhasesAreRefused() {
        for (lower, upper) in [(0.5, 0.5), (0.9, 0.1), (-0.1, 1), (0, 1.1), (.nan, 1), (0, .nan)] {
            #expect(complaint([phase("a", lower, upper)]).contains("'a'"))
        }
        for expert in ["", ".", "..", "../other", "a/b", "/etc"] {
            #expect(complaint([phase("a", 0, 1, expert: expert)]).contains("no folder of the model"))
        }
        for scale: Float in [-1, .nan, .infinity] {
            #expect(throws: DiffusionError.self) { try PhasePlan(expert: "transformer", guidanceScale: scale) }
        }
    }

    @Test func expertsAreListedOnce() throws {
        let plan = try PhasePlan([
            phase("a", 0.8, 1, expert: "x"), phase("b", 0.5, 0.8, expert: "y"), phase("c", 0, 0.5, expert: "x"),
        ])
        #expect(plan.experts == ["x", "y"])
    }
}
