import Diffusion
import Foundation
import Models
import Pipelines
import Tensor
import Testing
import Weights

/// SDXL as people have it on disk: checkpoints in one file with the original's names, U-Nets alone, files of float16 by name. The
/// same weights must give the same bytes as the folder, which is held against the reference libraries elsewhere.
@Suite struct SDXLFileTests {
    private let compute = Compute(threads: 2)
    private static let components = ["unet", "text_encoder", "text_encoder_2", "vae"]

    private func frames(_ files: ModelFiles, generator: String = "dmd2") throws -> [Float] {
        let pipeline = try Pipeline(files, compute: compute)
        #expect(pipeline.components.flatMap(\.unusedKeys) == [])
        var run = try Run(
            GenerationParameters(prompt: "a red fox!", width: 72, height: 56, seed: 5, generator: generator),
            of: pipeline)
        var frames: [Float] = []
        _ = try run.finish { frames += $0.array }
        return frames
    }

    /// A tensor as it lies in a file.
    private struct Stored {
        let type: ElementType
        let shape: [Int]
        let bytes: [UInt8]

        init(_ weight: Weight, shape: [Int]? = nil) {
            (type, self.shape, bytes) = (weight.type, shape ?? weight.shape, Array(weight.bytes))
        }

        init(_ type: ElementType, _ shape: [Int], _ bytes: [UInt8]) {
            (self.type, self.shape, self.bytes) = (type, shape, bytes)
        }

        /// Rows as columns.
        var transposed: Stored {
            let size = type.bytes(of: 1)
            let (rows, columns) = (shape[0], shape[1])
            var turned: [UInt8] = []
            for column in 0..<columns {
                for row in 0..<rows {
                    let start = (row * columns + column) * size
                    turned += bytes[start..<start + size]
                }
            }
            return Stored(type, [columns, rows], turned)
        }
    }

