import Foundation
import Tensor
import Testing
import Weights

/// A safetensors file of zeros with these tensors.
func zeros(
    _ tensors: [(name: String, dtype: String, shape: [Int])], metadata: [String: String] = [:],
    contents: [String: [UInt8]] = [:]
) throws -> [UInt8] {
    let sizes = ["F32": 4, "BF16": 2, "F16": 2, "I32": 4, "U32": 4]
    var header: [String: Any] = metadata.isEmpty ? [:] : ["__metadata__": metadata]
    var data: [UInt8] = []
    for (name, dtype, shape) in tensors {
        let size = contents[name]?.count ?? shape.reduce(1, *) * (sizes[dtype] ?? 1)
        header[name] = ["dtype": dtype, "shape": shape, "data_offsets": [data.count, data.count + size]]
        data += contents[name] ?? [UInt8](repeating: 0, count: size)
    }
    let json = try JSONSerialization.data(withJSONObject: header, options: [.sortedKeys])
    return safetensors(String(decoding: json, as: UTF8.self), data: data)
}

/// A file's tensors with what its folder's `config.json` says, and the words that its refusal must have.
private struct Form: Sendable, CustomTestStringConvertible {
    let name: String
    let tensors: [(name: String, dtype: String, shape: [Int])]
    var metadata: [String: String] = [:]
    var contents: [String: [UInt8]] = [:]
    var config: String?
    let words: [String]

    var testDescription: String { name }

    /// With ComfyUI's note beside the weight.
    static func marked(_ name: String, _ dtype: String, scale: String, _ note: String, _ words: [String]) -> Form {
        Form(
            name: name,
            tensors: [
                ("blocks.0.q.weight", dtype, [4, 4]), ("blocks.0.q.weight_scale", scale, [4, 1]),
                ("blocks.0.q.comfy_quant", "U8", [note.utf8.count]),
            ], contents: ["blocks.0.q.comfy_quant": Array(note.utf8)], words: words)
    }

