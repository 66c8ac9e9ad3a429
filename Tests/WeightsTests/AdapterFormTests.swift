import Foundation
import Tensor
import Testing
import Weights

private let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/lora").path

/// Adapters in the forms that tools write, against the weights that numpy merges them to.
@Suite struct AdapterFormTests {
    private static let keys = KeyTable(
        prefixes: ["diffusion_model."],
        [
            ("blocks.#.self_attn.q", "blocks.#.attn1.to_q"), ("blocks.#.self_attn.k", "blocks.#.attn1.to_k"),
            ("blocks.#.self_attn.v", "blocks.#.attn1.to_v"), ("blocks.#.self_attn.o", "blocks.#.attn1.to_out.0"),
            ("blocks.#.ffn.0", "blocks.#.ffn.net.0.proj"), ("blocks.#.ffn.2", "blocks.#.ffn.net.2"),
            ("blocks.#.norm3", "blocks.#.norm2"), ("head.head", "proj_out"),
        ],
        wholes: [
            (
                "blocks.#.attention.qkv",
                ["blocks.#.attn1.to_q", "blocks.#.attn1.to_k", "blocks.#.attn1.to_v"]
            )
        ])

    private func network() throws -> Checkpoint { try Checkpoint(file: "\(fixtures)/network.safetensors") }

    private func adapter(_ path: String, strength: Float = 1, expert: String = "transformer") throws -> Adapter {
        try Adapter(
            file: path, strength: strength, expert: expert,
            targets: AdapterTargets(network(), keys: Self.keys))
    }

    /// A file's path and what its merged weights are called.
    private static func path(_ name: String) -> String { name == "peft" ? name : "\(name).safetensors" }

    @Test(arguments: [
        "kohya", "two_underscores", "kohya_diffusers", "peft_keys", "diffsynth", "nested", "peft", "lokr", "loha",
        "fused",
        "fused_kohya", "fused_lokr", "fused_loha", "deltas", "experts",
    ]) func unmergedIsMerged(name: String) throws {
        let adapter = try adapter("\(fixtures)/\(Self.path(name))")
        try check(adapter, merged: name)
    }

    /// PEFT's settings count also where only its weights are named.
    @Test func settingsBesideTheWeightsCount() throws {
        try check(adapter("\(fixtures)/peft/adapter_model.safetensors"), merged: "peft")
    }

    @Test func theSecondExpertHasItsOwnAlpha() throws {
        try check(adapter("\(fixtures)/experts.safetensors", expert: "transformer_2"), merged: "experts_2")
    }

