import Foundation
import Models
import Pictures
import Pipelines
import Support
import Tensor
import Testing
import Weights

/// A text encoder in GGUF whose vision tower is another file, as llama.cpp writes the two.
@Suite struct VisionTowerFileTests {
    private let compute = Compute(threads: 2)
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("phasor-\(UUID())").path

    /// llama.cpp's names; what it splits is not here.
    private static let names = [
        ("model.embed_tokens", "token_embd"), ("model.norm", "output_norm"), ("lm_head", "output"),
        ("model.layers", "blk"), ("input_layernorm", "attn_norm"), ("post_attention_layernorm", "ffn_norm"),
        ("self_attn.q_proj", "attn_q"), ("self_attn.k_proj", "attn_k"), ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"), ("mlp.gate_proj", "ffn_gate"), ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"), ("visual.merger.ln_q", "v.post_ln"), ("visual.merger.mlp", "mm"),
        ("visual.blocks", "v.blk"), ("norm1", "ln1"), ("norm2", "ln2"), ("attn.proj", "attn_out"),
    ]

    /// The text model and the tower of the fixture, each in a file.
    private func write() throws -> (text: String, tower: String) {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        var (text, tower): ([(String, Tensor)], [(String, Tensor)]) = ([], [])
        for (key, weight) in try Checkpoint(folder: "\(editFixture)/text_encoder").tensors {
            let value = weight.widened()
            let name = Self.names.reduce(key) { $0.replacing($1.0, with: $1.1) }
            if key.contains("attn.qkv") {
                let rows = value.shape[0] / 3
                for (index, part) in ["q", "k", "v"].enumerated() {
                    let name = name.replacing("attn.qkv", with: "attn_\(part)")
                    tower.append((name, value.slice(index * rows..<(index + 1) * rows)))
                }
            } else if key.contains("patch_embed") {
                // [outputs, 3, 2, side, side]: a frame each.
                let (outputs, side) = (value.shape[0], value.shape[3])
                for frame in 0..<2 {
                    let rows = value.reshaped([outputs * 3 * 2, side * side])
                    let own = (0..<outputs * 3).map { rows.slice(2 * $0 + frame..<2 * $0 + frame + 1) }
                    tower.append(
                        (
                            "v.patch_embd.weight" + (frame == 0 ? "" : ".1"),
                            Tensor.concatenate(own).reshaped([outputs, 3, side, side])
                        ))
                }
            } else if key.hasPrefix("visual.") {
                tower.append((name, value))
            } else {
                text.append((name, value))
            }
        }
        let paths = (text: "\(folder)/text.gguf", tower: "\(folder)/mmproj.gguf")
        try write(text, architecture: "qwen2vl", to: paths.text)
        try write(tower, architecture: "clip", to: paths.tower)
        return paths
    }

    private func write(_ tensors: [(String, Tensor)], architecture: String, to path: String) throws {
        let writer = try WeightFileWriter(
            path: path, format: .gguf, entries: tensors.map { .init(name: $0, type: .f32, shape: $1.shape) },
            metadata: ["general.architecture": architecture])
        for (name, value) in tensors { try writer.append(Weight(name: name, value).bytes) }
        try writer.finish()
    }

    private func files(_ text: String, _ tower: String?) -> ModelFiles {
        var files = ModelFiles(folder: editFixture)
        (files.textEncoder, files.visionTower) = (text, tower)
        return files
    }

    private func refusal(_ files: ModelFiles) throws -> String {
        "\(try #require(#expect(throws: (any Error).self) { try Pipeline(files, compute: compute) }))"
    }

    @Test func theTwoFilesReadAsTheFolderDoes() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let (text, tower) = try write()
        let picture = try RGBImage(
            width: 60, height: 90, bytes: (0..<60 * 90 * 3).map { UInt8(truncatingIfNeeded: $0 &* 7 / 5) })
        let pipeline = try Pipeline(files(text, tower), compute: compute)
        #expect(pipeline.components.flatMap(\.unusedKeys) == [])
        let whole = try Pipeline(folder: editFixture, compute: compute)
        let rows = try pipeline.encode("make it blue", seeing: [picture]).rows
        let expected = try whole.encode("make it blue", seeing: [picture]).rows
        #expect(rows.shape == expected.shape)
        let distance = zip(rows.array, expected.array).map { abs($0 - $1) }.max() ?? .infinity
        #expect(distance < 1e-4, "\(distance)")
        // Another tower is another text side.
        let plan = whole.generators.generators[0].plan
        #expect(pipeline.identities(of: plan)["text_encoder"] != whole.identities(of: plan)["text_encoder"])
        #expect(try files(text, tower).missing() == [])
        let absent = try files(text, "\(folder)/none.gguf").missing()
        #expect(absent.map(\.part) == ["vision tower"] && absent.map(\.what) == ["\(folder)/none.gguf"])
    }

    @Test func theFileIsKnownForWhatItIs() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let (text, tower) = try write()
        let found = try FileIdentity.all(in: Checkpoint(file: tower))
        #expect(found.map(\.part) == [.visionTower])
        #expect(found.first?.name == "Qwen2.5-VL vision tower of width 24, rows of width 32")
        let names = try [text, "\(editFixture)/text_encoder"].map {
            try FileIdentity.all(in: Checkpoint(path: $0))[0].name
        }
        #expect(
            names == ["", ", with its vision tower"].map { "Qwen2.5 text model of width 32, vocabulary 1408\($0)" })
        #expect(try refusal(files(tower, nil)).contains("not the text encoder it was named for, but Qwen2.5-VL vision"))
        #expect(try refusal(files(text, text)).contains("not the vision tower it was named for, but Qwen2.5 text"))
        #expect(try refusal(files(text, nil)).contains("--vision-tower"))
        var blind = ModelFiles(folder: qwenFixture)
        blind.visionTower = tower
        #expect(try refusal(blind).contains("the text encoder of qwen-image looks at no pictures"))
    }
}
