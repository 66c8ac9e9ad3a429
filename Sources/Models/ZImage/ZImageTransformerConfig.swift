import Weights

/// `config.json` of a diffusers `ZImageTransformer2DModel`.
package struct ZImageTransformerConfig: NetworkConfiguration {
    package let dim: Int
    package let heads: Int
    package let layers: Int
    /// Blocks that see the picture alone, and as many that see the caption alone.
    package let refinerLayers: Int
    package let captionDim: Int
    /// The channels of the autoencoder's latent.
    package let channels: Int
    /// Widths of the sequence, row and column axes in a head.
    package let axes: [Int]
    package let theta: Double
    /// The epsilon of all norms but the last.
    package let eps: Float
    /// What times in 0...1 are multiplied by before their sinusoid is taken.
    package let timeScale: Float
    private let patchSizes: [Int]
    private let framePatchSizes: [Int]
    private let hasHeadNorms: Bool
    private let kvHeads: Int?
    private let pictureDim: Int?

    private enum CodingKeys: String, CodingKey {
        case dim
        case heads = "n_heads"
        case layers = "n_layers"
        case refinerLayers = "n_refiner_layers"
        case captionDim = "cap_feat_dim"
        case channels = "in_channels"
        case axes = "axes_dims"
        case theta = "rope_theta"
        case eps = "norm_eps"
        case timeScale = "t_scale"
        case patchSizes = "all_patch_size"
        case framePatchSizes = "all_f_patch_size"
        case hasHeadNorms = "qk_norm"
        case kvHeads = "n_kv_heads"
        case pictureDim = "siglip_feat_dim"
    }

    package var headDim: Int { dim / heads }
    package var ffnDim: Int { Int(Double(dim) / 3 * 8) }
    /// Side of the square of latent cells that is a token.
    package let patch = 2
    package var patchOutputs: Int { channels * patch * patch }
    /// Width of the time embedding.
    package var timeDim: Int { min(dim, 256) }
    /// Inside the time embedding, and of its sinusoid; not in the file, nor are the next two.
    package let timeHiddenDim = 1024
    package let frequencies = 256
    package let finalEps: Float = 1e-6
    /// Rows of captions and pictures are filled up to a multiple of this.
    package let rowMultiple = 32

    /// The numbers that no shape tells are the published ones, the axes for heads of 128.
    package init(shapesOf checkpoint: Checkpoint) throws(NetworkError) {
        let headDim = try checkpoint.shape(of: "layers.0.attention.norm_q.weight")[0]
        dim = try checkpoint.shape(of: "all_x_embedder.2-1.bias")[0]
        heads = dim / headDim
        func count(_ stack: String) -> Int {
            (0...).first { checkpoint.tensors["\(stack).\($0).attention.norm_q.weight"] == nil } ?? 0
        }
        layers = count("layers")
        refinerLayers = count("noise_refiner")
        captionDim = try checkpoint.shape(of: "cap_embedder.0.weight")[0]
        channels = try checkpoint.shape(of: "all_x_embedder.2-1.weight", axes: 2)[1] / 4
        axes = [32, 48, 48]
        (theta, eps, timeScale) = (256, 1e-5, 1000)
        (patchSizes, framePatchSizes, hasHeadNorms, kvHeads, pictureDim) = ([2], [1], true, nil, nil)
    }

    package func check(file: String) throws(NetworkError) {
        try requireRange(dim, 6...1 << 16, "dim", in: file)
        try requireRange(heads, 1...1024, "n_heads", in: file)
        try requireRange(layers, 1...1024, "n_layers", in: file)
        try requireRange(refinerLayers, 0...1024, "n_refiner_layers", in: file)
        try requireRange(captionDim, 1...1 << 16, "cap_feat_dim", in: file)
        try requireRange(channels, 1...4096, "in_channels", in: file)
        guard dim % heads == 0, axes.count == 3, axes.allSatisfy({ $0 > 0 && $0 % 2 == 0 && $0 <= 1024 }),
            axes.reduce(0, +) == headDim
        else {
            throw .badConfiguration(
                file: file,
                reason: "\"axes_dims\" is \(axes), expected three even widths that fill a head of "
                    + "\(dim) / \(heads) (\"dim\" / \"n_heads\")")
        }
        guard eps > 0, theta > 1, timeScale.isFinite else {
            throw .badConfiguration(
                file: file, reason: "\"norm_eps\" must be above 0, \"rope_theta\" above 1 and \"t_scale\" finite")
        }
        guard patchSizes == [2], framePatchSizes == [1] else {
            throw .unsupported(
                file: file, reason: "patches of \(patchSizes) by \(framePatchSizes) frames (only [2] by [1])")
        }
        guard hasHeadNorms else { throw .unsupported(file: file, reason: "qk_norm false") }
        guard kvHeads ?? heads == heads else {
            throw .unsupported(
                file: file, reason: "n_kv_heads \(kvHeads ?? 0) for \(heads) heads (only as many as n_heads)")
        }
        guard pictureDim == nil else {
            throw .unsupported(file: file, reason: "siglip_feat_dim: a variant that reads pictures (Z-Image-Omni)")
        }
    }
}
