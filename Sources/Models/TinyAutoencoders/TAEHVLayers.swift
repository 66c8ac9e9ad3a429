import Tensor
import Weights

/// A block that remembers: beside each frame it reads its own input for the frame before, zeros for the first one.
package struct TAEHVBlock: Sendable {
    private enum Kind {
        /// relu(conv.4(relu(conv.2(relu(conv.0([x | past]))))) + x), each 3x3.
        case narrow(first: Convolution, second: Convolution, third: Convolution, relu: ChannelScaling)
        /// x + conv.3(relu(conv.1(conv.0([x | past])))): 7x7 for each channel alone, then two products.
        case wide(DepthwiseConvolution, Linear, Linear)
    }

    private let kind: Kind
    private let slot: Int
    private let compute: Compute

    init(
        _ reader: WeightReader, width: Int, isWide: Bool, slots: inout SlotCounter, compute: Compute
    ) throws(WeightError) {
        self.compute = compute
        slot = slots.take()
        if isWide {
            kind = .wide(
                try reader.depthwise("conv.0", channels: 2 * width, side: 7, bias: false),
                try reader.product("conv.1", inputs: 2 * width, outputs: 4 * width, bias: true),
                try reader.product("conv.3", inputs: 4 * width, outputs: width))
        } else {
            kind = .narrow(
                first: try reader.convolution("conv.0", inputs: width, outputs: width, kernel: [3, 3], frames: 2),
                second: try reader.convolution("conv.2", inputs: width, outputs: width, kernel: [3, 3]),
                third: try reader.convolution("conv.4", inputs: width, outputs: width, kernel: [3, 3]),
                relu: ChannelScaling(.relu, channels: width))
        }
    }

    /// The next frames `[T, H, W, C]` of a pass -> the same shape.
    func callAsFunction(_ x: Tensor, _ history: inout CausalHistory) -> Tensor {
        let past = history.frames[slot]
        let count = x.shape[0]
        // A copy apart from what comes and goes: where x lies it would be in the way of larger frames.
        history.keep(Tensor.lasting { x.slice(count - 1..<count).copy() }, in: slot)
        switch kind {
        case .narrow(let first, let second, let third, let relu):
            let plan = ConvolutionPlan(padding: 1)
            // Where nothing came before, the other tap would meet zeros.
            let seen =
                past == nil && count == 1
                ? compute.convolve(x, first.lastTap, plan)
                : compute.convolve(x, first, ConvolutionPlan(framesBefore: 1, padding: 1), after: past)
            let y = compute.convolve(seen, second, plan, scaling: relu)
            return compute.activate(compute.convolve(y, third, plan, scaling: relu, addingTo: x), .relu)
        case .wide(let filters, let widen, let narrow):
            let before = past ?? Tensor(zeros: [1] + x.shape.dropFirst())
            let shifted = count == 1 ? before : Tensor.concatenate([before, x.slice(0..<count - 1)])
            let both = compute.convolve(compute.beside(x, shifted), filters)
            let wide = compute.linear(both, widen, activation: .relu)
            return compute.linear(wide, narrow, addingTo: GatedResidual(x))
        }
    }
}

/// A product that makes several frames of one: 1x1, without bias. Reference: `TGrow` in taehv.py.
package struct TAEHVGrow: Sendable {
    /// One product for each frame.
    let parts: [Linear]

    init(_ reader: WeightReader, _ name: String, width: Int, frames: Int) throws(WeightError) {
        let whole = try reader.product(name, inputs: width, outputs: frames * width)
        parts = (0..<frames).map { whole.slice($0 * width..<($0 + 1) * width) }
    }
}

extension WeightReader {
    /// A 1x1 convolution as the product that it is.
    func product(_ name: String, inputs: Int, outputs: Int, bias: Bool = false) throws(WeightError) -> Linear {
        try linear(name, inputs: inputs, outputs: outputs, bias: bias, storedShape: [outputs, inputs, 1, 1])
    }
}

extension Compute {
    /// The channels of frames `[T, H, W, A]` and `[T, H, W, B]` beside each other.
    func beside(_ a: Tensor, _ b: Tensor) -> Tensor {
        func matrix(_ x: Tensor) -> Tensor { x.reshaped([x.count / x.shape[3], x.shape[3]]) }
        let both = sideBySide([matrix(a), matrix(b)])
        return both.reshaped(a.shape.dropLast() + [both.shape[1]])
    }
}
