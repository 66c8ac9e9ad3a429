import Tensor

extension KernelBenchmark {
    /// What `phasor bench kernels` measures: the shapes of Wan 1.3B, Wan 14B, Qwen-Image, SDXL and SANA-Sprint 1.6B.
    package static var subjects: [Subject] {
        let products = [
            ("wan-1.3b attention", 1536, 1536), ("wan-1.3b feed-forward", 8960, 1536),
            ("qwen-image feed-forward", 12288, 3072), ("wan-14b attention", 5120, 5120),
        ]
        return products.flatMap { name, n, k in
            [1024, 4096].map { linear(name, type: .bf16, rows: $0, outputs: n, inputs: k) }
        } + [
            linear("wan-1.3b feed-forward", type: .q8x0, rows: 1024, outputs: 8960, inputs: 1536),
            linear("wan-1.3b feed-forward", type: .q4k, rows: 1024, outputs: 8960, inputs: 1536),
            linear("wan-1.3b feed-forward", type: .e4m3, rows: 1024, outputs: 8960, inputs: 1536),
            linear("wan-1.3b feed-forward", type: .f32, rows: 1024, outputs: 8960, inputs: 1536),
            linear("wan-1.3b feed-forward", type: .f32, rows: 1024, outputs: 8960, inputs: 1536, precision: .f32),
            linear("wan-1.3b feed-forward", type: .bf16, rows: 1024, outputs: 8960, inputs: 1536, precision: .int8),
            linear("wan-1.3b feed-forward", type: .bf16, rows: 4096, outputs: 8960, inputs: 1536, precision: .int8),
            linear("wan-14b modulation", type: .bf16, rows: 1, outputs: 30720, inputs: 5120),
            linear("wan-14b modulation", type: .q8x0, rows: 1, outputs: 30720, inputs: 5120),
            attention("wan-1.3b", tokens: 1024, heads: 12), attention("wan-1.3b", tokens: 4096, heads: 12),
            attention("wan-1.3b", tokens: 1024, heads: 12, precision: .f32),
            attention("wan-1.3b", tokens: 4096, heads: 12, precision: .int8),
            convolution("wan-vae", channels: 384, size: 64), convolution("wan-vae", channels: 192, size: 128),
            convolution("wan-vae", channels: 96, size: 256),
            convolution("wan-vae", channels: 192, size: 128, precision: .f32),
            flatConvolution("dc-ae", channels: 128, size: 256), flatConvolution("dc-ae", channels: 256, size: 128),
            flatConvolution("dc-ae", channels: 512, size: 64),
            flatConvolution("sdxl", channels: 320, size: 64), flatConvolution("sdxl", channels: 640, size: 32),
            flatConvolution("sdxl", channels: 320, size: 64, precision: .int8),
            flatConvolution("sdxl", channels: 640, size: 32, precision: .int8),
            depthwise("sana", channels: 11200, size: 32), depthwise("dc-ae", channels: 4096, size: 128),
            linearAttention("sana", cells: 1024, heads: 70), linearAttention("dc-ae", cells: 16384, heads: 32),
        ]
    }

    /// x [rows, inputs] times weights [outputs, inputs] stored as `type`.
    static func linear(
        _ name: String, type: ElementType, rows: Int, outputs: Int, inputs: Int, precision: Precision = .bf16
    ) -> Subject {
        Subject(
            name: "linear \(type.rawValue) in \(precision.rawValue), \(name)", shape: "\(rows)x\(outputs)x\(inputs)",
            work: 2 * Double(rows) * Double(outputs) * Double(inputs), precision: precision
        ) { compute in
            let layer = Linear(weight: noise(type, [outputs, inputs]), bias: nil)
            let x = noise([rows, inputs])
            return { _ = compute.linear(x, layer) }
        }
    }

