import Tensor
import Weights

/// What an `AutoencoderTiny` is made of: told by the tensors, and by a `config.json` where one came with them.
package struct AutoencoderTinyConfig: Sendable {
    package let latentChannels: Int
    /// Channels everywhere inside.
    package let width: Int
    /// Blocks of each level, in the order that data passes them.
    package let decoderBlocks: [Int]
    /// The blocks of the encoder; nil for a file of the decoder alone.
    package let encoderBlocks: [Int]?
    /// Within blocks; a ReLU ends each block whatever this is.
    package let activation: Activation
    /// Latents are (z - shift) * scaling of the networks'; of all published files 1 and 0.
    package let scaling: Float
    package let shift: Float
    let layout: Layout

    /// What the layers are called. diffusers does not count the squashing that the original decoder begins with.
    enum Layout: CaseIterable {
        case diffusers, together, decoderAlone

        func decoder(_ index: Int) -> String {
            switch self {
            case .diffusers: "decoder.layers.\(index)"
            case .together: "taesd_decoder.\(index + 1)"
            case .decoderAlone: "\(index + 1)"
            }
        }

        func encoder(_ index: Int) -> String {
            switch self {
            case .diffusers: "encoder.layers.\(index)"
            case .together: "taesd_encoder.\(index)"
            case .decoderAlone: ""
            }
        }

        /// The layout of a file; nil for a file of something else.
        static func of(_ checkpoint: Checkpoint) -> Layout? {
            allCases.first { layout in
                checkpoint.tensors["\(layout.decoder(0)).weight"]?.shape.count == 4
                    && checkpoint.tensors["\(layout.decoder(2)).conv.0.weight"]?.shape.count == 4
            }
        }
    }

    /// `config.json` of diffusers, as far as it says more than the shapes do.
    private struct File: Decodable {
        let activation: String?
        let enlargement: String?
        let factor: Int?
        let scaling, shift: Float?

        enum CodingKeys: String, CodingKey {
            case activation = "act_fn"
            case enlargement = "upsample_fn"
            case factor = "upsampling_scaling_factor"
            case scaling = "scaling_factor"
            case shift = "shift_factor"
        }
    }

    /// - Throws: `NetworkError` for a configuration that cannot be read or is not built, and where the tensors are none of this
    ///   network.
    package init(_ checkpoint: Checkpoint) throws(NetworkError) {
        guard let layout = Layout.of(checkpoint) else {
            throw .unsupported(file: checkpoint.path, reason: "it has no layers of an AutoencoderTiny")
        }
        let first = try checkpoint.shape(of: "\(layout.decoder(0)).weight", axes: 4)
        (latentChannels, width) = (first[1], first[0])
        self.layout = layout
        decoderBlocks = try Self.levels(of: checkpoint, from: 2, between: 2) { layout.decoder($0) }
        let hasEncoder = checkpoint.tensors["\(layout.encoder(0)).weight"] != nil
        encoderBlocks = hasEncoder ? try Self.levels(of: checkpoint, from: 1, between: 1) { layout.encoder($0) } : nil

        let file = try checkpoint.configuration.map { source throws(NetworkError) in
            try decodeConfiguration(File.self, source)
        }
        (scaling, shift) = (file?.scaling ?? 1, file?.shift ?? 0)
        let source = checkpoint.configuration?.source ?? checkpoint.path
        func refuse(_ key: String, _ value: String) -> NetworkError {
            .unsupported(file: source, reason: "\"\(key)\" \(value)")
        }
        switch file?.activation ?? "relu" {
        case "relu": activation = .relu
        case "silu": activation = .silu
        case let other: throw refuse("act_fn", "\"\(other)\"")
        }
        if let other = file?.enlargement, other != "nearest" { throw refuse("upsample_fn", "\"\(other)\"") }
        if let other = file?.factor, other != 2 { throw refuse("upsampling_scaling_factor", "\(other)") }
        guard scaling.isFinite, scaling > 0, shift.isFinite else {
            throw .badConfiguration(
                file: source, reason: "\"scaling_factor\" \(scaling) must be positive, and \"shift_factor\" finite")
        }
    }

    /// Blocks of each level: after each level but the last comes a convolution without bias, after the last one with.
    /// - Parameters:
    ///   - first: index of the first block.
    ///   - between: layers from a level's last block to the next level's first.
    private static func levels(
        of checkpoint: Checkpoint, from first: Int, between: Int, _ name: (Int) -> String
    ) throws(NetworkError) -> [Int] {
        var (levels, index): ([Int], Int) = ([], first)
        while levels.count < 8 {
            var blocks = 0
            while checkpoint.tensors["\(name(index)).conv.0.weight"] != nil {
                (blocks, index) = (blocks + 1, index + 1)
            }
            levels.append(blocks)
            if checkpoint.tensors["\(name(index)).bias"] != nil { return levels }
            index += between
        }
        throw .unsupported(file: checkpoint.path, reason: "more than 8 levels of layers")
    }
}
