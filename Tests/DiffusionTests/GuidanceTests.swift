import Diffusion
import Tensor
import Testing

@Suite struct GuidanceTests {
    private func plan() throws -> PhasePlan { try PhasePlan(boundary: 0.875, guidanceScales: (4, 3)) }

    // Three tokens of four channels, and what torch makes of them with scale 4.
    private let cond = Tensor([3.1, -0.6, -4.4, 1.1, -2.2, -2.8, 0.8, 1.7, -1.4, -0.8, -1.2, 0.4], shape: [3, 4])
    private let uncond = Tensor([-1.7, 2.2, -2.1, 0.2, -1.1, 0.7, -1.8, -3, 0.7, 2.9, 1.9, 1.5], shape: [3, 4])

    private func transposed(_ x: Tensor) -> Tensor {
        let (rows, columns) = (x.shape[0], x.shape[1])
        let values = x.array
        return Tensor(
            (0..<columns * rows).map { values[$0 % rows * columns + $0 / rows] }, shape: [columns, rows])
    }

    @Test func classifierFree() throws {
        let guidance = try Guidance(rule: .classifierFree, plan: plan())
        let combined = guidance.combine(cond: cond, uncond: uncond, phase: 0)
        let reference: [Float] = [17.5, -9, -11.3, 3.8, -5.5, -13.3, 8.6, 15.8, -7.7, -11.9, -10.5, -2.9]
        #expect(excess(combined.array, over: reference, atol: 1e-6, rtol: 1e-6) <= 0)
        #expect(combined.shape == [3, 4])
    }

    @Test func normPreserving() throws {
        let guidance = try Guidance(rule: .normPreserving, plan: plan())
        // The channels of a token lie along the first axis of a latent.
        let combined = transposed(
            guidance.combine(cond: transposed(cond), uncond: transposed(uncond), phase: 0))
        let reference: [Float] = [
            4.2032847, -2.1616895, -2.7141213, 0.91271335, -0.961199, -2.324354, 1.5029656, 2.7612624,
            -0.8827529, -1.3642545, -1.2037539, -0.3324654,
        ]
        #expect(excess(combined.array, over: reference, atol: 1e-6, rtol: 1e-6) <= 0)
    }

    @Test func normPreservingKeepsAVanishedTokenFinite() throws {
        let guidance = try Guidance(rule: .normPreserving, plan: plan(), guidanceScale: 2)
        let combined = guidance.combine(
            cond: Tensor([1, 2], shape: [2, 1]), uncond: Tensor([2, 4], shape: [2, 1]), phase: 0)
        #expect(combined.array == [0, 0])
    }

    /// Z-Image's rule, with and without its limit on the norm; the reference is numpy's.
    @Test func fromTheCondition() throws {
        let guidance = try Guidance(rule: .fromCondition, plan: plan())
        let reference: [Float] = [22.3, -11.8, -13.6, 4.7, -6.6, -16.8, 11.2, 20.5, -9.8, -15.6, -13.6, -4]
        let combined = guidance.combine(cond: cond, uncond: uncond, phase: 0)
        #expect(excess(combined.array, over: reference, atol: 1e-5, rtol: 1e-6) <= 0)

        let limited = try Guidance(rule: .init(.fromCondition, normLimit: 0.7), plan: plan())
        let scaledDown: [Float] = [
            2.3461746, -1.2414735, -1.4308509, 0.4944852, -0.6943835, -1.7675216, 1.1783478, 2.1567972, -1.0310543,
            -1.6412701, -1.4308509, -0.4208385,
        ]
        #expect(
            excess(
                limited.combine(cond: cond, uncond: uncond, phase: 0).array, over: scaledDown, atol: 1e-6, rtol: 1e-6)
                <= 0)
        // What is within the limit stays as it is.
        let wide = try Guidance(rule: .init(.fromCondition, normLimit: 7), plan: plan())
        #expect(wide.combine(cond: cond, uncond: uncond, phase: 0).array == combined.array)
    }

    /// Each rule has a scale of its own that means none, and may end early.
    @Test func whereGuidanceIsOn() throws {
        func isOn(_ rule: Guidance.Rule, _ scale: Float, sigma: Float = 0.9) throws -> Bool {
            try Guidance(rule: rule, plan: plan(), guidanceScale: scale).isOn(inPhase: 0, sigma: sigma)
        }
        #expect(try !isOn(.classifierFree, 1) && isOn(.classifierFree, 1.1))
        #expect(try !isOn(.fromCondition, 0) && isOn(.fromCondition, 0.1))
        // The network is told the scale: there is nothing to combine.
        #expect(try !isOn(.embedded, 4.5) && !isOn(.embedded, 1000))
        let embedded = try Guidance(rule: .embedded, plan: plan(), guidanceScale: 4.5)
        #expect(embedded.unguided.scales == [4.5, 4.5])
        let early = Guidance.Rule(.fromCondition, truncation: 0.25)
        #expect(try isOn(early, 4, sigma: 0.75) && !isOn(early, 4, sigma: 0.74))
        for rule in [Guidance.Rule.classifierFree, .normPreserving, .fromCondition, early] {
            let off = try Guidance(rule: rule, plan: plan(), guidanceScale: 4).unguided
            #expect(!off.isOn(inPhase: 0, sigma: 1) && !off.isOn(inPhase: 1, sigma: 0.1))
        }
    }

    @Test func scalesOfPlanAndRequest() throws {
        func scales(_ first: Float?, _ second: Float?) throws -> [Float] {
            try Guidance(rule: .classifierFree, plan: plan(), guidanceScale: first, guidanceScale2: second).scales
        }
        #expect(try scales(nil, nil) == [4, 3])
        #expect(try scales(5, nil) == [5, 5])
        #expect(try scales(5, 2) == [5, 2])
        #expect(try scales(nil, 2) == [4, 2])
        let guidance = try Guidance(rule: .classifierFree, plan: plan(), guidanceScale: 1, guidanceScale2: 2)
        #expect(!guidance.isOn(inPhase: 0, sigma: 1))
        #expect(guidance.isOn(inPhase: 1, sigma: 0.5))
        #expect(throws: DiffusionError.self) { try scales(-1, nil) }
        #expect(throws: DiffusionError.self) { try scales(.nan, nil) }
        #expect(throws: DiffusionError.self) { try scales(nil, .infinity) }
    }
}
