import CKernels

/// A convolution over channels-last frames `[T, H, W, C]`.
package struct Convolution: Sendable {
    /// float32 `[kt, out, kh * kw * in]`: the checkpoint's `[out, in, kt, kh, kw]`, gathered once when the model opens
    /// so that a row of taps is contiguous.
    let weight: Tensor
    let bias: Tensor?
    package let inputs: Int
    package let outputs: Int
    package let kernel: (time: Int, height: Int, width: Int)

    private init(weight: Tensor, bias: Tensor?, inputs: Int, outputs: Int, kernel: (time: Int, height: Int, width: Int))
    {
        self.weight = weight
        self.bias = bias
        self.inputs = inputs
        self.outputs = outputs
        self.kernel = kernel
    }

    /// The convolution that remains where all frames but the last one of a window are zero: the last tap in time.
    package var lastTap: Convolution {
        Convolution(
            weight: weight.slice(kernel.time - 1..<kernel.time), bias: bias, inputs: inputs, outputs: outputs,
            kernel: (1, kernel.height, kernel.width))
    }

    /// - Parameter weight: `[out, in, kt, kh, kw]`, or `[out, in, kh, kw]` for a 2-D convolution.
    package init(weight: Weight, bias: Tensor?) {
        let source = weight.widened()
        let shape = weight.shape.count == 4 ? weight.shape[..<2] + [1] + weight.shape[2...] : weight.shape[...]
        let dims = Array(shape)
        let (out, channels, kt, kh, kw) = (dims[0], dims[1], dims[2], dims[3], dims[4])
        let gathered = Tensor(uninitialized: [kt, out, kh * kw * channels])
        var target = gathered.pointer
        for t in 0..<kt {
            for o in 0..<out {
                for tap in 0..<kh * kw {
                    for c in 0..<channels {
                        target.pointee = source.pointer[((o * channels + c) * kt + t) * kh * kw + tap]
                        target += 1
                    }
                }
            }
        }
        withExtendedLifetime(source) {}
        self.weight = gathered
        self.bias = bias
        self.inputs = channels
        self.outputs = out
        self.kernel = (kt, kh, kw)
    }
}

/// How a convolution walks over its input.
package struct ConvolutionPlan {
    package var strideTime = 1
    package var stride = 1
    /// Zeros before the first row and column.
    package var padding = 0
    /// Zeros after the last row and column.
    package var paddingAfter = 0
    /// Nearest-neighbour enlargement of the input before the convolution.
    package var upsample = 1

    package init(strideTime: Int = 1, stride: Int = 1, padding: Int = 0, paddingAfter: Int? = nil, upsample: Int = 1) {
        self.strideTime = strideTime
        self.stride = stride
        self.padding = padding
        self.paddingAfter = paddingAfter ?? padding
        self.upsample = upsample
    }
}

extension Compute {
    /// x `[T, H, W, in]` -> `[T', H', W', out]`, plus `residual` of that shape. Time is not padded: the caller puts the
    /// frames seen before in front.
    package func convolve(
        _ x: Tensor, _ layer: Convolution, _ plan: ConvolutionPlan = ConvolutionPlan(), addingTo residual: Tensor? = nil
    ) -> Tensor {
        let kernel = layer.kernel
        func extent(_ size: Int, _ kernel: Int) -> Int {
            (size * plan.upsample + plan.padding + plan.paddingAfter - kernel) / plan.stride + 1
        }
        let height = extent(x.shape[1], kernel.height)
        let width = extent(x.shape[2], kernel.width)
        let frames = (x.shape[0] - kernel.time) / plan.strideTime + 1
        precondition(x.shape[3] == layer.inputs, "convolution of \(x.shape) with \(layer.inputs) input channels")
        let out = Tensor(uninitialized: [frames, height, width, layer.outputs])
        var work = phasor_convolution(
            frames_in: x.shape[0], height_in: x.shape[1], width_in: x.shape[2], channels: layer.inputs,
            frames_out: frames, height_out: height, width_out: width, outputs: layer.outputs,
            kernel_time: kernel.time, kernel_height: kernel.height, kernel_width: kernel.width,
            stride_time: plan.strideTime, stride: plan.stride, pad: plan.padding, upsample: plan.upsample,
            in: x.pointer, weight: layer.weight.pointer, bias: layer.bias.map { UnsafePointer($0.pointer) },
            residual: residual.map { UnsafePointer($0.pointer) }, out: out.pointer)
        let scratch = Tensor(bytes: phasor_convolution_scratch(engine, &work, Int32(threads)))
        withPool { phasor_convolution_run($0, engine, &work, scratch.pointer) }
        withExtendedLifetime((x, layer, residual, scratch)) {}
        return out
    }
}
