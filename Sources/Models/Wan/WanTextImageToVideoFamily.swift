import Diffusion
import Tensor

/// Wan2.2-TI2V-5B: one network for text to video and picture to video. The first latent frame may be given, and the tokens of
/// given frames have time 0.
struct WanTextImageToVideoFamily: WanNetworkFamily {
    let name = "wan22-ti2v"
    let kind = "text-and-image-to-video (TI2V)"
    let hasTwoExperts = false
    let traits = FamilyTraits(
        guidance: .classifierFree, guidesWithoutNegativePrompt: true,
        defaults: SizeLimits.Defaults(width: 1280, height: 704, frames: 121, fps: 24),
        pictures: PictureInputs(first: .optional), tiny: .clips("taew2_2"))

    /// FastVideo's own name for the pipeline of its student; what else the folder has is as in diffusers.
    private static let fastVideo = "WanDMDPipeline"

    let pipelineClasses = ["WanPipeline", "WanImageToVideoPipeline", fastVideo]

    func runs(_ index: ModelIndex) -> Bool {
        pipelineClasses.contains(index.pipelineClass) && index.expandsTimesteps
    }

    func refusal(ofPipelineClass name: String) -> String? { nil }

    func recognises(inputs: Int, outputs: Int) -> Bool { inputs == 48 && outputs == 48 }

    func addedChannels(latent: Int) -> Int { 0 }

    func pictureEncoder(_ autoencoder: any Autoencoder) -> (any PictureEncoder)? {
        WanFirstFrame(autoencoder: autoencoder)
    }

    func generators(experts: Int) throws -> [GeneratorSpec] {
        try Self.students() + [
            GeneratorSpec(
                name: "teacher", sampler: .uniPC, grid: .uniPCFlow(steps: 50, shift: 5),
                plan: PhasePlan(expert: "transformer", guidanceScale: 5))
        ]
    }

    /// FastVideo's class says that it is a student, whatever the scheduler's file, which is the teacher's.
    func published(_ index: ModelIndex, experts: Int) -> PublishedSampling {
        index.pipelineClass == Self.fastVideo ? PublishedSampling(guidanceScales: [1]) : PublishedSampling()
    }

    /// Nothing else in a folder tells the students from their teacher.
    func generators(publishedAs spec: GeneratorSpec) throws -> [GeneratorSpec] {
        let students = try Self.students()
        return spec.plan.phases.allSatisfy { $0.guidanceScale <= 1 } ? students.reversed() : [spec] + students
    }

    /// Both add fresh noise after each estimate of the clean clip, and need no guidance: Wan2.2-TI2V-5B-Turbo (quanhaol) from
    /// text and pictures, FastWan2.2-TI2V-5B (FastVideo) from text. The times are those of their published inference.
    private static func students() throws -> [GeneratorSpec] {
        try [("turbo", [1000, 750, 500, 250]), ("fastwan", [1000, 757, 522])].map { name, timesteps in
            try GeneratorSpec(
                name: name, sampler: .renoise, grid: .nearest(timesteps: timesteps, shift: 8),
                plan: PhasePlan(expert: "transformer", guidanceScale: 1))
        }
    }
}
