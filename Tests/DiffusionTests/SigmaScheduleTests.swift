import Diffusion
import Foundation
import Testing

@Suite struct SigmaScheduleTests {
    static let qwen = DynamicShift(
        baseShift: 0.5, maximumShift: 0.9, baseTokens: 256, maximumTokens: 8192, terminal: 0.02)
    static let lightning = DynamicShift(
        baseShift: log(3), maximumShift: log(3), baseTokens: 256, maximumTokens: 8192, terminal: nil)

    /// Compares with the manifest's tolerance and, as the rounding was chosen for it, closer than that.
    private func compare(_ schedule: SigmaSchedule, _ golden: GoldenTensors, _ name: String) throws {
        #expect(try excess(schedule.sigmas, over: golden.values("out.\(name).sigmas"), atol: 0, rtol: 2.5e-7) <= 0)
        #expect(
            try excess(schedule.timesteps, over: golden.values("out.\(name).timesteps"), atol: 0, rtol: 2.5e-7) <= 0)
    }

    @Test(arguments: [3.0, 5, 8, 12], [4, 8, 20, 40, 50])
    func agreesWithStaticEulerOfDiffusers(shift: Double, steps: Int) throws {
        let golden = try GoldenTensors("scheduler_euler_static")
        let suffix = "shift\(Int(shift)).n\(steps)"
        try compare(.flowMatchDefault(steps: steps, shift: shift), golden, "default.\(suffix)")
        try compare(.shifted(steps: steps, shift: shift), golden, "linspace.\(suffix)")
    }

    @Test(arguments: [24, 256, 1024, 4096, 6032, 8192], [4, 8, 20, 40, 50])
    func agreesWithDynamicEulerOfDiffusers(tokens: Int, steps: Int) throws {
        let golden = try GoldenTensors("scheduler_euler_dynamic")
        for (name, shift) in [("qwen", Self.qwen), ("lightning", Self.lightning)] {
            let mu = try golden.values("out.\(name).seq\(tokens).mu")
            #expect(excess([Float(shift.mu(tokens: tokens))], over: mu, atol: 0, rtol: 1e-7) <= 0)
            try compare(
                .dynamic(steps: steps, tokens: tokens, shift: shift), golden, "\(name).seq\(tokens).n\(steps)")
        }
    }

    @Test(arguments: [3.0, 5, 8, 12], [4, 8, 20, 40, 50])
    func agreesWithUniPCOfDiffusers(shift: Double, steps: Int) throws {
        let golden = try GoldenTensors("scheduler_unipc_flow")
        let schedule = try SigmaSchedule.uniPCFlow(steps: steps, shift: shift)
        try compare(schedule, golden, "shift\(Int(shift)).n\(steps)")
        #expect(try schedule.timesteps == golden.values("out.shift\(Int(shift)).n\(steps).timesteps"))
    }

    @Test func distilledGridIsShiftedOnce() throws {
        let wan = try SigmaSchedule.shifted(steps: 4, shift: 5)
        #expect(excess(wan.sigmas, over: [1, 0.9375, 0.8333333, 0.625, 0], atol: 0, rtol: 1e-6) <= 0)
        let qwen = try SigmaSchedule.shifted(steps: 4, shift: 3)
        #expect(excess(qwen.sigmas, over: [1, 0.9, 0.75, 0.5, 0], atol: 0, rtol: 1e-6) <= 0)
        #expect(wan[1].timestep == 937.5)
        #expect(wan[3].nextSigma == 0)
    }

    @Test(arguments: [0.3, 1.0, 1.15, 2.7, 6.1, 17.3], [1, 2, 3, 7, 1000])
    func everyRuleGivesAValidSchedule(shift: Double, steps: Int) throws {
        let schedules = try [
            SigmaSchedule.shifted(steps: steps, shift: shift),
            .flowMatchDefault(steps: steps, shift: shift),
            .uniPCFlow(steps: steps, shift: shift),
            .dynamic(steps: steps, tokens: 4096, shift: Self.qwen),
        ]
        for schedule in schedules {
            #expect(schedule.count == steps)
            #expect(abs(schedule.sigmas[0] - 1) <= 2e-6)
            #expect(schedule.sigmas.last == 0)
        }
    }

    @Test func refusesSigmasThatCannotBeIntegrated() {
        for sigmas: [Float] in [
            [], [1.5, 0.5], [1, 1], [0.5, 0.75], [1, 0], [1, -0.5], [.nan], [1, .nan, 0.5], [.infinity, 1],
        ] {
            #expect(throws: DiffusionError.self, "\(sigmas)") { try SigmaSchedule(explicit: sigmas) }
        }
        #expect(throws: DiffusionError.self) { try SigmaSchedule(sigmas: [1, 0.5], timesteps: [1000]) }
        #expect(throws: DiffusionError.self) { try SigmaSchedule(sigmas: [1, 0], timesteps: [1000, 500]) }
        #expect(throws: DiffusionError.self) { try SigmaSchedule(sigmas: [1, 0], timesteps: [-1]) }
    }

    @Test(arguments: [0, -3, 1001, Int.max]) func refusesStepsOutOfRange(steps: Int) {
        #expect { try SigmaSchedule.shifted(steps: steps, shift: 5) } throws: { error in
            if case .steps(let reason)? = error as? DiffusionError {
                reason.contains("num_inference_steps")
            } else {
                false
            }
        }
        #expect(throws: DiffusionError.self) { try SigmaSchedule.uniPCFlow(steps: steps, shift: 5) }
    }

    @Test func signalToNoiseRatio() {
        #expect(SNR.ratio(sigma: 0.5) == 1)
        #expect(SNR.ratio(sigma: 1) == 0)
        #expect(SNR.ratio(sigma: 0) == .infinity)
        #expect(abs(SNR.ratio(sigma: 0.2) - 16) < 1e-12)
        #expect(abs(SNR.log(sigma: 0.2) - log(16)) < 1e-12)
        for sigma in [0.01, 0.3, 0.875, 1] { #expect(abs(SNR.sigma(ratio: SNR.ratio(sigma: sigma)) - sigma) < 1e-12) }
        let phase = Phase(name: "low", lower: 0, upper: 0.8, expert: "e", guidanceScale: 1)
        #expect(abs(phase.snr.lowerBound - 0.0625) < 1e-12)
        #expect(phase.snr.upperBound == .infinity)
    }
}
