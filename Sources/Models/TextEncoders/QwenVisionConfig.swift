import Foundation
import PromptText
import Weights

/// `vision_config` in the `config.json` of a transformers `Qwen2_5_VLForConditionalGeneration`.
package struct QwenVisionConfig: Sendable {
    package let depth: Int
    package let dim: Int
    package let heads: Int
    package let ffnDim: Int
    /// Width of the rows that the text model reads.
    package let outDim: Int
    /// Pixels along a side of a patch.
    package let patch: Int
    /// Equal frames that a patch of a still picture holds.
    package let frames: Int
    /// Pixels along a side of a window.
    package let window: Int
    /// The blocks that attend to a whole picture; the others attend inside windows.
    package let fullBlocks: Set<Int>

    /// Patches along a side of a group, which becomes one row of text.
    package static let merge = 2

    package var headDim: Int { dim / heads }
    /// Values of a patch: red, green and blue of all frames.
    package var patchValues: Int { 3 * frames * patch * patch }
    /// Groups along a side of a window.
    package var windowGroups: Int { window / (Self.merge * patch) }
    /// The epsilon of every norm; the file does not hold it.
    package let eps: Float = 1e-6

    /// - Throws: `TextError` that names the file and the field.
    package static func read(_ file: String) throws(TextError) -> QwenVisionConfig {
        try checked(JSONFile.decode(File.self, at: URL(fileURLWithPath: file)).config, file: file)
    }

    /// What came with the weights, else what their shapes tell; keys are transformers'.
    /// - Throws: `TextError` that names the file and the field or key.
    package static func of(_ checkpoint: Checkpoint) throws(TextError) -> QwenVisionConfig {
        guard let configuration = checkpoint.configuration else {
            return try checked(QwenVisionConfig(shapesOf: checkpoint), file: checkpoint.path)
        }
        return try checked(
            JSONFile.decode(File.self, from: configuration.json, named: configuration.source).config,
            file: configuration.source)
    }

    /// The numbers that no shape tells are those of Qwen2.5-VL-7B.
    private init(shapesOf checkpoint: Checkpoint) throws(TextError) {
        let prefix = QwenVisionTower.prefix { checkpoint.tensors[$0] != nil } ?? "visual"
        func shape(_ key: String, axes: Int) throws(TextError) -> [Int] {
            guard let shape = checkpoint.tensors["\(prefix).\(key)"]?.shape, shape.count == axes else {
                throw .invalid(
                    file: checkpoint.path, field: "\(prefix).\(key)",
                    reason: "is not there, nor a config.json to tell dimensions")
            }
            return shape
        }
        let hasFramesApart = checkpoint.tensors["\(prefix).patch_embed.proj.weight.1"] != nil
        let patches = try shape("patch_embed.proj.weight", axes: hasFramesApart ? 4 : 5)
        (dim, frames, patch) = (patches[0], hasFramesApart ? 2 : patches[2], patches[patches.count - 1])
        ffnDim = try shape("blocks.0.mlp.gate_proj.weight", axes: 2)[0]
        outDim = try shape("merger.mlp.2.weight", axes: 2)[0]
        depth = (0...).first { checkpoint.tensors["\(prefix).blocks.\($0).norm1.weight"] == nil } ?? 0
        heads = 16
        window = 112
        fullBlocks = [7, 15, 23, 31]
    }

    private static func checked(_ config: QwenVisionConfig, file: String) throws(TextError) -> QwenVisionConfig {
        try requireSizes(
            [
                (.depth, config.depth, 1...1024), (.dim, config.dim, 4...1 << 16), (.heads, config.heads, 1...1024),
                (.ffnDim, config.ffnDim, 1...1 << 20), (.outDim, config.outDim, 1...1 << 16),
                (.patch, config.patch, 1...256), (.frames, config.frames, 1...16),
                (.window, config.window, 1...1 << 14),
            ] as [(CodingKeys, Int, ClosedRange<Int>)], in: file)
        guard config.dim % config.heads == 0, config.headDim % 4 == 0 else {
            throw .invalid(
                file: file, field: CodingKeys.heads.rawValue,
                reason: "\(config.heads) do not divide a width of \(config.dim) into heads of multiples of 4")
        }
        guard config.windowGroups > 0 else {
            throw .invalid(
                file: file, field: CodingKeys.window.rawValue,
                reason: "is \(config.window), smaller than a group of patches of \(config.patch) pixels")
        }
        return config
    }

    private struct File: Decodable {
        let config: QwenVisionConfig

        enum CodingKeys: String, CodingKey { case config = "vision_config" }
    }
}

extension QwenVisionConfig: Decodable {
    private enum CodingKeys: String, CodingKey {
        case depth
        case dim = "hidden_size"
        case heads = "num_heads"
        case ffnDim = "intermediate_size"
        case outDim = "out_hidden_size"
        case patch = "patch_size"
        case frames = "temporal_patch_size"
        case merge = "spatial_merge_size"
        case window = "window_size"
        case fullBlocks = "fullatt_block_indexes"
        case activation = "hidden_act"
    }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        depth = try values.decode(Int.self, forKey: .depth)
        dim = try values.decode(Int.self, forKey: .dim)
        heads = try values.decode(Int.self, forKey: .heads)
        ffnDim = try values.decode(Int.self, forKey: .ffnDim)
        outDim = try values.decode(Int.self, forKey: .outDim)
        patch = try values.decode(Int.self, forKey: .patch)
        frames = try values.decodeIfPresent(Int.self, forKey: .frames) ?? 2
        window = try values.decode(Int.self, forKey: .window)
        fullBlocks = Set(try values.decode([Int].self, forKey: .fullBlocks))
        if let merge = try values.decodeIfPresent(Int.self, forKey: .merge), merge != Self.merge {
            throw DecodingError.dataCorruptedError(
                forKey: .merge, in: values, debugDescription: "is \(merge), and only \(Self.merge) is supported")
        }
        if let activation = try values.decodeIfPresent(String.self, forKey: .activation), activation != "silu" {
            throw DecodingError.dataCorruptedError(
                forKey: .activation, in: values, debugDescription: "\"\(activation)\" is not supported")
        }
    }
}
