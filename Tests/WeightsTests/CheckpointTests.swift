import Foundation
import Tensor
import Testing
import Weights

private let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/wan22-tiny").path

@Suite struct CheckpointTests {
    @Test func shardsOfAnIndexAreOneCheckpoint() throws {
        let sharded = try Checkpoint(folder: "\(fixtures)/transformer")
        let single = try Checkpoint(folder: "\(fixtures)/transformer_2")
        #expect(sharded.files.count > 1)
        #expect(single.files.count == 1)
        #expect(Set(sharded.tensors.keys) == Set(single.tensors.keys))
        // The manifest counts 128372 parameters in each.
        #expect(sharded.parameterCount == 128372)
        #expect(single.parameterCount == 128372)
        #expect(sharded.typeSummary == "f32")
        #expect(single.typeSummary == "bf16")
    }

    @Test func missingShardIsNamed() throws {
        let folder = try TemporaryFolder()
        let index = #"{"weight_map":{"a":"model-00001-of-00001.safetensors"}}"#
        try folder.write(Array(index.utf8), "model.safetensors.index.json")
        let error = #expect(throws: WeightError.self) { try Checkpoint(folder: folder.path) }
        #expect("\(try #require(error))".contains("model-00001-of-00001.safetensors: no such file"))
    }