    static let all: [Form] = [
        Form(
            name: "nvfp4 by its second scale",
            tensors: [
                ("q.weight", "U8", [4, 2]), ("q.weight_scale", "F8_E4M3", [4, 1]), ("q.weight_scale_2", "F32", []),
            ], words: ["NVFP4"]),
        Form(
            name: "nvfp4 by its metadata", tensors: [("q.weight", "U8", [4, 2])],
            metadata: ["_quantization_metadata": #"{"layers":{"q":{"format":"nvfp4"}}}"#], words: ["NVFP4"]),
        marked("mxfp8", "F8_E4M3", scale: "U8", #"{"format":"mxfp8"}"#, ["MXFP8"]),
        Form(
            name: "mxfp8 without a note",
            tensors: [("q.weight", "F8_E4M3", [4, 4]), ("q.weight_scale", "F8_E8M0", [4, 1])], words: ["MXFP8"]),
        marked("mxfp4", "U8", scale: "U8", #"{"format":"mxfp4"}"#, ["MXFP4"]),
        marked(
            "rotated int8", "I8", scale: "F32", #"{"format":"int8_tensorwise","convrot":true}"#, ["int8", "ConvRot"]),
        marked("a format to come", "U8", scale: "F32", #"{"format":"int3_magic"}"#, ["int3_magic"]),
        Form(
            name: "int8 in blocks without a note",
            tensors: [("q.weight", "I8", [4, 4]), ("q.weight_scale", "F32", [4, 2])],
            words: ["int8"]),
        Form(
            name: "bitsandbytes by its keys",
            tensors: [
                ("q.weight", "U8", [8, 1]), ("q.weight.absmax", "U8", [1]), ("q.weight.quant_map", "F32", [16]),
                ("q.weight.quant_state.bitsandbytes__nf4", "U8", [9]),
            ], words: ["bitsandbytes"]),
        Form(
            name: "bitsandbytes by its configuration", tensors: [("q.weight", "U8", [8, 1])],
            config: #"{"quantization_config":{"quant_method":"bitsandbytes","bnb_4bit_quant_type":"nf4"}}"#,
            words: ["bitsandbytes", "NF4"]),
        Form(
            name: "SDNQ",
            tensors: [("q.weight", "U8", [8]), ("q.scale", "BF16", [4, 1, 1]), ("q.zero_point", "BF16", [4, 1, 1])],
            config: #"{"quantization_config":{"quant_method":"sdnq","weights_dtype":"uint4"}}"#,
            words: ["SDNQ", "uint4"]),
        Form(
            name: "Nunchaku", tensors: [("q.qweight", "I8", [4, 2]), ("q.wscales", "BF16", [1, 4])],
            words: ["Nunchaku", "SVDQuant"]),
        Form(name: "GPTQ", tensors: [("q.qweight", "I32", [4, 2]), ("q.qzeros", "I32", [1, 4])], words: ["GPTQ"]),
        Form(
            name: "MLX", tensors: [("q.weight", "U32", [4, 2]), ("q.scales", "BF16", [4]), ("q.biases", "BF16", [4])],
            words: ["MLX"]),
        Form(
            name: "quanto", tensors: [("q.weight._data", "I8", [4, 2]), ("q.weight._scale", "BF16", [4])],
            words: ["quanto"]),
        Form(
            name: "a method to come", tensors: [("q.weight", "I32", [4, 2])],
            config: #"{"quantization_config":{"quant_method":"quantum"}}"#, words: ["quantum"]),
    ]
}

/// Weights in forms that are not read, and factors that are not understood: told by what they are.
@Suite struct ForeignWeightTests {
    @Test(arguments: Form.all) private func formsThatAreNotReadAreNamed(form: Form) throws {
        let folder = try TemporaryFolder()
        try folder.write(zeros(form.tensors, metadata: form.metadata, contents: form.contents), "model.safetensors")
        if let config = form.config { try folder.write(Array(config.utf8), "config.json") }
        var messages: Set<String> = []
        for _ in 0..<5 {
            let error = #expect(throws: WeightError.self) { try Checkpoint(folder: folder.path) }
            messages.insert("\(try #require(error))")
        }
        #expect(messages.count == 1, "\(messages)")
        for word in form.words + ["GGUF", folder.path] {
            #expect(messages.first?.contains(word) == true, "\(messages)")
        }
    }

    /// A factor for each row, with ComfyUI's note and without it, as LightX2V writes: 2 and 3 times 0.5, -4 times 0.25.
    @Test(arguments: [true, false]) func int8WithFactorsOfRowsIsRead(isNoted: Bool) throws {
        let note = #"{"format":"int8_tensorwise"}"#
        let scales: [Float] = [0.5, 0.25]
        let bytes = try zeros(
            [
                ("q.weight", "I8", [2, 2]), ("q.weight_scale", "F32", [2, 1]), ("q.bias", "F32", [2]),
            ] + (isNoted ? [("q.comfy_quant", "U8", [note.utf8.count])] : []),
            contents: [
                "q.weight": [2, 3, 252, 0], "q.weight_scale": scales.withUnsafeBytes { Array($0) },
                "q.comfy_quant": Array(note.utf8),
            ])
        let folder = try TemporaryFolder()
        let checkpoint = try Checkpoint(file: folder.write(bytes))
        #expect(checkpoint.tensors.keys.sorted() == ["q.bias", "q.weight"])
        #expect(checkpoint.tensors["q.weight"]?.widened().array == [1, 1.5, -1, 0])
        let layer = try WeightReader(checkpoint).linear("q", inputs: 2, outputs: 2)
        #expect(Compute(threads: 1).linear(Tensor([1, 10], shape: [1, 2]), layer).array == [16, -1])
    }

    @Test(
        arguments: ["F8_E4M3", "F8_E5M2"], ["weight_scale_inv", "weight.scale", "weight_zero_point", "pre_quant_scale"])
    func factorsThatAreNotUnderstoodAreNamed(type: String, factor: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(zeros([("a.b.weight", type, [2, 2]), ("a.b.\(factor)", "F32", [])]))
        let error = #expect(throws: WeightError.self) { try Checkpoint(file: path) }
        #expect("\(try #require(error))".contains("\"a.b.\(factor)\""))
    }

    @Test func twoFactorsOfOneWeightAreRefused() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(
            zeros([("q.weight", "F8_E4M3", [2, 2]), ("q.weight_scale", "F32", []), ("q.scale_weight", "F32", [])]))
        let error = #expect(throws: WeightError.self) { try Checkpoint(file: path) }
        #expect("\(try #require(error))".contains("two factors"))
    }

    /// A factor counts for whatever type its weight has, and an e5m2 marker is no tensor.
    @Test(arguments: [("BF16", [0x80, 0x3F, 0, 0x40] as [UInt8]), ("F8_E5M2", [0x3C, 0x40])])
    func factorsCountForEveryType(type: String, values: [UInt8]) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(
            zeros(
                [("q.weight", type, [1, 2]), ("q.scale_weight", "F32", []), ("scaled_fp8", "F8_E5M2", [0])],
                contents: ["q.weight": values, "q.scale_weight": [0, 0, 0, 0x3F]]))
        let checkpoint = try Checkpoint(file: path)
        #expect(checkpoint.tensors.keys.sorted() == ["q.weight"])
        #expect(checkpoint.tensors["q.weight"]?.widened().array == [0.5, 1])
    }

    /// What decides a result besides the tensors' bytes is in the digest: factors, PEFT's settings, a tokenizer.
    @Test func digestsCoverWhatDecides() throws {
        let folder = try TemporaryFolder()
        func digest(_ factor: UInt8, _ settings: String, _ spiece: UInt8) throws -> String {
            let path = try folder.write(
                zeros(
                    [("q.weight", "F8_E4M3", [1, 1]), ("q.scale_weight", "F32", []), ("spiece_model", "U8", [1])],
                    metadata: ["lora_adapter_metadata": settings],
                    contents: ["q.scale_weight": [0, 0, factor, 0x3F], "spiece_model": [spiece]]))
            return try Checkpoint(file: path).contentDigest
        }
        let all = try [
            digest(0, "{}", 1), digest(0x80, "{}", 1), digest(0, "{\"transformer.lora_alpha\":2}", 1),
            digest(0, "{}", 2),
        ]
        #expect(Set(all).count == 4)
        #expect(try digest(0, "{}", 1) == all[0])
    }

    /// Ordinary tensors with such words in their names stay what they are.
    @Test func tablesOfModulationAreNoFactors() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(
            zeros([
                ("blocks.0.scale_shift_table", "F32", [1, 6, 2]), ("blocks.0.norm.scale", "F32", [2]),
                ("blocks.0.norm.weight", "BF16", [2]), ("logit_scale", "F32", []),
            ]))
        #expect(try Checkpoint(file: path).tensors.count == 4)
    }
}
