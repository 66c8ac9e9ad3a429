import CKernels
import Synchronization

/// A convolution over channels-last frames `[T, H, W, C]`.
package struct Convolution: Sendable {
    private let taps: Taps
    /// Of the taps in time.
    private let first: Int
    let bias: Tensor?
    package let inputs: Int
    package let outputs: Int
    package let kernel: (time: Int, height: Int, width: Int)

    /// - Parameter weight: `[out, in, kt, kh, kw]`, or `[out, in, kh, kw]` for a 2-D convolution.
    package init(weight: Weight, bias: Tensor?) {
        let dims = weight.shape.count == 4 ? weight.shape[..<2] + [1] + weight.shape[2...] : weight.shape[...]
        taps = Taps(weight.reshaped(Array(dims)))
        first = 0
        self.bias = bias
        inputs = dims[1]
        outputs = dims[0]
        kernel = (dims[2], dims[3], dims[4])
    }

    private init(lastTapOf other: Convolution) {
        taps = other.taps
        first = other.first + other.kernel.time - 1
        bias = other.bias
        inputs = other.inputs
        outputs = other.outputs
        kernel = (1, other.kernel.height, other.kernel.width)
    }

    /// The convolution that remains where all frames but the last one of a window are zero: the last tap in time.
    package var lastTap: Convolution { Convolution(lastTapOf: self) }

    /// float32 `[kt, out, kh * kw * in]`
    var weight: Tensor { taps.gathered.slice(first..<first + kernel.time) }

    /// The checkpoint's `[out, in, kt, kh, kw]` as `[kt, out, kh * kw * in]`, so that a row of taps is contiguous. Gathered
    /// when it is first used: opening a model reads no convolution, and making pictures from text no encoder.
    private final class Taps: Sendable {
        private let source: Weight
        private let result = Mutex<Tensor?>(nil)

        init(_ source: Weight) { self.source = source }

        var gathered: Tensor {
            result.withLock { result in
                if let result { return result }
                if let plan = MemoryScope.current.plan { return plan.made(by: self, gather) }
                let made = gather()
                result = made
                return made
            }
        }

        private func gather() -> Tensor {
            let dims = source.shape
            let (out, channels, kt, kh, kw) = (dims[0], dims[1], dims[2], dims[3], dims[4])
            let values = source.widened()
            return Tensor.lasting {
                Tensor(shape: [kt, out, kh * kw * channels]) { gathered in
                    var target = 0
                    for t in 0..<kt {
                        for o in 0..<out {
                            for tap in 0..<kh * kw {
                                for c in 0..<channels {
                                    gathered[target] = values.pointer[((o * channels + c) * kt + t) * kh * kw + tap]
                                    target += 1
                                }
                            }
                        }
                    }
                    withExtendedLifetime(values) {}
                }
            }
        }
    }
}

/// How a convolution walks over its input.
package struct ConvolutionPlan {
    package var strideTime = 1
    package var stride = 1
    /// Frames that the input is preceded by.
    package var framesBefore = 0
    /// Zeros before the first row and column.
    package var padding = 0
    /// Zeros after the last row and column.
    package var paddingAfter = 0
    /// Nearest-neighbour enlargement of the input before the convolution.
    package var upsample = 1

    package init(
        strideTime: Int = 1, stride: Int = 1, framesBefore: Int = 0, padding: Int = 0, paddingAfter: Int? = nil,
        upsample: Int = 1
    ) {
        self.strideTime = strideTime
        self.framesBefore = framesBefore
        self.stride = stride
        self.padding = padding
        self.paddingAfter = paddingAfter ?? padding
        self.upsample = upsample
    }
}

extension Compute {
    /// x `[T, H, W, in]` -> `[T', H', W', out]`, plus `residual` of that shape.
    /// - Parameter past: the last of the plan's `framesBefore`, `[at most that many, H, W, in]`; earlier ones are zeros.
    package func convolve(
        _ x: Tensor, _ layer: Convolution, _ plan: ConvolutionPlan = ConvolutionPlan(), after past: Tensor? = nil,
        addingTo residual: Tensor? = nil
    ) -> Tensor {
        let kernel = layer.kernel
        func extent(_ size: Int, _ kernel: Int) -> Int {
            (size * plan.upsample + plan.padding + plan.paddingAfter - kernel) / plan.stride + 1
        }
        let height = extent(x.shape[1], kernel.height)
        let width = extent(x.shape[2], kernel.width)
        let frames = (plan.framesBefore + x.shape[0] - kernel.time) / plan.strideTime + 1
        let held = past?.shape[0] ?? 0
        precondition(
            held <= plan.framesBefore && (past.map { $0.shape.dropFirst() == x.shape.dropFirst() } ?? true),
            "convolution of \(x.shape) after \(past?.shape ?? []), of \(plan.framesBefore) frames")
        precondition(x.shape[3] == layer.inputs, "convolution of \(x.shape) with \(layer.inputs) input channels")
        let out = Tensor(uninitialized: [frames, height, width, layer.outputs])
        let weight = layer.weight
        var work = phasor_convolution(
            frames_zero: plan.framesBefore - held, frames_held: held, frames_in: x.shape[0], height_in: x.shape[1],
            width_in: x.shape[2], channels: layer.inputs,
            frames_out: frames, height_out: height, width_out: width, outputs: layer.outputs,
            kernel_time: kernel.time, kernel_height: kernel.height, kernel_width: kernel.width,
            stride_time: plan.strideTime, stride: plan.stride, pad: plan.padding, upsample: plan.upsample,
            before: past.map { UnsafePointer($0.pointer) }, in: x.pointer, weight: weight.pointer,
            bias: layer.bias.map { UnsafePointer($0.pointer) },
            residual: residual.map { UnsafePointer($0.pointer) }, out: out.pointer)
        let scratch = Tensor(bytes: phasor_convolution_scratch(engine, &work, Int32(threads)))
        scratch.withUnsafeMutable { scratch in
            withPool { phasor_convolution_run($0, engine, &work, scratch.baseAddress) }
        }
        withExtendedLifetime((x, past, layer, weight, residual)) {}
        return out
    }
}