    /// Shards of which the index was not brought along: none of them is the one that is meant.
    @Test func shardsWithoutTheirIndexAskForIt() throws {
        let folder = try TemporaryFolder()
        for name in ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] {
            try folder.write(safetensors("{}", data: []), name)
        }
        let error = #expect(throws: WeightError.self) { try Checkpoint(folder: folder.path) }
        #expect("\(try #require(error))".contains("model.safetensors.index.json: no such file"))
        try folder.write(safetensors("{}", data: []), "other.safetensors")
        let other = #expect(throws: WeightError.self) { try Checkpoint(folder: folder.path) }
        #expect("\(try #require(other))".contains("3 files"))
    }

    /// What torch.compile, DDP, FSDP and the training code of rCM leave in names.
    @Test(arguments: [
        (["net.a.weight", "net.b"], ["a.weight", "b"]),
        (["module._orig_mod.a.weight", "module._orig_mod.b"], ["a.weight", "b"]),
        (["module.net.a._checkpoint_wrapped_module.weight", "module.net._fsdp_wrapped_module.b"], ["a.weight", "b"]),
        (["blocks.0._orig_mod.q.weight", "module.b"], ["blocks.0.q.weight", "module.b"]),
        (["net.a", "net_ema.a"], ["net.a", "net_ema.a"]), (["net.a", "b"], ["net.a", "b"]),
        (["_orig_mod.a", "a"], ["_orig_mod.a", "a"]), (["a._orig_modern", "b"], ["a._orig_modern", "b"]),
        (["net.a"], ["a"]), ([], []),
    ])
    func namesAreFreeOfWhatTrainingWrapsAroundThem(keys: [String], names: [String]) throws {
        let folder = try TemporaryFolder()
        let entries = keys.enumerated().map {
            "\"\($1)\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[\($0),\($0 + 1)]}"
        }
        let bytes = keys.indices.map { UInt8($0) }
        let path = try folder.write(safetensors("{\(entries.joined(separator: ","))}", data: bytes))
        let tensors = try Checkpoint(file: path).tensors
        #expect(Set(tensors.keys) == Set(names))
        for (index, name) in names.enumerated() { #expect(tensors[name]?.bytes.first == UInt8(index)) }
    }

    @Test func keyThatItsShardLacksIsNamed() throws {
        let folder = try TemporaryFolder()
        let index = #"{"weight_map":{"a":"s.safetensors","b":"s.safetensors"}}"#
        try folder.write(Array(index.utf8), "model.safetensors.index.json")
        try folder.write(
            safetensors(#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, data: [0, 0, 0, 0]), "s.safetensors"
        )
        let error = #expect(throws: WeightError.self) { try Checkpoint(folder: folder.path) }
        #expect("\(try #require(error))".contains("no tensor \"b\""))
    }

    @Test(arguments: ["../x.safetensors", "/etc/passwd"]) func shardOutsideTheFolderIsRefused(name: String) throws {
        let folder = try TemporaryFolder()
        try folder.write(Array(#"{"weight_map":{"a":"\#(name)"}}"#.utf8), "model.safetensors.index.json")
        let error = #expect(throws: WeightError.self) { try Checkpoint(folder: folder.path) }
        #expect("\(try #require(error))".contains("not a plain file name"))
    }

    @Test func readerNamesTheFullKeyAndBothShapes() throws {
        let reader = WeightReader(try Checkpoint(folder: "\(fixtures)/transformer"))
        let scope = reader.scope("blocks", 1).scope("attn1")
        let error = #expect(throws: WeightError.self) { try scope.linear("to_q", inputs: 61, outputs: 60) }
        let message = "\(try #require(error))"
        #expect(message.contains("blocks.1.attn1.to_q.weight"))
        #expect(message.contains("[60, 60]") && message.contains("[60, 61]"))
        let missing = #expect(throws: WeightError.self) { try scope.vector("norm_z.weight", [60]) }
        #expect("\(try #require(missing))".contains("blocks.1.attn1.norm_z.weight"))
    }

    @Test func unusedKeysAreKnown() throws {
        let checkpoint = try Checkpoint(folder: "\(fixtures)/transformer")
        let reader = WeightReader(checkpoint)
        #expect(reader.unusedKeys.count == checkpoint.tensors.count)
        _ = try reader.scope("blocks", 0).scope("attn1").linear("to_q", inputs: 60, outputs: 60)
        #expect(reader.unusedKeys.count == checkpoint.tensors.count - 2)
        #expect(!reader.unusedKeys.contains("blocks.0.attn1.to_q.weight"))
    }
}

@Suite struct AdapterTests {
    private func open(_ name: String, strength: Float = 1) throws -> Adapter {
        try Adapter(file: "\(fixtures)/lora/\(name).safetensors", strength: strength) { $0 }
    }

    /// Rank 4 and alpha 2, written as an I64 scalar, an F32 scalar and in the metadata; no alpha counts as 1.
    @Test func alphaIsReadInEveryForm() throws {
        for name in ["high_noise_lightning", "low_noise_lightning", "high_noise_diffusers"] {
            let adapter = try open(name)
            #expect(adapter.updates.count == 20, "\(name)")
            #expect(adapter.updates.values.allSatisfy { $0.map(\.scale) == [0.5] }, "\(name)")
        }
        let plain = try open("high_noise_distill_full")
        #expect(plain.updates.values.allSatisfy { $0.map(\.scale) == [1] })
        #expect(plain.deltas.keys.contains("blocks.0.self_attn.q.bias"))
    }

    @Test func adapterThatFitsNothingIsRefused() throws {
        let checkpoint = try Checkpoint(folder: "\(fixtures)/transformer")
        // Without the family's renames its modules are unknown to the network.
        let reader = WeightReader(checkpoint, adapters: [try open("high_noise_lightning")])
        _ = try reader.scope("blocks", 0).scope("attn1").linear("to_q", inputs: 60, outputs: 60)
        let error = #expect(throws: WeightError.self) { try reader.requireAdaptersUsed() }
        #expect("\(try #require(error))".contains("20 of its 20 modules"))
    }

    @Test func halfAPairIsRefused() throws {
        let folder = try TemporaryFolder()
        let header = #"{"a.lora_A.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}}"#
        let path = try folder.write(safetensors(header, data: [0, 0, 0, 0]))
        let error = #expect(throws: WeightError.self) { try Adapter(file: path, strength: 1) { $0 } }
        #expect("\(try #require(error))".contains("lacks the matrix up beside down"))
    }

    @Test func unknownKeyIsRefused() throws {
        let folder = try TemporaryFolder()
        let header = #"{"a.dora_scale":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}}"#
        let path = try folder.write(safetensors(header, data: [0, 0, 0, 0]))
        let error = #expect(throws: WeightError.self) { try Adapter(file: path, strength: 1) { $0 } }
        #expect("\(try #require(error))".contains("a.dora_scale"))
    }

    /// Pairs of one module under each of these keys, `[1, 1]` factors of 2 and 3.
    private func pairs(_ keys: [String], more: [String] = []) throws -> (path: String, folder: TemporaryFolder) {
        let folder = try TemporaryFolder()
        var tensors = keys.flatMap {
            [
                ("\($0).lora_A.weight", Tensor([2], shape: [1, 1])),
                ("\($0).lora_B.weight", Tensor([3], shape: [1, 1])),
            ]
        }
        tensors += more.map { ($0, Tensor([7], shape: [1])) }
        let path = "\(folder.path)/lora.safetensors"
        try SafetensorsWriter.write(tensors.map { (name: $0.0, value: $0.1) }, to: path)
        return (path, folder)
    }

    /// diffusers writes the LoRA of the low-noise expert under `transformer_2.`
    @Test func eachExpertTakesItsOwnHalf() throws {
        let (both, _held) = try pairs(["transformer.a", "transformer_2.b"])
        #expect(try Adapter(file: both, strength: 1) { $0 }.updates.keys.sorted() == ["a"])
        #expect(try Adapter(file: both, strength: 1, expert: "transformer_2") { $0 }.updates.keys.sorted() == ["b"])
        let (second, _alsoHeld) = try pairs(["transformer_2.a"])
        let error = #expect(throws: WeightError.self) { try Adapter(file: second, strength: 1) { $0 } }
        #expect("\(try #require(error))".contains("all its keys are of transformer_2"))
        _ = (_held, _alsoHeld)
    }

    @Test func modulationDeltasBelongToTheTable() throws {
        let (path, _held) = try pairs(["blocks.0.a"], more: ["diffusion_model.blocks.0.diff_m"])
        let adapter = try Adapter(file: path, strength: 1) { $0 == "blocks.0.modulation" ? "table" : $0 }
        #expect(adapter.deltas.keys.sorted() == ["table"])
        #expect(adapter.deltas["table"]?.widened().array == [7])
        _ = _held
    }

    @Test func otherFormatsAreNotTakenForALoRA() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(Array("PK\u{3}\u{4}".utf8), "lora.pth")
        let error = #expect(throws: WeightError.self) { try Adapter(file: path, strength: 1) { $0 } }
        #expect("\(try #require(error))".contains("PyTorch"))
    }
}
