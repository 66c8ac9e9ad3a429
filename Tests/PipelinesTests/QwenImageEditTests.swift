import Diffusion
import Foundation
import Models
import Pictures
import Pipelines
import Support
import Tensor
import Testing
import Weights

/// Qwen-Image-Edit: text side and network both look at the pictures of a run.
@Suite struct QwenImageEditTests {
    private let compute = Compute(threads: 2)

    private static func picture(_ width: Int, _ height: Int, step: Int) throws -> RGBImage {
        try RGBImage(
            width: width, height: height,
            bytes: (0..<width * height * 3).map { UInt8(truncatingIfNeeded: $0 &* step / 5) })
    }

    private static func run(
        _ pipeline: Pipeline, _ pictures: [RGBImage], guidanceScale: Float = 3
    ) throws -> Run {
        try Run(
            GenerationParameters(
                prompt: "put the boat on the hill", width: 64, height: 48, seed: 3, steps: 2,
                guidanceScale: guidanceScale,
                pictures: GivenPictures(references: pictures)), of: pipeline)
    }

    private func latent(_ pipeline: Pipeline, _ pictures: [RGBImage]) throws -> [Float] {
        var run = try Self.run(pipeline, pictures, guidanceScale: 1)
        _ = try run.finish { _ in }
        return run.generation.latent.array
    }

    // MARK: Runs

    @Test func picturesAndTheirOrderReachTheResult() throws {
        let pipeline = try Pipeline(folder: editFixture, compute: compute)
        let (a, b) = (try Self.picture(60, 90, step: 7), try Self.picture(80, 40, step: 3))
        let both = try latent(pipeline, [a, b])
        #expect(both.allSatisfy { $0.isFinite })
        #expect(try latent(pipeline, [a, b]) == both)
        for others in [[b, a], [a], [a, b, a]] { #expect(try latent(pipeline, others) != both) }
    }

    /// The same prompt about other pictures is another text.
    @Test func theTextSideLooksAtThePictures() throws {
        let pipeline = try Pipeline(folder: editFixture, compute: compute)
        let (a, b) = (try Self.picture(64, 64, step: 7), try Self.picture(64, 64, step: 3))
        let run = try Self.run(pipeline, [a, b])
        #expect(run.seen == [a, b])
        #expect(run.texts.positive == "put the boat on the hill" && run.texts.negative == " ")
        let first = try pipeline.encode("a", seeing: [a]).rows
        let second = try pipeline.encode("a", seeing: [b]).rows
        #expect(first.shape == second.shape && first.array != second.array)
        // 200 x 200 pixels in patches of 5 are 20 x 20 groups: rows of text.
        #expect(try pipeline.encode("a", seeing: [a, b]).rows.shape[0] > first.shape[0] + 400)
        let error = #expect(throws: ModelError.self) { _ = try pipeline.encode("a") }
        #expect("\(try #require(error))".contains("starts from a picture"))
        #expect(pipeline.refusal(of: "a <|image_pad|> b")?.contains("<|image_pad|>") == true)
        #expect(pipeline.refusal(of: "a | b") == nil)
    }

    /// A run that goes on from a file has its pictures' latents in it, but its texts are encoded again: by the same pictures.
    @Test func aResumedRunStillLooksAtItsPictures() throws {
        let pipeline = try Pipeline(folder: editFixture, compute: compute)
        let pictures = [try Self.picture(60, 90, step: 7), try Self.picture(80, 40, step: 3)]
        var whole = [try Self.run(pipeline, pictures)]
        try Run.encodePictures(of: &whole)
        try whole[0].encodeTexts { [seen = whole[0].seen] in try pipeline.encode($0, by: $1, seeing: seen) }
        #expect(whole[0].seen.isEmpty && whole[0].pictures.isEmpty)
        _ = try Run.step(&whole)
        let data = try JSONEncoder().encode(whole[0].generation)

        var resumed = try Self.run(pipeline, pictures)
        let goesOn = resumed.resume(try JSONDecoder().decode(Generation.self, from: data))
        #expect(goesOn && resumed.pictures.isEmpty && resumed.seen == pictures)
        _ = try resumed.finish { _ in }
        _ = try whole[0].finishSteps()
        #expect(resumed.generation.latent.array == whole[0].generation.latent.array)
    }

    @Test func aPictureThatNothingCanLookAtIsTold() throws {
        let pipeline = try Pipeline(folder: editFixture, compute: compute)
        let error = #expect(throws: ModelError.self) {
            _ = try pipeline.encode("a", seeing: [Self.picture(4000, 4, step: 1)])
        }
        #expect("\(try #require(error))".contains("at most 200 times the other"))
    }

