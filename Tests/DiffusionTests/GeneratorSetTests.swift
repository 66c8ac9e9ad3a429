import Diffusion
import Foundation
import Testing

@Suite struct GeneratorSetTests {
    private static let phases = """
        {"default": "student",
         "generators": {
          "student": {"sampler": "euler", "sigmas": [1.0, 0.9, 0.75, 0.5],
             "phases": [{"name": "high noise", "sigma": [0.8, 1.0], "expert": "transformer", "guidance_scale": 1.0},
                        {"name": "low noise", "sigma": [0.0, 0.8], "expert": "transformer_2", "guidance_scale": 1.0}]},
          "teacher": {"sampler": "euler", "steps": 30, "shift": 3.0,
             "phases": [{"name": "teacher", "sigma": [0.0, 1.0], "expert": "teacher", "guidance_scale": 3.0}]}}}
        """

    private func complaint(_ replace: String, with replacement: String) -> String {
        let text = Self.phases.replacingOccurrences(of: replace, with: replacement)
        #expect(text != Self.phases, "nothing to replace: \(replace)")
        return complaint { try GeneratorSet(phases: Data(text.utf8)) }
    }

    private func complaint<R>(_ body: () throws -> R) -> String {
        do {
            _ = try body()
            return ""
        } catch {
            return "\(error)"
        }
    }

    // MARK: - phases.json

    @Test func readsPhases() throws {
        let set = try GeneratorSet(phases: Data(Self.phases.utf8))
        #expect(set.generators.map(\.name) == ["student", "teacher"])
        let student = try set.generator(nil)
        #expect(student.name == "student" && student.sampler == .euler)
        #expect(student.plan.experts == ["transformer", "transformer_2"])
        let schedule = try student.schedule(steps: nil, tokens: 64)
        #expect(schedule.sigmas == [1, 0.9, 0.75, 0.5, 0])
        #expect(schedule.timesteps.map(student.plan.phaseIndex(timestep:)) == [0, 0, 1, 1])

        let teacher = try set.generator("teacher")
        #expect(teacher.plan.phases[0].guidanceScale == 3)
        #expect(try teacher.schedule(steps: nil, tokens: 64) == SigmaSchedule.shifted(steps: 30, shift: 3))
        #expect(try teacher.schedule(steps: 12, tokens: 64).count == 12)
    }