    static func attention(_ name: String, tokens: Int, heads: Int, precision: Precision = .bf16) -> Subject {
        Subject(
            name: "attention \(precision.rawValue), \(name)", shape: "\(heads)x\(tokens)x\(tokens)x128",
            work: 4 * Double(heads) * Double(tokens) * Double(tokens) * 128, precision: precision
        ) { compute in
            let qkv = (0..<3).map { _ in noise([tokens, heads * 128]) }
            return { _ = compute.attention(q: qkv[0], k: qkv[1], v: qkv[2], heads: heads) }
        }
    }

    /// A causal 3x3x3 convolution that makes one frame.
    static func convolution(_ name: String, channels: Int, size: Int, precision: Precision = .bf16) -> Subject {
        Subject(
            name: "convolution 3x3x3 \(precision.rawValue), \(name)", shape: "\(size)x\(size)x\(channels)",
            work: 2 * 27 * Double(channels) * Double(channels) * Double(size) * Double(size), precision: precision
        ) { compute in
            let layer = Convolution(weight: noise(.f32, [channels, channels, 3, 3, 3]), bias: nil)
            let x = noise([3, size, size, channels])
            return { _ = compute.convolve(x, layer, ConvolutionPlan(padding: 1)) }
        }
    }

    /// A 3x3 convolution of one picture.
    static func flatConvolution(_ name: String, channels: Int, size: Int, precision: Precision = .bf16) -> Subject {
        Subject(
            name: "convolution 3x3 \(precision.rawValue), \(name)", shape: "\(size)x\(size)x\(channels)",
            work: 2 * 9 * Double(channels * channels) * Double(size * size), precision: precision
        ) { compute in
            let layer = Convolution(weight: noise(.f32, [channels, channels, 3, 3]), bias: nil)
            let x = noise([1, size, size, channels])
            return { _ = compute.convolve(x, layer, ConvolutionPlan(padding: 1)) }
        }
    }

    /// A 3x3 convolution of each channel with itself, one half of the channels gating the other: memory is its limit.
    static func depthwise(_ name: String, channels: Int, size: Int) -> Subject {
        Subject(
            name: "depthwise 3x3 f32, gated, \(name)", shape: "\(size)x\(size)x\(channels)",
            work: 2 * 9 * Double(channels) * Double(size * size), precision: .f32
        ) { compute in
            let layer = DepthwiseConvolution(weight: noise([channels, 1, 3, 3]), bias: nil)
            let x = noise([1, size, size, channels])
            return { _ = compute.convolve(x, layer, gated: true) }
        }
    }

    static func linearAttention(_ name: String, cells: Int, heads: Int) -> Subject {
        Subject(
            name: "linear attention f32, \(name)", shape: "\(heads)x\(cells)x32",
            work: 4 * Double(heads) * Double(cells) * 32 * 33, precision: .f32
        ) { compute in
            let qkv = (0..<3).map { _ in noise([cells, heads * 32]) }
            return { _ = compute.linearAttention(q: qkv[0], k: qkv[1], v: qkv[2], batch: 1, heads: heads) }
        }
    }

    /// Repeatable values in -0.5..<0.5.
    static func noise(_ shape: [Int]) -> Tensor {
        let tensor = Tensor(uninitialized: shape)
        tensor.withUnsafeMutable { values in
            var state: UInt32 = 1
            for index in values.indices {
                state = state &* 1_664_525 &+ 1_013_904_223
                values[index] = Float(state >> 8) * 0x1p-24 - 0.5
            }
        }
        return tensor
    }

    /// Weights of a type, made of bytes below 0x40: no 16-bit scale or value is then infinite or above 2.
    static func noise(_ type: ElementType, _ shape: [Int]) -> Weight {
        guard type != .f32 else { return Weight(name: "noise", noise(shape)) }
        let count = type.bytes(of: shape.reduce(1, *))
        let storage = Storage(count: (count + 3) / 4)
        let bytes = UnsafeMutableRawBufferPointer(start: storage.pointer, count: count)
        var state: UInt32 = 1
        for index in bytes.indices {
            state = state &* 1_664_525 &+ 1_013_904_223
            bytes[index] = UInt8(state >> 26)
        }
        return Weight(
            name: "noise", type: type, shape: shape, bytes: UnsafeRawBufferPointer(bytes), owner: storage)
    }
}
