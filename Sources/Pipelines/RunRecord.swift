import Diffusion

/// What ran: the one source of what files, answers, sidecars and reports say about a generation.
package struct RunRecord: Sendable, Equatable, Codable {
    package struct Step: Sendable, Equatable, Codable {
        /// The number of the step, from 1.
        package var step: Int
        package var sigma: Float
        package var phase: String
        package var expert: String
        package var seconds: Double

        package init(step: Int, sigma: Float, phase: String, expert: String, seconds: Double) {
            self.step = step
            self.sigma = sigma
            self.phase = phase
            self.expert = expert
            self.seconds = seconds
        }
    }

    package let generator: String
    package let sampler: String
    /// Guidance scales as they were used, one for each phase, from high noise to low noise.
    package let guidanceScales: [Float]
    /// The sigmas of the steps, and the last one's target.
    package let sigmas: [Float]
    /// Steps of the whole schedule, of which a picture that is changed by strength takes the last; nil in records of versions
    /// that did not say it.
    package let scheduledSteps: Int?
    /// Network evaluations.
    package let nfe: Int
    /// What made frames of the latent; nil in records of versions that had one decoder.
    package let decoder: LatentDecoder?
    /// Digests of the parts that took part, by name.
    package let weights: [String: String]
    /// Encoding the pictures that were given.
    package var pictureSeconds: Double?
    package var textSeconds = 0.0
    /// Steps that were done in this process.
    package var steps: [Step] = []
    /// Decoding, and what the receiver of frames did meanwhile.
    package var decodeSeconds = 0.0

    /// Steps that ran.
    package var stepCount: Int { sigmas.count - 1 }
    /// Steps that were asked for, by the request or for it by the generator.
    package var requestedSteps: Int { scheduledSteps ?? stepCount }

    package init(of run: Run) {
        let generation = run.generation
        generator = run.generator
        sampler = generation.samplerKind.rawValue
        guidanceScales = generation.guidance.scales
        sigmas = generation.schedule.sigmas
        scheduledSteps = generation.schedule.passed + generation.schedule.count
        nfe = generation.evaluations
        decoder = run.decoder
        weights = run.pipeline.identities(of: generation.plan, decoder: run.decoder)
    }
}
