import Diffusion
import Foundation
import Models
import Testing

/// What folders of diffusers are sampled by where neither of their files says it: the defaults of each pipeline's `__call__` in
/// diffusers 0.35, and what the model cards say of those that were not published with their own.
@Suite struct PublishedSamplingTests {
    struct Case: Sendable {
        let index: String
        let scheduler: String
        let steps: Int
        let guidance: [Float]
        var name = "default"
    }

    private static let unipc = """
        {"_class_name": "UniPCMultistepScheduler", "flow_shift": 3.0, "use_flow_sigmas": true, "solver_order": 2,
         "prediction_type": "flow_prediction"}
        """
    private static let euler = #"{"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}"#
    private static let dynamic = """
        {"_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": true, "max_image_seq_len": 8192,
         "max_shift": 0.9, "shift_terminal": 0.02}
        """
    private static let leading = """
        {"_class_name": "EulerDiscreteScheduler", "beta_start": 0.00085, "beta_end": 0.012,
         "beta_schedule": "scaled_linear", "timestep_spacing": "leading",
         "steps_offset": 1}
        """
    private static let sana = """
        {"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "dpmsolver++", "flow_shift": 3.0,
         "prediction_type": "flow_prediction", "solver_order": 2, "solver_type": "midpoint", "use_flow_sigmas": true}
        """
    private static let two = #""boundary_ratio": 0.9, "transformer_2": ["diffusers", "WanTransformer3DModel"]"#

    static let cases = [
        Case(index: #""WanPipeline", \#(two)"#, scheduler: unipc, steps: 40, guidance: [4, 3]),
        Case(index: #""WanPipeline""#, scheduler: unipc, steps: 50, guidance: [5]),
        Case(index: #""WanImageToVideoPipeline", \#(two)"#, scheduler: unipc, steps: 40, guidance: [3.5, 3.5]),
        Case(index: #""WanPipeline", "expand_timesteps": true"#, scheduler: unipc, steps: 50, guidance: [5]),
        // FastWan2.2-TI2V-5B-FullAttn-Diffusers: the scheduler's file is the teacher's.
        Case(
            index: #""WanDMDPipeline", "expand_timesteps": true"#, scheduler: unipc, steps: 3, guidance: [1],
            name: "fastwan"),
        Case(index: #""QwenImagePipeline""#, scheduler: dynamic, steps: 50, guidance: [4]),
        Case(index: #""QwenImageEditPlusPipeline""#, scheduler: dynamic, steps: 40, guidance: [4]),
        Case(index: #""Flux2KleinPipeline""#, scheduler: dynamic, steps: 50, guidance: [4], name: "teacher"),
        Case(
            index: #""Flux2KleinPipeline", "is_distilled": true"#, scheduler: dynamic, steps: 4, guidance: [1],
            name: "student"),
        Case(index: #""ZImagePipeline""#, scheduler: euler, steps: 8, guidance: [0], name: "student"),
        Case(
            index: #""StableDiffusionXLPipeline""#, scheduler: leading, steps: 30, guidance: [5], name: "teacher"),
        Case(index: #""SanaPipeline""#, scheduler: sana, steps: 20, guidance: [4.5], name: "teacher"),
    ]

    @Test(arguments: cases) func aFolderIsSampledAsItsPipelineDoes(_ test: Case) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: folder) }
        let schedulers = folder.appending(path: "scheduler")
        try FileManager.default.createDirectory(at: schedulers, withIntermediateDirectories: true)
        try Data("{\"_class_name\": \(test.index)}".utf8).write(to: folder.appending(path: "model_index.json"))
        try Data(test.scheduler.utf8).write(to: schedulers.appending(path: "scheduler_config.json"))
        let index = try ModelIndex(folder: folder.path)
        let family = try Families.family(of: index, folder: folder.path)
        let described = try GeneratorSet(folder: folder) { family.published(index, experts: $0) }.generator(nil)
        let spec = try #require(try family.generators(publishedAs: described).first)
        #expect(spec.name == test.name)
        #expect(spec.grid.defaultSteps == test.steps)
        #expect(spec.plan.phases.map(\.guidanceScale) == test.guidance)
        #expect(spec.grid.isDiscrete == family.traits.isDiscrete)
    }

    /// QwenImagePipeline hands its scheduler a linear grid; WanPipeline takes the scheduler's own.
    @Test func gridsOfAStaticShift() throws {
        let (qwen, wan) = (Families.family(named: "qwen-image"), Families.family(named: "wan22"))
        let index = try ModelIndex(folder: Self.fixture("wan22-tiny"))
        #expect(qwen?.published(index, experts: 1).isGridLinear == true)
        #expect(wan?.published(index, experts: 1).isGridLinear == false)
    }

    private static func fixture(_ name: String) -> String {
        URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Fixtures/\(name)").standardized.path
    }
}