    private static func write(_ tensors: [String: Stored], to path: String) throws {
        let writer = try WeightFileWriter(
            path: path, format: .safetensors,
            entries: tensors.map { .init(name: $0, type: $1.type, shape: $1.shape) })
        for entry in writer.entries { try writer.append(try #require(tensors[entry.name]).bytes) }
        try writer.finish()
    }

    /// The fixture in one file, by the list of names that diffusers' own conversion was asked for.
    private static func writeWhole(to path: String, withText: Bool = true) throws {
        let file = URL(fileURLWithPath: "\(sdxlFixture)/single_file_key_map.json")
        let maps = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
        var tensors: [String: Stored] = [:]
        func add(_ prefix: String, _ theirs: String, _ tensor: Stored) { tensors[prefix + theirs] = tensor }
        func weights(_ component: String) throws -> [String: Weight] {
            try Checkpoint(folder: "\(sdxlFixture)/\(component)").tensors
        }
        for (component, prefix) in [("unet", "model.diffusion_model."), ("vae", "first_stage_model.")] {
            let own = try weights(component)
            let names = try #require(maps[component] as? [String: String])
            #expect(Set(names.values) == Set(own.keys))
            for (theirs, ours) in names {
                let weight = try #require(own[ours])
                // The original's attention of the autoencoder is made of convolutions of one cell.
                let isSqueezed = component == "vae" && theirs.contains(".attn_1.") && weight.shape.count == 2
                add(prefix, theirs, Stored(weight, shape: isSqueezed ? weight.shape + [1, 1] : nil))
            }
        }
        guard withText else { return try write(tensors, to: path) }
        for (key, weight) in try weights("text_encoder") {
            add("conditioner.embedders.0.transformer.", key, Stored(weight))
        }
        let second = try weights("text_encoder_2")
        for (theirs, ours) in try #require(maps["text_encoder_2"] as? [String: Any]) {
            let prefix = "conditioner.embedders.1.model."
            if let parts = ours as? [String] {
                let rows = try parts.map { Stored(try #require(second[$0])) }
                let shape = [rows.reduce(0) { $0 + $1.shape[0] }] + rows[0].shape.dropFirst()
                add(prefix, theirs, Stored(rows[0].type, shape, rows.flatMap(\.bytes)))
            } else {
                let key = try #require(ours as? String)
                let stored = Stored(try #require(second[key]))
                add(prefix, theirs, theirs == "text_projection" ? stored.transposed : stored)
            }
        }
        // What such files have besides and nothing reads.
        add("conditioner.embedders.1.model.", "logit_scale", Stored(.f32, [], [0, 0, 128, 63]))
        add(
            "conditioner.embedders.0.transformer.", "text_model.embeddings.position_ids",
            Stored(.i64, [1, 1], [UInt8](repeating: 0, count: 8)))
        add("", "denoiser.sigmas", Stored(.f32, [1], [0, 0, 0, 0]))
        try write(tensors, to: path)
    }

    /// A copy of the fixture without weights: the widths of heads and norms of so small a network stand in no shape.
    private func bareFolder(keeping kept: [String] = []) throws -> ModelCopy {
        let copy = try ModelCopy(sdxlFixture)
        for component in Self.components where !kept.contains(component) {
            for file in try FileManager.default.contentsOfDirectory(atPath: "\(copy.path)/\(component)")
            where file != "config.json" { try copy.remove("\(component)/\(file)") }
        }
        return copy
    }

    @Test func oneFileGivesTheBytesOfTheFolder() throws {
        let folder = try bareFolder()
        let path = "\(folder.path)/whole.safetensors"
        try Self.writeWhole(to: path)
        let found = try FileIdentity.all(in: Checkpoint(file: path))
        #expect(found.map(\.part).filter { $0 == .textEncoder }.count == 2)
        #expect(found.contains { $0.part == .expert && $0.refusal == nil } && found.contains { $0.part == .vae })
        var files = ModelFiles(folder: folder.path)
        files.experts = ["transformer": path]
        let expected = try frames(ModelFiles(folder: sdxlFixture))
        #expect(try frames(files) == expected)
        // Named for each part, it gives the same.
        files.experts = ["unet": path]
        (files.textEncoder, files.vae) = (path, path)
        #expect(try frames(files) == expected)
    }

    /// Where a folder says so, the empty prompt stands for a negative one that was not given; else zeros do.
    @Test func aFolderSaysWhatNoNegativePromptMeans() throws {
        let folder = try ModelCopy(sdxlFixture)
        try folder.replace(
            "\"force_zeros_for_empty_prompt\": true", with: "\"force_zeros_for_empty_prompt\": false",
            in: "model_index.json")
        func latent(_ path: String, negative: String?) throws -> [Float] {
            let pipeline = try Pipeline(folder: path, compute: compute)
            var run = try Run(
                GenerationParameters(
                    prompt: "a red fox", negativePrompt: negative, width: 64, height: 64, seed: 5,
                    generator: "teacher", steps: 2, guidanceScale: 5), of: pipeline)
            _ = try run.finish { _ in }
            return run.generation.latent.array
        }
        let empty = try latent(sdxlFixture, negative: "")
        #expect(try latent(folder.path, negative: nil) == empty)
        #expect(try latent(sdxlFixture, negative: nil) != empty)
    }

    /// LCM's whole U-Net, whose weights are those of SDXL and one layer more.
    @Test func aNetworkThatIsToldTheScaleOfGuidanceIsRefused() throws {
        let folder = try bareFolder(keeping: ["text_encoder", "text_encoder_2", "vae"])
        let path = "\(folder.path)/unet/lcm.safetensors"
        var tensors = try Checkpoint(folder: "\(sdxlFixture)/unet").tensors.mapValues { Stored($0) }
        tensors["time_embedding.cond_proj.weight"] = Stored(.f32, [16, 1], [UInt8](repeating: 0, count: 64))
        try Self.write(tensors, to: path)
        let checkpoint = try Checkpoint(file: path)
        #expect(try FileIdentity.of(checkpoint, as: .expert).refusal?.contains("LCM") == true)
        let error = #expect(throws: (any Error).self) { try Pipeline(folder: folder.path, compute: compute) }
        #expect("\(try #require(error))".contains("LCM's LoRA file"))
    }

    /// Without a folder the file's parts are found, too: this one's are narrower than any that shapes tell of.
    @Test func oneFileAloneIsOpenedByItsShapes() throws {
        let folder = try bareFolder()
        let path = "\(folder.path)/whole.safetensors"
        try Self.writeWhole(to: path)
        var files = ModelFiles()
        files.experts = ["transformer": path]
        files.tokenizer = "\(sdxlFixture)/tokenizer"
        let message = "\(try #require(#expect(throws: (any Error).self) { try Pipeline(files, compute: compute) }))"
        // 16 channels do not divide into the published 32 groups.
        #expect(message.contains("norm_num_groups") || message.contains("32 groups"), "\(message)")
    }

    /// A file of the network and its autoencoder: the texts are the folder's.
    @Test func aFileGivesWhatNothingElseDoes() throws {
        let folder = try bareFolder(keeping: ["text_encoder", "text_encoder_2"])
        let path = "\(folder.path)/half.safetensors"
        try Self.writeWhole(to: path, withText: false)
        var files = ModelFiles(folder: folder.path)
        files.experts = ["transformer": path]
        #expect(try frames(files) == frames(ModelFiles(folder: sdxlFixture)))
        // And where nothing gives them, that is said.
        let bare = try bareFolder()
        files = ModelFiles(folder: bare.path)
        files.experts = ["transformer": path]
        let message = "\(try #require(#expect(throws: (any Error).self) { try Pipeline(files, compute: compute) }))"
        #expect(message.contains("text_encoder"), "\(message)")
    }

    /// `dmd2_sdxl_4step_unet.safetensors` and its like: diffusers' names, or the original's, without a prefix.
    @Test(arguments: [false, true]) func theUNetAlone(isOriginal: Bool) throws {
        let folder = try bareFolder(keeping: ["text_encoder", "text_encoder_2", "vae"])
        let path = "\(folder.path)/unet.safetensors"
        let file = URL(fileURLWithPath: "\(sdxlFixture)/single_file_key_map.json")
        let maps = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
        let names = try #require(maps["unet"] as? [String: String])
        let theirs = Dictionary(names.map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        var tensors: [String: Stored] = [:]
        for (key, weight) in try Checkpoint(folder: "\(sdxlFixture)/unet").tensors {
            tensors[isOriginal ? try #require(theirs[key]) : key] = Stored(weight)
        }
        try Self.write(tensors, to: path)
        var files = ModelFiles(folder: folder.path)
        files.experts = ["unet": path]
        #expect(try frames(files) == frames(ModelFiles(folder: sdxlFixture)))
    }

    /// Repositories with files of float16 only, as their names say, sharded or not.
    @Test func float16FilesByName() throws {
        let copy = try ModelCopy(sdxlFixture)
        for (component, name) in [
            ("text_encoder", "model"), ("text_encoder_2", "model"), ("vae", "diffusion_pytorch_model"),
        ] {
            try copy.rename("\(component)/\(name).safetensors", to: "\(component)/\(name).fp16.safetensors")
        }
        let stem = "diffusion_pytorch_model"
        for shard in ["00001-of-00002", "00002-of-00002"] {
            try copy.rename("unet/\(stem)-\(shard).safetensors", to: "unet/\(stem).fp16-\(shard).safetensors")
            try copy.replace(
                "\(stem)-\(shard).safetensors", with: "\(stem).fp16-\(shard).safetensors",
                in: "unet/\(stem).safetensors.index.json")
        }
        try copy.rename("unet/\(stem).safetensors.index.json", to: "unet/\(stem).safetensors.index.fp16.json")
        #expect(try frames(ModelFiles(folder: copy.path)) == frames(ModelFiles(folder: sdxlFixture)))
        // Where both are there, one set is taken.
        try FileManager.default.copyItem(
            atPath: "\(sdxlFixture)/vae/diffusion_pytorch_model.safetensors",
            toPath: "\(copy.path)/vae/diffusion_pytorch_model.safetensors")
        #expect(try frames(ModelFiles(folder: copy.path)) == frames(ModelFiles(folder: sdxlFixture)))
    }

    // MARK: What does not run

    @Test(arguments: [
        ("StableDiffusionPipeline", ["1.x or 2.x", "SD-Turbo", "SDXL-Turbo"]),
        ("LatentConsistencyModelPipeline", ["1.x or 2.x", "SDXL-Turbo"]),
        ("StableDiffusionXLImg2ImgPipeline", ["refiner", "stable-diffusion-xl-base-1.0"]),
        ("StableDiffusionXLInpaintPipeline", ["inpainting", "strength"]),
        ("StableDiffusionInpaintPipeline", ["1.x or 2.x"]),
        ("StableDiffusionXLControlNetPipeline", ["ControlNet", "StableDiffusionXLPipeline"]),
    ]) func relativesAreNamed(pipeline: String, words: [String]) throws {
        let copy = try ModelCopy(sdxlFixture)
        try copy.replace("StableDiffusionXLPipeline", with: pipeline, in: "model_index.json")
        let error = #expect(throws: ModelError.self) { try Pipeline(folder: copy.path, compute: compute) }
        let message = "\(try #require(error))"
        for word in words + [pipeline] { #expect(message.contains(word), "\(message)") }
    }

    /// Networks of relatives in single files, told by their shapes, and a marker of trainers.
    @Test(arguments: [
        (320, 4, 0, "", ["1.x or 2.x", "SDXL-Turbo"]), (320, 9, 0, "", ["inpainting"]),
        (320, 9, 2816, "", ["inpainting", "strength"]), (384, 4, 2560, "", ["refiner", "base"]),
        (320, 8, 2816, "", ["8 channels"]), (320, 4, 2816, "v_pred", ["v-prediction", "predicts noise"]),
    ]) func relativesInFilesAreNamed(
        width: Int, channels: Int, added: Int, marker: String, words: [String]
    ) throws {
        let folder = try bareFolder()
        let path = "\(folder.path)/relative.safetensors"
        var shapes = [
            "input_blocks.0.0.weight": [width, channels, 3, 3], "time_embed.0.weight": [4 * width, width],
            "input_blocks.1.0.in_layers.0.weight": [width],
        ]
        if added > 0 { shapes["label_emb.0.0.weight"] = [4 * width, added] }
        var tensors = shapes.map { key, shape in
            let count = 2 * shape.reduce(1, *)
            return ("model.diffusion_model.\(key)", Stored(.f16, shape, [UInt8](repeating: 0, count: count)))
        }
        if !marker.isEmpty { tensors.append((marker, Stored(.f32, [], [0, 0, 0, 0]))) }
        try Self.write(Dictionary(uniqueKeysWithValues: tensors), to: path)
        var files = ModelFiles(folder: folder.path)
        files.experts = ["unet": path]
        let message = "\(try #require(#expect(throws: (any Error).self) { try Pipeline(files, compute: compute) }))"
        for word in words + ["relative.safetensors"] { #expect(message.contains(word), "\(message)") }
    }

    /// A grid of the other kind of noise would give wrong pictures in silence.
    @Test func generatorsOfFlowsAreRefused() throws {
        func phases(_ grid: String, expert: String) -> String {
            #"{"default":"a","generators":{"a":{"sampler":"euler",\#(grid),"phases":[{"name":"all","sigma":[0,1],"#
                + #""expert":"\#(expert)","guidance_scale":0}]}}}"#
        }
        for (fixture, grid, expert, word) in [
            (sdxlFixture, #""steps":4,"shift":3"#, "unet", "sigmas of a flow"),
            (qwenFixture, #""discrete":{"times":"trailing","steps":4}"#, "transformer", "1000 times"),
        ] {
            let copy = try ModelCopy(fixture)
            try copy.write(phases(grid, expert: expert), "phases.json")
            let error = #expect(throws: ModelError.self) { try Pipeline(folder: copy.path, compute: compute) }
            let message = "\(try #require(error))"
            #expect(message.contains(word) && message.contains("phases.json"), "\(message)")
        }
    }

    // MARK: Activations beyond float16

    /// The published autoencoder's activations leave float16. Here they are scaled to what no float16 holds, by a power of two and
    /// so that all norms divide the factor out again: the picture must be that of the same weights unscaled.
    @Test(arguments: [Precision.f32, .bf16]) func activationsBeyondFloat16(precision: Precision) throws {
        let factor: Float = 1_048_576
        let copy = try ModelCopy(sdxlFixture)
        func isScaled(_ key: String) -> Bool {
            let isOnStream = [".conv2.", ".conv_shortcut.", ".to_out.0.", "upsamplers.0.conv.", "decoder.conv_in."]
                .contains(where: key.contains)
            // Shortcuts and samplers read the scaled stream: only their biases are to be scaled.
            let readsStream = key.contains(".conv_shortcut.") || key.contains("upsamplers.")
            return key.hasPrefix("decoder.") && isOnStream && (!readsStream || key.hasSuffix(".bias"))
        }
        let weights = try Checkpoint(folder: "\(sdxlFixture)/vae").tensors
        #expect(weights.keys.filter(isScaled).count > 10)
        try SafetensorsWriter.write(
            weights.map { key, weight in
                let values = weight.widened()
                return (key, isScaled(key) ? Tensor(values.array.map { $0 * factor }, shape: values.shape) : values)
            }, to: "\(copy.path)/vae/diffusion_pytorch_model.safetensors")
        func decoded(_ folder: String) throws -> [Float] {
            let pipeline = try Pipeline(
                ModelFiles(folder: folder), compute: compute, vaeCompute: compute.with(precision))
            var values: [Float] = []
            try pipeline.decode(
                GaussianNoise(seed: 3, purpose: .initialLatent)
                    .tensor(shape: pipeline.latentShape(width: 48, height: 40, frames: 1))
            ) { values += $0.array }
            return values
        }
        let (plain, scaled) = (try decoded(sdxlFixture), try decoded(copy.path))
        // One value in 255 at most; float16 would have given none.
        #expect(zip(plain, scaled).allSatisfy { abs($0 - $1) < 1 / 255 })
        #expect((plain.max() ?? 0) - (plain.min() ?? 0) > 0.1)
    }
}
