import Diffusion
import Tensor

/// Wan2.2-I2V-A14B: clips from a first picture, and maybe to a last one. The network reads the encoded frames and a mask in
/// channels of their own.
struct WanImageToVideoFamily: WanNetworkFamily {
    let name = "wan22-i2v"
    let kind = "image-to-video (I2V)"
    let hasTwoExperts = true
    let traits = FamilyTraits(
        guidance: .classifierFree, guidesWithoutNegativePrompt: true,
        defaults: SizeLimits.Defaults(width: 832, height: 480, frames: 81, fps: 16),
        pictures: PictureInputs(first: .required, last: .optional), tiny: .clips("taew2_1"))

    let pipelineClasses = ["WanImageToVideoPipeline"]

    /// Wan2.1's pipelines of the class have an image encoder.
    func runs(_ index: ModelIndex) -> Bool {
        pipelineClasses.contains(index.pipelineClass) && !index.expandsTimesteps
            && index.components["image_encoder"] == nil
    }

    func refusal(ofPipelineClass name: String) -> String? { nil }

    func recognises(inputs: Int, outputs: Int) -> Bool { inputs == 36 && outputs == 16 }

    func addedChannels(latent: Int) -> Int { latent + WanPictures.maskChannels }

    func pictureEncoder(_ autoencoder: any Autoencoder) -> (any PictureEncoder)? {
        (autoencoder as? WanVAE).map(WanPictures.init)
    }

    /// Lightning's and the distilled experts' four steps; UniPC with the published shift and guidance. The experts meet at 0.9.
    func generators(experts: Int) throws -> [GeneratorSpec] {
        let boundary = experts > 1 ? 0.9 : nil
        let teacher =
            if let boundary {
                try PhasePlan(boundary: boundary, guidanceScales: (3.5, 3.5))
            } else {
                try PhasePlan(expert: "transformer", guidanceScale: 3.5)
            }
        return [
            try .distilled(steps: 4, shift: 5, boundary: boundary),
            try GeneratorSpec(name: "teacher", sampler: .uniPC, grid: .uniPCFlow(steps: 40, shift: 5), plan: teacher),
        ]
    }
}
