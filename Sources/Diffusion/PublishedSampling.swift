/// What a pipeline of diffusers samples by that neither `model_index.json` nor the scheduler's file says. It is the family's to
/// know (`ModelFamily.published`).
package struct PublishedSampling: Sendable, Equatable {
    package var steps: Int
    /// One for each expert, the first for high noise.
    package var guidanceScales: [Float]
    /// Whether the pipeline hands its scheduler n values from 1 to 1/n; else the scheduler makes its own.
    package var isGridLinear: Bool
    /// Whether the network knows the 1000 times of Stable Diffusion; its schedulers' files then say steps and guidance.
    package var isDiscrete: Bool
    /// The folder of the only expert, where there is one.
    package var expert: String

    package init(
        steps: Int = 50, guidanceScales: [Float] = [5], isGridLinear: Bool = false, isDiscrete: Bool = false,
        expert: String = "transformer"
    ) {
        self.steps = steps
        self.guidanceScales = guidanceScales
        self.isGridLinear = isGridLinear
        self.isDiscrete = isDiscrete
        self.expert = expert
    }
}
