import Diffusion
import Foundation
import PromptText
import Tensor
import Weights

/// SANA-Sprint: one to four steps, each of which ends in fresh noise, with the scale of guidance as an input.
struct SanaSprintFamily: SanaNetworkFamily {
    let name = "sana-sprint"
    let traits = FamilyTraits(
        guidance: .embedded, guidesWithoutNegativePrompt: true,
        defaults: SizeLimits.Defaults(width: 1024, height: 1024, frames: 1, fps: 16))
    let pipelineClasses = ["SanaSprintPipeline"]
    let embedsGuidance = true

    func refusal(ofPipelineClass name: String) -> String? {
        name.hasPrefix("Sana")
            ? "of SANA's pipelines those from text to pictures run, SanaSprintPipeline (the student) and SanaPipeline (SANA 1.0 "
                + "and 1.5, the teachers): no video, no ControlNet; a picture is changed by strength without a pipeline of "
                + "its own" : nil
    }

    func generators(experts: Int) throws -> [GeneratorSpec] { [try student(TrigonometricFlow.Times())] }

    func generators(publishedAs spec: GeneratorSpec) throws -> [GeneratorSpec] {
        guard case .trigonometric(let times) = spec.grid else {
            throw DiffusionError.schedule("SANA-Sprint is sampled by SCMScheduler, and the folder's is another one")
        }
        return [try student(times)]
    }

    private func student(_ times: TrigonometricFlow.Times) throws -> GeneratorSpec {
        try GeneratorSpec(
            name: "student", sampler: .renoise, grid: .trigonometric(times),
            plan: PhasePlan(expert: "transformer", guidanceScale: 4.5))
    }

    func checks(folder: String, compute: Compute) -> any FamilyChecks { SanaChecks(folder: folder, compute: compute) }
}

/// SANA 1.0 and 1.5, from which SANA-Sprint was distilled: many steps, classifier-free guidance.
struct SanaFamily: SanaNetworkFamily {
    let name = "sana"
    let traits = FamilyTraits(
        guidance: .classifierFree, guidesWithoutNegativePrompt: true,
        negativeMark: SanaPromptEncoder.negativeMark,
        defaults: SizeLimits.Defaults(width: 1024, height: 1024, frames: 1, fps: 16))
    let pipelineClasses = ["SanaPipeline"]
    let embedsGuidance = false

    func refusal(ofPipelineClass name: String) -> String? { nil }

    private static let steps = 20

    func generators(experts: Int) throws -> [GeneratorSpec] { [try teacher(.dpmFlow(steps: Self.steps, shift: 3))] }

    func published(_ index: ModelIndex, experts: Int) -> PublishedSampling { PublishedSampling(steps: Self.steps) }

    func generators(publishedAs spec: GeneratorSpec) throws -> [GeneratorSpec] {
        guard case .dpmFlow = spec.grid else {
            throw DiffusionError.schedule(
                "SANA is sampled by DPMSolverMultistepScheduler, and the folder's is another one")
        }
        return [try teacher(spec.grid)]
    }

    private func teacher(_ grid: SigmaGrid) throws -> GeneratorSpec {
        try GeneratorSpec(
            name: "teacher", sampler: .dpm, grid: grid, plan: PhasePlan(expert: "transformer", guidanceScale: 4.5))
    }

    func checks(folder: String, compute: Compute) -> any FamilyChecks { SanaChecks(folder: folder, compute: compute) }
}