    /// Entries of `discrete`, the times that diffusers' schedulers have for them (SPEC-sdxl of the fixtures), and what the
    /// network's answer is taken for.
    static let discreteGrids: [(sampler: String, entry: String, times: [Float], prediction: Prediction)] = [
        (
            "renoise", #"{"times": [999, 749, 499, 249], "prediction": "consistency"}"#, [999, 749, 499, 249],
            .consistency
        ),
        ("renoise", #"{"times": [399], "prediction": "epsilon"}"#, [399], .own),
        ("euler", #"{"times": "trailing", "steps": 4}"#, [999, 749, 499, 249], .own),
        ("euler", #"{"times": "trailing", "steps": 1, "prediction": "sample"}"#, [999], .sample),
        ("ancestral", #"{"times": "trailing", "steps": 2}"#, [999, 499], .own),
        ("ddim", #"{"times": "trailing", "steps": 2}"#, [999, 499], .own),
        ("renoise", #"{"times": [800]}"#, [800], .own),
        ("tcd", #"{"times": "consistency", "steps": 4, "eta": 0.5}"#, [999, 759, 499, 259], .own),
        (
            "renoise", #"{"times": "consistency", "steps": 4, "prediction": "consistency"}"#, [999, 759, 499, 259],
            .consistency
        ),
        ("euler", #"{"times": "leading", "steps": 3}"#, [667, 334, 1], .own),
    ]

    private func discrete(_ sampler: String, _ entry: String) throws -> GeneratorSpec {
        let text = """
            {"default": "a", "generators": {"a": {"sampler": "\(sampler)", "discrete": \(entry),
              "phases": [{"name": "all", "sigma": [0, 1], "expert": "unet", "guidance_scale": 0}]}}}
            """
        return try GeneratorSet(phases: Data(text.utf8)).generator(nil)
    }

    @Test(arguments: discreteGrids.indices) func timesOfStableDiffusion(index: Int) throws {
        let (sampler, entry, times, prediction) = Self.discreteGrids[index]
        let spec = try discrete(sampler, entry)
        #expect(spec.sampler.rawValue == sampler && spec.grid.isDiscrete)
        let schedule = try spec.schedule(steps: nil, tokens: 0)
        #expect(schedule.timesteps == times && schedule.prediction == prediction)
        // sigma / (1 - sigma) is the noise per signal of the time's entry in the table.
        for (sigma, time) in zip(schedule.sigmas, times) {
            let alpha = Double(DiscreteNoise.alphas[Int(time)])
            #expect(abs(Double(sigma / (1 - sigma)) / ((1 - alpha) / alpha).squareRoot() - 1) < 1e-4)
        }
        #expect(schedule.sigmas.last == 0)
        // Rules give other numbers of steps, lists do not.
        if entry.contains("[") {
            #expect(throws: DiffusionError.self) { try spec.schedule(steps: times.count + 1, tokens: 0) }
        } else {
            #expect(try spec.schedule(steps: 8, tokens: 0).count == 8)
        }
    }

    /// Each names the place in the file and what may stand there.
    @Test(arguments: [
        ("renoise", #"{"times": [999, 999]}"#, "a.discrete.times: must be times in falling order"),
        ("renoise", #"{"times": []}"#, "a.discrete.times: must be times in falling order"),
        ("renoise", #"{"times": [1000]}"#, "a.discrete.times[0]: must be a whole number from 0 to 999"),
        ("renoise", #"{"times": [9.5]}"#, "a.discrete.times[0]: must be a whole number"),
        ("renoise", #"{"times": "karras", "steps": 4}"#, "'karras' is not known"),
        ("renoise", #"{"times": [999], "steps": 1}"#, "a.discrete.steps: a list of times says"),
        ("euler", #"{"times": "trailing"}"#, "a.discrete: 'steps' is missing"),
        ("euler", #"{"times": "trailing", "steps": 0}"#, "a.discrete.steps: is 0"),
        ("tcd", #"{"times": "consistency", "steps": 51}"#, "1...50"),
        ("tcd", #"{"times": "consistency", "steps": 4, "eta": 1.5}"#, "a.discrete.eta: is for tcd only, from 0 to 1"),
        ("ddim", #"{"times": "trailing", "steps": 4, "eta": 0.5}"#, "a.discrete.eta: is for tcd only"),
        ("euler", #"{"times": "trailing", "steps": 4, "prediction": "v"}"#, "epsilon, sample"),
        ("euler", #"{"times": "trailing", "steps": 4, "shift": 3}"#, "unknown key 'shift'"),
        ("unipc", #"{"times": "trailing", "steps": 4}"#, "unipc does not walk"),
        ("euler", #"{"times": "trailing", "steps": 4}, "steps": 4"#, "'discrete' says what 'steps' would"),
    ]) func faultsOfDiscreteGridsNameTheirPlace(sampler: String, entry: String, says: String) {
        let message = complaint { try discrete(sampler, entry) }
        #expect(message.contains(says), "\(message)")
    }

    /// rCM's: sigma is tan t / (1 + tan t), the noise is scaled by 1 / (cos t + sin t); values computed with Python's math.
    @Test func studentsOfATrigonometricFlowHaveAngles() throws {
        func set(_ entry: String) throws -> GeneratorSet {
            let phase =
                "{\"name\": \"all\", \"sigma\": [0.0, 1.0], \"expert\": \"transformer\", \"guidance_scale\": 1.0}"
            return try GeneratorSet(
                phases: Data("{\"default\": \"a\", \"generators\": {\"a\": {\(entry), \"phases\": [\(phase)]}}}".utf8))
        }
        let rCM = try set("\"sampler\": \"renoise\", \"angles\": [1.558297, 1.3, 1.0, 0.6]").generator(nil)
        let expected: [[Float]] = [
            [0.98765434, 0.78270801, 0.60897905, 0.40622401, 0], [0.98765434, 0.78270801, 0],
        ]
        for (steps, sigmas) in zip([nil, 2], expected) {
            let schedule = try rCM.schedule(steps: steps, tokens: 1)
            #expect(
                zip(schedule.sigmas, sigmas).allSatisfy { abs($0 - $1) < 1e-6 } && schedule.sigmas.count == sigmas.count
            )
            #expect(zip(schedule.timesteps, sigmas).allSatisfy { abs($0 - 1000 * $1) < 1e-3 })
            #expect(abs(schedule.start - 0.98773150) < 1e-6)
        }
        #expect(throws: DiffusionError.self) { try rCM.schedule(steps: 5, tokens: 1) }
        for wrong in [
            "\"sampler\": \"euler\", \"angles\": [1.5, 1.0]", "\"sampler\": \"renoise\", \"angles\": [1.6, 1.0]",
            "\"sampler\": \"renoise\", \"angles\": [1.0, 1.0]", "\"sampler\": \"renoise\", \"angles\": [1.0, 0]",
            "\"sampler\": \"renoise\", \"angles\": []", "\"sampler\": \"renoise\", \"angles\": [1.0], \"steps\": 1",
        ] {
            #expect(throws: DiffusionError.self, "\(wrong)") { try set(wrong) }
        }
    }

    /// Times as they stand, with the sigmas of the nearest entries of the shifted table.
    @Test func timesMakeAGrid() throws {
        let entry = "\"sampler\": \"renoise\", \"timesteps\": [1000, 757, 522], \"shift\": 8"
        let text = Self.phases.replacingOccurrences(
            of: "\"sampler\": \"euler\", \"steps\": 30, \"shift\": 3.0", with: entry)
        let spec = try GeneratorSet(phases: Data(text.utf8)).generator("teacher")
        #expect(spec.sampler == .renoise)
        let schedule = try spec.schedule(steps: nil, tokens: 0)
        #expect(schedule.timesteps == [1000, 757, 522])
        // 28 / 37 and 12 / 23: the entries of k = 280 and k = 120.
        #expect(schedule.sigmas == [1, 28 / 37, 12 / 23, 0])
        #expect(try spec.schedule(steps: 3, tokens: 0) == schedule)
        #expect(complaint { try spec.schedule(steps: 4, tokens: 0) }.contains("exactly 3 steps"))
        for wrong in [
            "\"sampler\": \"renoise\", \"timesteps\": [1000, 757]",
            "\"sampler\": \"renoise\", \"timesteps\": [1000, 757], \"shift\": 8, \"steps\": 3",
            "\"sampler\": \"renoise\", \"timesteps\": [500, 757], \"shift\": 8",
            "\"sampler\": \"renoise\", \"timesteps\": [1500, 757], \"shift\": 8",
        ] {
            let text = text.replacingOccurrences(of: entry, with: wrong)
            let reason = complaint { try GeneratorSet(phases: Data(text.utf8)) }
            #expect(reason.contains("generators.teacher"), "\(wrong): \(reason)")
        }
        let uniPC = text.replacingOccurrences(of: "\"sampler\": \"renoise\"", with: "\"sampler\": \"unipc\"")
        #expect(complaint { try GeneratorSet(phases: Data(uniPC.utf8)) }.contains("its own grid"))
    }

    @Test func aFixedGridNeedsAShiftForOtherSteps() throws {
        let fixed = try GeneratorSet(phases: Data(Self.phases.utf8)).generator("student")
        #expect(try fixed.schedule(steps: 4, tokens: 0).count == 4)
        let reason = complaint { try fixed.schedule(steps: 8, tokens: 0) }
        #expect(reason.contains("num_inference_steps is 8") && reason.contains("exactly 4 steps"))

        let text = Self.phases.replacingOccurrences(of: "0.5],", with: "0.5], \"shift\": 3, \"steps\": 4,")
        let flexible = try GeneratorSet(phases: Data(text.utf8)).generator("student")
        #expect(try flexible.schedule(steps: nil, tokens: 0).sigmas == [1, 0.9, 0.75, 0.5, 0])
        #expect(try flexible.schedule(steps: 8, tokens: 0) == SigmaSchedule.shifted(steps: 8, shift: 3))
    }

    @Test func otherSamplers() throws {
        let renoise = Self.phases.replacingOccurrences(of: "\"euler\", \"sigmas\"", with: "\"renoise\", \"sigmas\"")
        #expect(try GeneratorSet(phases: Data(renoise.utf8)).generator(nil).sampler == .renoise)
        let unipc = Self.phases.replacingOccurrences(of: "\"euler\", \"steps\"", with: "\"unipc\", \"steps\"")
        let teacher = try GeneratorSet(phases: Data(unipc.utf8)).generator("teacher")
        #expect(try teacher.schedule(steps: nil, tokens: 0) == SigmaSchedule.uniPCFlow(steps: 30, shift: 3))
    }

    @Test func unknownGeneratorNamesTheKnownOnes() throws {
        let set = try GeneratorSet(phases: Data(Self.phases.utf8))
        let reason = complaint { try set.generator("tutor") }
        #expect(reason.contains("'tutor'") && reason.contains("'student', 'teacher'"))
        #expect(complaint("\"default\": \"student\"", with: "\"default\": \"x\"").contains("phases.json: default"))
    }

    @Test func mistakesAreNamedWithTheirPlace() {
        #expect(
            complaint("\"euler\", \"sigmas\"", with: "\"heun\", \"sigmas\"")
                == "phases.json: generators.student.sampler: unknown sampler 'heun'; known are euler, renoise, unipc, "
                + "dpm++, ancestral, ddim, tcd")
        #expect(complaint("\"steps\": 30", with: "\"step\": 30").contains("generators.teacher: unknown key 'step'"))
        #expect(complaint("\"expert\": \"teacher\"", with: "\"exprt\": \"teacher\"").contains("phases[0]: unknown key"))
        #expect(complaint("\"default\":", with: "\"fallback\":").contains("unknown key 'fallback'"))
        #expect(complaint("\"default\": \"student\",", with: "").contains("'default' is missing"))
        #expect(complaint("[0.8, 1.0]", with: "[0.85, 1.0]").contains("no phase owns sigma in [0.8, 0.85)"))
        #expect(complaint("[0.8, 1.0]", with: "[0.7, 1.0]").contains("[0.7, 0.8) is owned twice"))
        #expect(complaint("[0.8, 1.0]", with: "[0.8]").contains("must be [lower, upper]"))
        #expect(complaint("0.75, 0.5]", with: "0.95, 0.5]").contains("student.sigmas"))
        #expect(complaint("0.75, 0.5]", with: "0.75, 0]").contains("student.sigmas"))
        #expect(complaint("[1.0, 0.9,", with: "[1.2, 0.9,").contains("student.sigmas"))
        #expect(complaint("[1.0, 0.9,", with: "[1.0, \"0.9\",").contains("sigmas[1]: must be a number"))
        #expect(complaint("\"steps\": 30", with: "\"steps\": 0").contains("teacher.steps"))
        #expect(complaint("\"steps\": 30", with: "\"steps\": 1e30").contains("teacher.steps"))
        #expect(complaint("\"steps\": 30", with: "\"steps\": 5000").contains("1...1000"))
        #expect(complaint("\"shift\": 3.0", with: "\"shift\": -1").contains("teacher.shift"))
        #expect(complaint(", \"shift\": 3.0", with: "").contains("both 'steps' and 'shift'"))
        #expect(complaint("\"sigmas\"", with: "\"steps\": 5, \"sigmas\"").contains("there are 4 sigmas"))
        #expect(complaint("\"euler\", \"sigmas\"", with: "\"unipc\", \"sigmas\"").contains("unipc has its own grid"))
        #expect(complaint("\"euler\", \"sigmas\"", with: "\"dpm++\", \"sigmas\"").contains("dpm++ has its own grid"))
        #expect(complaint("\"expert\": \"teacher\"", with: "\"expert\": \"../x\"").contains("no folder of the model"))
        #expect(complaint("3.0}]}}}", with: "-3}]}}}").contains("guidance scale"))
        #expect(complaint("}]}}}", with: "}]}}").contains("not valid JSON"))
        #expect(complaint { try GeneratorSet(phases: Data("[1]".utf8)) }.contains("must be an object"))
        #expect(complaint { try GeneratorSet(phases: Data(repeating: 0x5b, count: 100_000)) }.contains("phases.json"))
    }

    /// The paper's intervals are closed at the upper end: written down as they are, the last expert would never run.
    @Test func aPhaseWithoutAStepIsRefused() {
        let reason = complaint("\"sigmas\": [1.0, 0.9, 0.75, 0.5]", with: "\"sigmas\": [1.0, 0.9, 0.8]")
        #expect(reason.contains("'low noise'") && reason.contains("never run"))
    }

    // MARK: - diffusers' own files

    private static let uniPC = """
        {"_class_name": "UniPCMultistepScheduler", "flow_shift": 12.0, "use_flow_sigmas": true, "solver_order": 2,
         "prediction_type": "flow_prediction", "num_train_timesteps": 1000, "shift_terminal": null,
         "disable_corrector": []}
        """
    private static let euler = """
        {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 5.0, "num_train_timesteps": 1000}
        """
    private static let qwen = """
        {"_class_name": "FlowMatchEulerDiscreteScheduler", "base_image_seq_len": 256, "base_shift": 0.5,
         "max_image_seq_len": 8192, "max_shift": 0.9, "shift_terminal": 0.02, "use_dynamic_shifting": true,
         "time_shift_type": "exponential"}
        """
    private static let wan = """
        {"_class_name": "WanPipeline", "boundary_ratio": 0.9, "transformer": ["diffusers", "WanTransformer3DModel"],
         "transformer_2": ["diffusers", "WanTransformer3DModel"]}
        """
    private static let single = """
        {"_class_name": "WanPipeline", "boundary_ratio": null, "transformer_2": [null, null]}
        """
    private static let qwenIndex = """
        {"_class_name": "QwenImagePipeline", "transformer": ["diffusers", "QwenImageTransformer2DModel"]}
        """

    /// Writes a model folder and reads it.
    /// - Parameter published: what the family would say.
    private func read(
        _ index: String, _ scheduler: String, phases: String? = nil, published: PublishedSampling = PublishedSampling()
    ) throws -> GeneratorSet {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: folder) }
        let schedulers = folder.appendingPathComponent("scheduler")
        try FileManager.default.createDirectory(at: schedulers, withIntermediateDirectories: true)
        try Data(index.utf8).write(to: folder.appendingPathComponent("model_index.json"))
        try Data(scheduler.utf8).write(to: schedulers.appendingPathComponent("scheduler_config.json"))
        if let phases { try Data(phases.utf8).write(to: folder.appendingPathComponent("phases.json")) }
        return try GeneratorSet(folder: folder) { _ in published }
    }

    @Test func phasesComeFirst() throws {
        #expect(try read(Self.wan, Self.uniPC, phases: Self.phases).defaultName == "student")
    }

    @Test func twoExpertWan() throws {
        let published = PublishedSampling(steps: 40, guidanceScales: [4, 3])
        let generator = try read(Self.wan, Self.uniPC, published: published).generator(nil)
        #expect(generator.name == "default" && generator.sampler == .uniPC)
        #expect(generator.plan.phases.map(\.expert) == ["transformer", "transformer_2"])
        #expect(generator.plan.phases.map(\.lower) == [0.9, 0])
        #expect(generator.plan.phases.map(\.guidanceScale) == [4, 3])
        #expect(try generator.schedule(steps: nil, tokens: 0) == SigmaSchedule.uniPCFlow(steps: 40, shift: 12))
    }

    private static let sprint = #"{"_class_name": "SCMScheduler", "prediction_type": "trigflow", "sigma_data": 0.5}"#
    private static let sana = """
        {"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "dpmsolver++", "flow_shift": 3.0,
         "prediction_type": "flow_prediction", "solver_order": 2, "solver_type": "midpoint", "use_flow_sigmas": true}
        """

    @Test func sana() throws {
        let student = try read(#"{"_class_name": "SanaSprintPipeline"}"#, Self.sprint).generator(nil)
        #expect(student.sampler == .renoise && student.grid == .trigonometric(TrigonometricFlow.Times()))
        let index = #"{"_class_name": "SanaPipeline"}"#
        let teacher = try read(index, Self.sana, published: PublishedSampling(steps: 20)).generator(nil)
        #expect(teacher.sampler == .dpm && teacher.grid == .dpmFlow(steps: 20, shift: 3))
        for (old, new) in [
            ("dpmsolver++", "sde-dpmsolver++"), ("\"solver_order\": 2", "\"solver_order\": 3"), ("midpoint", "heun"),
            ("\"use_flow_sigmas\": true", "\"use_flow_sigmas\": false"),
        ] {
            let other = Self.sana.replacing(old, with: new)
            #expect(complaint { try read(index, other) }.contains("scheduler_config.json"))
        }
    }

    /// As it is published, with a bound that is none.
    @Test func sanaAsPublished() throws {
        let bound = Self.sana.replacing("\"flow_shift\"", with: "\"lambda_min_clipped\": -Infinity, \"flow_shift\"")
        let index = #"{"_class_name": "SanaPipeline"}"#
        #expect(bound != Self.sana)
        #expect(try read(index, bound) == read(index, Self.sana))
        let shift = Self.sana.replacing("3.0", with: "Infinity")
        #expect(complaint { try read(index, shift) }.contains("flow_shift: must be a number"))
    }

    /// That of stable-diffusion-xl-base-1.0, with what newer versions of diffusers add.
    private static let stableDiffusion = """
        {"_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.19.0.dev0", "beta_end": 0.012,
         "beta_schedule": "scaled_linear", "beta_start": 0.00085, "clip_sample": false, "interpolation_type": "linear",
         "num_train_timesteps": 1000, "prediction_type": "epsilon", "sample_max_value": 1.0, "set_alpha_to_one": false,
         "skip_prk_steps": true, "steps_offset": 1, "timestep_spacing": "leading", "trained_betas": null,
         "use_karras_sigmas": false, "final_sigmas_type": "zero", "rescale_betas_zero_snr": false, "sigma_max": null,
         "sigma_min": null, "timestep_type": "discrete", "use_beta_sigmas": false, "use_exponential_sigmas": false}
        """
    private static let consistency = """
        {"_class_name": "LCMScheduler", "beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085,
         "original_inference_steps": 50, "timestep_scaling": 10.0, "set_alpha_to_one": true, "steps_offset": 0,
         "timestep_spacing": "leading", "prediction_type": "epsilon", "clip_sample": false}
        """

    @Test func stableDiffusionAsPublished() throws {
        let index = #"{"_class_name": "StableDiffusionXLPipeline"}"#
        let published = PublishedSampling(isDiscrete: true, expert: "unet")
        func generator(_ scheduler: String) throws -> GeneratorSpec {
            try read(index, scheduler, published: published).generator(nil)
        }
        let base = try generator(Self.stableDiffusion)
        #expect(base.sampler == .euler && base.grid == .discrete(DiscreteGrid(.leading, steps: 30)))
        #expect(try generator(Self.consistency).sampler == .renoise)
        let ddim = Self.stableDiffusion.replacing("EulerDiscrete", with: "DDIM")
        #expect(try generator(ddim).sampler == .ddim)
        for (scheduler, old, new, key) in [
            (Self.stableDiffusion, "\"linear\"", "\"log_linear\"", "interpolation_type"),
            (Self.stableDiffusion, "\"trained_betas\": null", "\"trained_betas\": [0.1]", "trained_betas"),
            (Self.stableDiffusion, "\"steps_offset\": 1", "\"steps_offset\": 0", "steps_offset"),
            (Self.stableDiffusion, "\"steps_offset\": 1,", "", "steps_offset"),
            (Self.stableDiffusion, "\"discrete\"", "\"continuous\"", "timestep_type"),
            (Self.stableDiffusion, "\"zero\"", "\"sigma_min\"", "final_sigmas_type"),
            (ddim, "\"set_alpha_to_one\": false", "\"set_alpha_to_one\": true", "set_alpha_to_one"),
            (ddim, "\"set_alpha_to_one\": false,", "", "set_alpha_to_one"),
            (Self.consistency, "_steps\": 50", "_steps\": 100", "original_inference_steps"),
            (Self.consistency, "10.0", "1.0", "timestep_scaling"),
        ] {
            let other = scheduler.replacing(old, with: new)
            #expect(other != scheduler, "nothing to replace: \(old)")
            #expect(complaint { try generator(other) }.contains(key), "\(new)")
        }
        let other = Self.stableDiffusion.replacing("EulerDiscrete", with: "ScoreSdeVe")
        #expect(complaint { try generator(other) }.contains("phases.json"))
    }

    /// Fine-tuned base models are saved with the solver that their authors like: the base's own steps stand in for it, and whoever
    /// opens the folder hears of that. What the network gives and its noise are not the solver's to say.
    @Test(arguments: ["DPMSolverMultistep", "PNDM", "DDPM", "KDPM2AncestralDiscrete"])
    func anotherSolverOfTheBase(name: String) throws {
        let index = #"{"_class_name": "StableDiffusionXLPipeline"}"#
        let published = PublishedSampling(isDiscrete: true, expert: "unet")
        let solver = Self.stableDiffusion.replacing("EulerDiscrete", with: name)
            .replacing("\"use_karras_sigmas\": false", with: "\"use_karras_sigmas\": true")
            .replacing("\"leading\"", with: "\"linspace\"")
        let set = try read(index, solver, published: published)
        let base = try read(index, Self.stableDiffusion, published: published)
        #expect(try set.generator(nil) == base.generator(nil))
        #expect(set.note?.contains("\(name)Scheduler") == true && base.note == nil)
        for (old, new, key) in [
            ("\"epsilon\"", "\"v_prediction\"", "prediction_type"), ("scaled_linear", "linear", "beta_schedule"),
            ("_snr\": false", "_snr\": true", "rescale_betas_zero_snr"),
            ("\"sigma_max\": null", "\"use_flow_sigmas\": true", "use_flow_sigmas"),
        ] {
            let damaged = solver.replacing(old, with: new)
            #expect(damaged != solver, "nothing to replace: \(old)")
            #expect(complaint { try read(index, damaged, published: published) }.contains(key), "\(new)")
        }
    }

    @Test func oneExpertWanTakesTheSchedulersOwnGrid() throws {
        let generator = try read(Self.single, Self.euler).generator("default")
        #expect(generator.plan.phases.count == 1 && generator.plan.phases[0].guidanceScale == 5)
        #expect(try generator.schedule(steps: 4, tokens: 0) == SigmaSchedule.flowMatchDefault(steps: 4, shift: 5))
        #expect(generator.grid.defaultSteps == 50)
    }

    @Test func qwenImage() throws {
        let generator = try read(Self.qwenIndex, Self.qwen).generator(nil)
        #expect(
            try generator.schedule(steps: 20, tokens: 1024)
                == SigmaSchedule.dynamic(steps: 20, tokens: 1024, shift: SigmaScheduleTests.qwen))
        let linear = PublishedSampling(isGridLinear: true)
        let fixed = try read(Self.qwenIndex, Self.euler, published: linear).generator(nil)
        #expect(try fixed.schedule(steps: 4, tokens: 1024) == SigmaSchedule.shifted(steps: 4, shift: 5))
    }

    @Test func theFixtureFolder() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/wan22-tiny")
        let generator = try GeneratorSet(folder: folder) { experts in
            #expect(experts == 2)
            return PublishedSampling(guidanceScales: [4, 3])
        }.generator(nil)
        #expect(generator.plan.phases.map(\.lower) == [0.875, 0])
        #expect(try generator.schedule(steps: 10, tokens: 0) == SigmaSchedule.uniPCFlow(steps: 10, shift: 3))
    }

    @Test func whatIsNotImplementedIsRefused() {
        func uniPC(_ key: String, _ value: String) -> String {
            let scheduler = Self.uniPC.replacingOccurrences(of: "\"solver_order\": 2", with: "\"\(key)\": \(value)")
            return complaint { try read(Self.wan, scheduler) }
        }
        #expect(uniPC("solver_order", "3").contains("scheduler/scheduler_config.json: solver_order: only 2 "))
        #expect(uniPC("solver_type", "\"bh1\"").contains("solver_type: only \"bh2\""))
        #expect(uniPC("use_karras_sigmas", "true").contains("use_karras_sigmas: only false"))
        #expect(uniPC("use_dynamic_shifting", "true").contains("use_dynamic_shifting"))
        #expect(uniPC("solver_p", "{}").contains("solver_p: only null"))
        #expect(uniPC("flow_shift_", "1").isEmpty)

        let epsilon = Self.uniPC.replacingOccurrences(of: "flow_prediction", with: "epsilon")
        #expect(complaint { try read(Self.wan, epsilon) }.contains("prediction_type: only \"flow_prediction\""))
        let partial = Self.uniPC.replacingOccurrences(
            of: "\"disable_corrector\": []", with: "\"disable_corrector\": [0]")
        #expect(complaint { try read(Self.wan, partial) }.contains("disable_corrector: a corrector"))
        let absent = Self.uniPC.replacingOccurrences(of: "\"use_flow_sigmas\": true,", with: "")
        #expect(complaint { try read(Self.wan, absent) }.contains("'use_flow_sigmas' is missing"))
        let other = Self.uniPC.replacingOccurrences(of: "UniPCMultistep", with: "DDIM")
        #expect(complaint { try read(Self.wan, other) }.contains("'DDIMScheduler' is not supported"))
        let linear = Self.qwen.replacingOccurrences(of: "exponential", with: "linear")
        #expect(complaint { try read(Self.qwenIndex, linear) }.contains("time_shift_type: only \"exponential\""))
        let equal = Self.qwen.replacingOccurrences(of: "8192", with: "256")
        #expect(complaint { try read(Self.qwenIndex, equal) }.contains("base_image_seq_len"))
        let terminal = Self.qwen.replacingOccurrences(of: "0.02", with: "1")
        #expect(complaint { try read(Self.qwenIndex, terminal) }.contains("scheduler_config.json"))

        let half = Self.wan.replacingOccurrences(of: "transformer_2", with: "transformer_3")
        #expect(complaint { try read(half, Self.uniPC) }.contains("no transformer_2"))
        let outside = Self.wan.replacingOccurrences(of: "0.9", with: "1.5")
        #expect(complaint { try read(outside, Self.uniPC) }.contains("model_index.json: boundary_ratio"))
    }

    // MARK: - Built in

    @Test func distilledWan() throws {
        let generator = try GeneratorSpec.distilled(steps: 4, shift: 5, boundary: 0.875)
        let schedule = try generator.schedule(steps: nil, tokens: 0)
        #expect(schedule.timesteps.map(generator.plan.phaseIndex(timestep:)) == [0, 0, 1, 1])
        #expect(generator.plan.phases.map(\.guidanceScale) == [1, 1])
        #expect(try generator.schedule(steps: 8, tokens: 0).count == 8)
        #expect(try GeneratorSpec.distilled(steps: 4, shift: 3, boundary: nil).plan.experts == ["transformer"])
    }
}