    /// The published rule: the default area, the last picture's ratio, sides to the nearest multiples of 32.
    @Test(
        arguments: [
            ([(600, 900)], (832, 1248)), ([(600, 900), (1920, 1080)], (1376, 768)), ([(33, 50)], (832, 1248)),
            ([], (1024, 1024)),
            // Beyond what the model makes: the nearest of about that aspect.
            ([(100, 65_000)], (32, 131_072)),
        ] as [([(Int, Int)], (Int, Int))])
    func theSizeFollowsTheLastPicture(pictures: [(Int, Int)], expected: (Int, Int)) throws {
        let pipeline = try Pipeline(folder: editFixture, compute: compute)
        let size = pipeline.usualSize(references: pictures.map { PixelSize(width: $0.0, height: $0.1) })
        #expect(pipeline.sizes.refusal(width: size.width, height: size.height) == nil)
        guard expected.1 < 10_000 else { return }
        #expect(size == PixelSize(width: expected.0, height: expected.1))
    }

    // MARK: Files

    private func files(expert: String, family: String? = nil) -> ModelFiles {
        var files = ModelFiles()
        files.experts = ["transformer": expert]
        files.textEncoder = "\(editFixture)/text_encoder"
        files.tokenizer = "\(editFixture)/processor"
        files.vae = "\(editFixture)/vae"
        files.familyName = family
        return files
    }

    /// 2511 is told by its mark, 2509 by who names it; the numbers of the processor lie with the tokenizer.
    @Test(arguments: [("transformer_variant", nil), ("transformer", "qwen-image-edit")])
    func singleFilesMakeWhatTheFolderMakes(component: String, family: String?) throws {
        var folder = ModelFiles(folder: editFixture)
        folder.experts = ["transformer": "\(editFixture)/\(component)"]
        let expected = try Pipeline(folder, compute: compute)
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("phasor-\(UUID()).safetensors").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let weights = try Checkpoint(folder: "\(editFixture)/\(component)").tensors
        let mark = component == "transformer" ? [] : ["__index_timestep_zero__"]
        let writer = try WeightFileWriter(
            path: path, format: .safetensors,
            entries: weights.map { .init(name: "model.diffusion_model.\($0)", type: $1.type, shape: $1.shape) }
                + mark.map { .init(name: "model.diffusion_model.\($0)", type: .f32, shape: [0]) },
            metadata: [
                // Heads of 16 cannot be told from shapes; what the mark says is left out.
                Checkpoint.Configuration.metadataKey: String(
                    contentsOfFile: "\(editFixture)/\(component)/config.json", encoding: .utf8
                ).replacing("\"zero_cond_t\": true", with: "\"zero_cond_t\": false")
            ])
        for entry in writer.entries {
            let name = String(entry.name.dropFirst("model.diffusion_model.".count))
            try writer.append(weights[name]?.bytes ?? UnsafeRawBufferPointer(start: nil, count: 0))
        }
        try writer.finish()

        let named = try Pipeline(files(expert: path, family: family), compute: compute)
        #expect(named.generators.generators.map(\.name) == ["student", "teacher"])
        #expect(named.generators.generators[0].grid == .shifted(steps: 4, shift: 3))
        #expect(named.components.flatMap(\.unusedKeys) == [])
        let picture = try Self.picture(60, 90, step: 7)
        let student = GenerationParameters(
            prompt: "a", width: 64, height: 48, seed: 3, generator: "student", steps: 2,
            pictures: GivenPictures(references: [picture]))
        var results: [[Float]] = []
        for pipeline in [named, expected] {
            var run = try Run(student, of: pipeline)
            _ = try run.finish { _ in }
            results.append(run.generation.latent.array)
        }
        let areSame = results[0] == results[1]
        #expect(areSame)
        // As text to image where nobody says otherwise.
        guard family != nil else { return }
        #expect(try Pipeline(files(expert: path), compute: compute).traits.pictures == .none)
    }