    private func check(_ adapter: Adapter, merged name: String) throws {
        let expected = try Checkpoint(file: "\(fixtures)/merged.safetensors").tensors
        let keys = expected.keys.filter { $0.hasPrefix("\(name)/") }
        #expect(!keys.isEmpty)
        let base = try network()
        let reader = WeightReader(base, adapters: [adapter])
        let compute = Compute(threads: 2)
        for key in keys {
            let layer = String(key.dropFirst(name.count + 1))
            let values = try #require(expected[key])
            guard !layer.hasSuffix(".bias"), !layer.hasSuffix("norm2.weight") else {
                #expect(difference(try reader.vector(layer, values.shape), values.widened()) < 1e-6, "\(key)")
                continue
            }
            let module = layer.hasSuffix(".weight") ? String(layer.dropLast(7)) : layer
            let (outputs, inputs) = (values.shape[0], values.count / values.shape[0])
            let linear = try reader.linear(module, inputs: inputs, outputs: outputs, storedShape: values.shape)
            #expect(!linear.adapters.isEmpty, "\(key)")
            let whole = values.widened().reshaped([outputs, inputs])
            let largest = whole.array.reduce(1) { max($0, abs($1)) }
            #expect(difference(linear.merged(on: compute), whole) < 1e-6 * largest, "\(key)")
            // Rows as those of a prompt, each of unit length.
            let rows = 7
            let x = Tensor(
                (0..<rows * inputs).map { Float(($0 * 37) % 19 - 9) / (10 * Float(inputs).squareRoot()) },
                shape: [rows, inputs])
            let plain = Linear(weight: Weight(name: "merged", whole), bias: linear.bias)
            #expect(
                difference(compute.linear(x, linear), compute.linear(x, plain)) < 1e-6 * largest, "\(key)")
            let one = Compute(threads: 1)
            #expect(one.linear(x.slice(3..<4), linear).array == compute.linear(x, linear).slice(3..<4).array, "\(key)")
        }
        // Those of layers that numpy did not list would be left over.
        let layers = Set(adapter.updates.keys).union(adapter.deltas.keys)
        #expect(layers.count == keys.count, "\(layers.sorted())")
        try reader.requireAdaptersUsed()
    }

    private func difference(_ a: Tensor, _ b: Tensor) -> Float {
        #expect(a.shape == b.shape)
        return zip(a.array, b.array).reduce(0) { max($0, abs($1.0 - $1.1)) }
    }

    @Test func textEncodersModulesAreKept() throws {
        let file = try Checkpoint(file: "\(fixtures)/experts.safetensors")
        #expect(try AdapterFile(file).textModules.mapValues { $0.map(\.name) } == [0: ["layers.0.q"]])
        #expect(Adapter.hasTextKeys(in: file))
        #expect(try !Adapter.hasTextKeys(in: Checkpoint(file: "\(fixtures)/kohya.safetensors")))
        let targets = AdapterTargets { $0 }
        #expect(
            try Adapter(file, strength: 1, textEncoder: 1, component: "text_encoder_2", targets: targets) == nil)
        // The settings of the text encoder count, not those of the experts: alpha 64, rank 2.
        let adapter = try #require(
            try Adapter(file, strength: 1, textEncoder: 0, component: "text_encoder", targets: targets))
        #expect(adapter.updates.mapValues { $0.map(\.scale) } == ["layers.0.q": [32]])
    }

    /// All ways to say whose module it is.
    @Test(arguments: [
        ("lora_te_text_model_a", 0, "text_model_a", true), ("lora_te1_text_model_a", 0, "text_model_a", true),
        ("lora_te2_text_model_a", 1, "text_model_a", true), ("text_encoder.text_model.a", 0, "text_model.a", false),
        ("base_model.model.text_encoder_2.text_model.a", 1, "text_model.a", false),
        ("conditioner.embedders.1.model.a", 1, "a", false), ("text_encoders.clip_g.transformer.a", 1, "a", false),
    ]) func textEncodersAreToldByPrefix(stem: String, place: Int, name: String, isFlat: Bool) throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/a.safetensors"
        try SafetensorsWriter.write(
            [("lora_down", [2, 3]), ("lora_up", [4, 2])].map { part, shape in
                (name: "\(stem).\(part).weight", value: Tensor(zeros: shape))
            }, to: path)
        let file = try Checkpoint(file: path)
        let content = try AdapterFile(file)
        #expect(content.modules.isEmpty && Adapter.isForTextOnly(file))
        #expect(content.textModules.mapValues { $0.map(\.name) } == [place: [name]])
        #expect(content.textModules[place]?.map(\.isFlat) == [isFlat])
        let error = #expect(throws: WeightError.self) { try Adapter(file: path, strength: 1) { $0 } }
        #expect("\(try #require(error))".contains("text encoders"))
    }

    /// A convolution with factors or a whole change beside its weight gives what the sum of both weights gives.
    @Test(arguments: [1, 3]) func convolutionsAreChangedUnmerged(side: Int) throws {
        let folder = try TemporaryFolder()
        let (inputs, outputs, rank, cells) = (5, 7, 2, side * side)
        func values(_ seed: Int, _ shape: [Int]) -> Tensor {
            Tensor((0..<shape.reduce(1, *)).map { Float(($0 * 37 + seed * 11) % 29) / 29 - 0.5 }, shape: shape)
        }
        let weight = values(1, [outputs, inputs, side, side])
        let (down, up) = (values(2, [rank, inputs, side, side]), values(3, [outputs, rank, 1, 1]))
        let delta = values(4, weight.shape)
        let base = "\(folder.path)/base.safetensors"
        let bias = ("c.bias", values(5, [outputs]))
        try SafetensorsWriter.write([("c.weight", weight), bias], to: base)
        let file = "\(folder.path)/lora.safetensors"
        try SafetensorsWriter.write(
            [
                ("c.lora_down.weight", down), ("c.lora_up.weight", up), ("c.alpha", Tensor([4], shape: [])),
                ("c.diff", delta),
            ], to: file)
        // W + strength (alpha / rank up down + delta), by hand.
        let strength: Float = 0.5
        let merged = Tensor(
            (0..<weight.count).map { index in
                let (row, column) = (index / (inputs * cells), index % (inputs * cells))
                let product = (0..<rank).reduce(Float(0)) {
                    $0 + up.array[row * rank + $1] * down.array[$1 * inputs * cells + column]
                }
                return weight.array[index] + strength * (2 * product + delta.array[index])
            }, shape: weight.shape)
        let sum = "\(folder.path)/sum.safetensors"
        try SafetensorsWriter.write([("c.weight", merged), bias], to: sum)
        let adapter = try Adapter(file: file, strength: strength) { $0 }
        func layer(_ path: String, _ adapters: [Adapter]) throws -> Convolution {
            let reader = WeightReader(try Checkpoint(file: path), adapters: adapters)
            let layer = try reader.convolution("c", inputs: inputs, outputs: outputs, kernel: [side, side])
            try reader.requireAdaptersUsed()
            return layer
        }
        let (compute, x) = (Compute(threads: 2), values(6, [1, 6, 4, inputs]))
        for plan in [ConvolutionPlan(padding: 1), ConvolutionPlan(stride: 2, padding: 1)] {
            let unmerged = compute.convolve(x, try layer(base, [adapter]), plan)
            #expect(difference(unmerged, compute.convolve(x, try layer(sum, []), plan)) < 1e-5)
        }
    }

    /// Modules of LyCORIS on convolutions, against what its own forward gives.
    @Test(arguments: [
        "locon_1", "locon_3", "locon_tucker_3", "loha_1", "loha_3", "loha_tucker_3", "lokr_whole_1", "lokr_whole_3",
        "lokr_right_1", "lokr_right_3", "lokr_both_1", "lokr_both_3", "lokr_tucker_3",
    ]) func convolutionsAreChangedAsByLyCORIS(module: String) throws {
        let golden = try Checkpoint(file: "\(fixtures)/convolutions_golden.safetensors").tensors
        func tensor(_ name: String) throws -> Tensor { try #require(golden[name]).widened() }
        let side = try #require(module.last?.wholeNumberValue)
        let (weight, x) = (try tensor("kernel\(side)"), try tensor("x"))
        let folder = try TemporaryFolder()
        let base = "\(folder.path)/base.safetensors"
        try SafetensorsWriter.write(
            [("\(module).weight", weight), ("\(module).bias", try tensor("bias"))], to: base)
        func layer(_ strengths: [Float]) throws -> Convolution {
            let adapters = try strengths.map { strength throws in
                try Adapter(file: "\(fixtures)/convolutions.safetensors", strength: strength) { $0 }
            }
            return try WeightReader(try Checkpoint(file: base), adapters: adapters).convolution(
                module, inputs: weight.shape[1], outputs: weight.shape[0], kernel: [side, side])
        }
        let compute = Compute(threads: 2)
        for stride in [1, 2] {
            let plan = ConvolutionPlan(stride: stride, padding: side / 2)
            let expected = try tensor("\(module).stride\(stride)")
            let changed = compute.convolve(x, try layer([1]), plan)
            let largest = expected.array.reduce(1) { max($0, abs($1)) }
            #expect(difference(changed, expected) < 2e-6 * largest)
            #expect(Compute(threads: 1).convolve(x, try layer([1]), plan).array == changed.array)
            // Strengths add up.
            #expect(difference(compute.convolve(x, try layer([0.75, 0.25]), plan), expected) < 2e-6 * largest)
            let bare = compute.convolve(x, try layer([]), plan)
            #expect(difference(bare, expected) > 0.1)
            let half = zip(bare.array, expected.array).map { ($0 + $1) / 2 }
            let unmade = compute.convolve(x, try layer([0.5]), plan)
            #expect(difference(unmade, Tensor(half, shape: bare.shape)) < 2e-6 * largest)
        }
    }

    /// Shapes of the parts of a module, and what the message must say of them.
    static let unfitting: [(parts: [(name: String, shape: [Int])], says: [String])] = [
        // Other outputs, other kernels, other channels than the layer's.
        ([("lokr_w1", [2, 3]), ("lokr_w2", [3, 2, 3, 3])], ["\"c\"", "[4, 54]", "[6, 54]"]),
        ([("lokr_w1", [2, 3]), ("lokr_w2", [2, 2, 1, 1])], ["\"c\"", "[4, 54]", "[4, 6]"]),
        (
            [
                ("lora_down.weight", [2, 6, 1, 1]), ("lora_up.weight", [4, 2, 1, 1]),
                ("lora_mid.weight", [2, 2, 5, 5]),
            ],
            ["\"c\"", "[4, 54]", "[4, 150]"]
        ),
        // Parts that do not fit each other.
        (
            [
                ("lora_down.weight", [2, 6, 1, 1]), ("lora_up.weight", [4, 2, 1, 1]),
                ("lora_mid.weight", [2, 3, 3, 3]),
            ],
            ["\"c.lora_mid.weight\" has shape [2, 3, 3, 3]", "[2, 2, kernel]"]
        ),
        (
            [("lora_down.weight", [2, 6, 1, 1]), ("lora_up.weight", [4, 3, 1, 1])],
            ["\"c.lora_up.weight\" has shape [4, 3]", "2 columns"]
        ),
        (
            [
                ("hada_w1_a", [4, 3]), ("hada_w1_b", [3, 6]), ("hada_t1", [3, 3, 3, 3]), ("hada_w2_a", [3, 4]),
                ("hada_w2_b", [3, 6]), ("hada_t2", [3, 3, 3, 3]),
            ], ["\"c.hada_w1_a\" has shape [4, 3]", "3 rows"]
        ),
        (
            [
                ("hada_w1_a", [3, 4]), ("hada_w1_b", [3, 6]), ("hada_t1", [3, 3, 3, 3]), ("hada_w2_a", [4, 3]),
                ("hada_w2_b", [3, 54]),
            ], ["\"c\" lacks the matrix hada_t2 beside hada_t1"]
        ),
        (
            [("lokr_w1", [2, 3]), ("lokr_w2", [2, 2, 3, 3]), ("lokr_t2", [1, 1, 3, 3])],
            ["\"c\" lacks the matrix lokr_w2_b beside lokr_t2"]
        ),
        ([("lora_mid.weight", [2, 2, 3, 3])], ["\"c\" lacks the matrix down beside lora_mid"]),
    ]

    @Test(arguments: unfitting.indices) func convolutionsThatDoNotFitAreRefused(index: Int) throws {
        let folder = try TemporaryFolder()
        let (base, file) = ("\(folder.path)/base.safetensors", "\(folder.path)/a.safetensors")
        try SafetensorsWriter.write(
            [("c.weight", Tensor(zeros: [4, 6, 3, 3])), ("c.bias", Tensor(zeros: [4]))], to: base)
        try SafetensorsWriter.write(
            Self.unfitting[index].parts.map { ("c.\($0.name)", Tensor(zeros: $0.shape)) }, to: file)
        let error = #expect(throws: WeightError.self) {
            try WeightReader(try Checkpoint(file: base), adapters: [try Adapter(file: file, strength: 1) { $0 }])
                .convolution("c", inputs: 6, outputs: 4, kernel: [3, 3])
        }
        let message = "\(try #require(error))"
        for part in Self.unfitting[index].says + ["a.safetensors"] { #expect(message.contains(part), "\(message)") }
    }

    /// Ignored, an alpha of a half would leave its update twice too strong.
    @Test func anAlphaUnderAnotherNameIsNotLost() throws {
        let folder = try TemporaryFolder()
        let (base, file) = ("\(folder.path)/base.safetensors", "\(folder.path)/a.safetensors")
        try SafetensorsWriter.write([("c.weight", Tensor(zeros: [4, 6]))], to: base)
        func used(_ parts: [(String, Tensor)]) throws {
            try SafetensorsWriter.write(parts, to: file)
            let reader = WeightReader(
                try Checkpoint(file: base), adapters: [try Adapter(file: file, strength: 1) { $0 }])
            _ = try reader.linear("c", inputs: 6, outputs: 4, bias: false)
            try reader.requireAdaptersUsed()
        }
        let factors = [("c.lora_down.weight", Tensor(zeros: [2, 6])), ("c.lora_up.weight", Tensor(zeros: [4, 2]))]
        let alpha = Tensor([1], shape: [1])
        try used(factors + [("c.alpha", alpha)])
        let error = #expect(throws: WeightError.self) { try used(factors + [("d.alpha", alpha)]) }
        #expect("\(try #require(error))".contains("1 of its 2 modules are not of this network, e.g. d"), "\(error!)")
    }

    @Test func strengthScalesEveryForm() throws {
        for name in ["lokr", "loha", "deltas"] {
            let half = try adapter("\(fixtures)/\(name).safetensors", strength: 0.5)
            let base = try network()
            let compute = Compute(threads: 1)
            let expected = try Checkpoint(file: "\(fixtures)/merged.safetensors").tensors
            for key in expected.keys where key.hasPrefix("\(name)/blocks") && !key.contains("norm") {
                let module = String(key.dropFirst(name.count + 1))
                let values = try #require(expected[key]?.widened())
                let (outputs, inputs) = (values.shape[0], values.shape[1])
                let reader = WeightReader(base, adapters: [half])
                let merged = try reader.linear(module, inputs: inputs, outputs: outputs).merged(on: compute)
                let before = try #require(base.tensors["\(module).weight"]?.widened().array)
                let middle = zip(before, values.array).map { ($0 + $1) / 2 }
                #expect(difference(merged, Tensor(middle, shape: values.shape)) < 1e-6, "\(key)")
            }
        }
    }

    @Test(arguments: [
        ("blocks.0.a.dora_scale", "DoRA"), ("blocks.0.a.lora_magnitude_vector.weight", "DoRA"),
        ("blocks.0.a.lora_magnitude_vector.default.weight", "DoRA"), ("lora_unet_blocks_0_a.oft_blocks", "OFT"),
        ("base_model.model.a.oft_r.weight", "OFT"),
    ]) func otherKindsAreRefusedByName(key: String, kind: String) throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/a.safetensors"
        try SafetensorsWriter.write([(name: key, value: Tensor([1], shape: [1, 1]))], to: path)
        #expect(Adapter.isAdapter(try Checkpoint(file: path)))
        let error = #expect(throws: WeightError.self) { try Adapter(file: path, strength: 1) { $0 } }
        #expect("\(try #require(error))".contains(kind))
    }

    /// Keys, PEFT settings and the word that refuses them.
    static let refusals: [(settings: String, word: String)] = [
        (#"{"peft_type":"LORA","lora_alpha":8,"use_dora":true}"#, "DoRA"), (#"{"peft_type":"OFT"}"#, "OFT"),
        (#"{"lora_alpha":"8"}"#, "lora_alpha"), (#"{"alpha_pattern":{".*q":3},"lora_alpha":1}"#, ".*q"),
        ("[]", "object"),
        ("version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    ]

    @Test(arguments: refusals.indices) func settingsThatMeanSomethingElseAreRefused(index: Int) throws {
        let folder = try TemporaryFolder()
        try FileManager.default.copyItem(
            atPath: "\(fixtures)/peft/adapter_model.safetensors", toPath: "\(folder.path)/adapter_model.safetensors")
        try folder.write(Array(Self.refusals[index].settings.utf8), "adapter_config.json")
        let error = #expect(throws: WeightError.self) { try adapter(folder.path) }
        let message = "\(try #require(error))"
        #expect(message.contains(Self.refusals[index].word) && message.contains("adapter_config.json"), "\(message)")
    }

    /// What a name with underscores stands for is looked up, never guessed.
    @Test func namesThatTheNetworkLacksAreRefused() throws {
        let adapter = try Adapter(file: "\(fixtures)/kohya.safetensors", strength: 1) { $0 }
        let reader = WeightReader(try network(), adapters: [adapter])
        let error = #expect(throws: WeightError.self) { try reader.requireAdaptersUsed() }
        #expect("\(try #require(error))".contains("6 of its 6 modules"))
        _ = reader
    }

    @Test func familiesAreToldByNamesInAnyForm() throws {
        for name in ["kohya", "two_underscores", "peft_keys", "diffsynth", "loha"] {
            let file = try AdapterFile(Checkpoint(file: "\(fixtures)/\(name).safetensors"))
            #expect(file.hasModules(like: ["blocks.#.self_attn.q", "blocks.#.other"]), "\(name)")
            #expect(!file.hasModules(like: ["transformer_blocks.#.attn.to_q"]), "\(name)")
        }
    }
}