    @Test func theOriginalFileIsThatOf2511() throws {
        let file = "\(editFixture)/original_format/qwen_image_edit_2511_bf16.safetensors"
        let identity = try FileIdentity.of(Checkpoint(path: file), as: .expert)
        #expect(identity.family?.name == "qwen-image-edit" && identity.refusal == nil)
        // In a folder that says 2509 the mark decides.
        let picture = try Self.picture(60, 90, step: 7)
        var results: [[Float]] = []
        for expert in [file, "\(editFixture)/transformer_variant"] {
            let model = try ModelCopy(editFixture)
            try model.replace("\"num_layers\": 2", with: "\"num_layers\": 1", in: "transformer/config.json")
            var files = ModelFiles(folder: model.path)
            files.experts = ["transformer": expert]
            results.append(try latent(Pipeline(files, compute: compute), [picture]))
        }
        let areSame = results[0] == results[1]
        #expect(areSame)
    }

    private func refusal(_ files: ModelFiles) throws -> String {
        "\(try #require(#expect(throws: (any Error).self) { try Pipeline(files, compute: compute) }))"
    }

    @Test func whatDoesNotGoTogetherIsRefused() throws {
        var swapped = ModelFiles(folder: qwenFixture)
        swapped.experts = ["transformer": "\(editFixture)/transformer_variant"]
        #expect(try refusal(swapped).contains("Qwen-Image-Edit-2511"))

        var nobody = files(expert: "\(editFixture)/transformer", family: "qwen-image-edits")
        #expect(try refusal(nobody).contains("there is no family qwen-image-edits; there are wan"))
        nobody = ModelFiles(folder: editFixture)
        nobody.familyName = "qwen-image-edit"
        #expect(try refusal(nobody).contains("model_index.json"))

        // The text encoder of text to image has no tower.
        var blind = ModelFiles(folder: editFixture)
        blind.textEncoder = "\(qwenFixture)/text_encoder"
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("phasor-\(UUID()).safetensors").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let weights = try Checkpoint(folder: "\(editFixture)/text_encoder").tensors
            .filter { !$0.key.hasPrefix("visual.") }
        let writer = try WeightFileWriter(
            path: path, format: .safetensors,
            entries: weights.map { .init(name: $0, type: $1.type, shape: $1.shape) })
        for entry in writer.entries { try writer.append(try #require(weights[entry.name]).bytes) }
        try writer.finish()
        blind.textEncoder = path
        let message = try refusal(blind)
        for word in [path, "visual.*", "mmproj"] { #expect(message.contains(word), "\(message)") }
    }

    static let damages: [(what: String, old: String, new: String, file: String, words: [String])] = [
        ("the first Edit", "QwenImageEditPlusPipeline", "QwenImageEditPipeline", "model_index.json", ["2509", "2511"]),
        (
            "layers", "QwenImageEditPlusPipeline", "QwenImageLayeredPipeline", "model_index.json",
            ["QwenImageLayeredPipeline"]
        ),
        (
            "other patches", "\"patch_size\": 5", "\"patch_size\": 7", "processor/preprocessor_config.json",
            ["patch_size"]
        ),
        (
            "groups of 3", "\"spatial_merge_size\": 2", "\"spatial_merge_size\": 3", "text_encoder/config.json",
            ["spatial_merge_size", "3"]
        ),
        (
            "axes of no head", "\"mrope_section\": [\n        2", "\"mrope_section\": [\n        3",
            "text_encoder/config.json", ["mrope_section", "[3, 1, 1]"]
        ),
        ("a wide tower", "\"out_hidden_size\": 32", "\"out_hidden_size\": 48", "text_encoder/config.json", ["48"]),
        ("no window", "\"window_size\": 20", "\"window_size\": 4", "text_encoder/config.json", ["window_size"]),
        ("heads that do not divide", "\"num_heads\": 2", "\"num_heads\": 7", "text_encoder/config.json", ["num_heads"]),
        (
            "no limits", "\"shortest_edge\": 400", "\"shortest_edge\": 400000", "processor/preprocessor_config.json",
            ["size"]
        ),
    ]

    @Test(arguments: damages) func aDamagedFolderSaysWhatIsWrong(
        what: String, old: String, new: String, file: String, words: [String]
    ) throws {
        let model = try ModelCopy(editFixture)
        try model.replace(old, with: new, in: file)
        let message = try refusal(ModelFiles(folder: model.path))
        for word in words { #expect(message.contains(word), "\(what): \(message)") }
    }
}
