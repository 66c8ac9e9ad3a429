import CKernels
import Synchronization

/// A convolution over channels-last frames `[T, H, W, C]`.
package struct Convolution: Sendable {
    fileprivate let taps: Taps
    /// The first of the taps in time.
    private let first: Int
    let bias: Tensor?
    package let inputs: Int
    package let outputs: Int
    package let kernel: (time: Int, height: Int, width: Int)
    let updates: [ConvolutionUpdate]

    /// - Parameters:
    ///   - weight: `[out, in, kt, kh, kw]`, or `[out, in, kh, kw]` for a 2-D convolution.
    ///   - frames: of a 2-D convolution whose input channels are those of so many frames, `[out, frames * in, kh, kw]`, the
    ///     last frame first: it becomes a convolution in time as well, with kt = frames.
    ///   - updates: what LoRA files add to the weight as a matrix `[out, in * kernel]`. Low-rank ones stay beside it; the
    ///     others are added to it where its taps are packed, which makes a copy anyway.
    package init(weight: Weight, bias: Tensor?, frames: Int = 1, updates: [LayerUpdate] = []) {
        let dims =
            weight.shape.count == 4
            ? [weight.shape[0], weight.shape[1] / frames, frames] + weight.shape[2...] : weight.shape
        let beside = updates.map { ConvolutionUpdate($0, inputs: dims[1], kernel: Array(dims[2...])) }
        taps = Taps(
            weight.reshaped(dims), framesAsChannels: frames,
            changes: zip(updates, beside).filter { $0.1 == nil }.map(\.0))
        first = 0
        self.bias = bias
        inputs = dims[1]
        outputs = dims[0]
        kernel = (dims[2], dims[3], dims[4])
        self.updates = beside.compactMap { $0 }
    }

    private init(_ other: Convolution, bias: Tensor) {
        taps = other.taps
        first = other.first
        self.bias = bias
        inputs = other.inputs
        outputs = other.outputs
        kernel = other.kernel
        updates = other.updates
    }

    /// The convolution with `[outputs]` added to its bias.
    package func biased(by shift: Tensor) -> Convolution {
        precondition(shift.count == outputs, "a shift of \(shift.shape) for \(outputs) outputs")
        let sum = Tensor(shape: [outputs]) { sum in
            shift.withUnsafe { shift in
                for index in sum.indices { sum[index] = (bias?.pointer[index] ?? 0) + shift[index] }
            }
        }
        return Convolution(self, bias: sum)
    }

    private init(lastTapOf other: Convolution) {
        taps = other.taps
        first = other.first + other.kernel.time - 1
        bias = other.bias
        inputs = other.inputs
        outputs = other.outputs
        kernel = (1, other.kernel.height, other.kernel.width)
        updates = other.updates.map(\.lastTap)
    }

    /// The convolution that remains where all frames but the last one of a window are zero: the last tap in time.
    package var lastTap: Convolution { Convolution(lastTapOf: self) }

    /// What reads packed taps. Engines are constants, which threads may share.
    fileprivate struct Form: Hashable, @unchecked Sendable {
        let engine: OpaquePointer
        /// Outputs along the side of one of Winograd's squares; 0 where taps are multiplied.
        var square = 0
        /// Whether the taps are those of an enlarged picture's four phases.
        var isByPhases = false

        /// Of kernels of 3x3 taps, what takes the place of each kernel: its frequencies, or the taps of one phase. Nil: its taps.
        var kernelSize: Int? { square > 0 ? (square + 2) * (square + 2) : isByPhases ? 4 : nil }

        /// Writes what takes the place of `count` kernels, of phases that of one.
        func fill(_ target: UnsafeMutablePointer<Float>, phase: Int, from kernels: UnsafePointer<Float>, count: Int) {
            if square > 0 { phasor_winograd_weights(square, kernels, count, target) }
            if isByPhases { phasor_phase_weights(phase, kernels, count, target) }
        }
    }

    /// Taps as a kernel reads them.
    fileprivate struct Panels {
        let tensor: Tensor
        /// In time: the first tap that is among them.
        let first: Int
    }

    /// The panels of a convolution's taps, and where its first tap is among them.
    fileprivate func panels(_ form: Form, _ compute: Compute) -> (Tensor, count: Int, first: Int) {
        let panels = taps.panels(form, from: first, compute)
        let area = kernel.height * kernel.width
        return (panels.tensor, taps.count - panels.first * area, (first - panels.first) * area)
    }

    /// The checkpoint's `[out, in, taps]` as the kernel of an engine reads them. Packed when they are first used: opening a
    /// model reads no convolution, and making pictures from text no encoder. Where only the last taps in time were used so far, as for
    /// single pictures, only those are packed.
    fileprivate final class Taps: Sendable {
        private let source: Weight
        /// More than 1 where the source has the taps in time, from the last to the first, outside its input channels.
        private let framesAsChannels: Int
        private let changes: [LayerUpdate]
        private let results = Mutex<[Form: Panels]>([:])

        init(_ source: Weight, framesAsChannels: Int, changes: [LayerUpdate]) {
            self.source = source
            self.framesAsChannels = framesAsChannels
            self.changes = changes
        }

        var count: Int { source.shape[2...].reduce(1, *) }

        /// Panels that have the taps in time from `first` on.
        func panels(_ form: Form, from first: Int, _ compute: Compute) -> Panels {
            results.withLock { results in
                if let plan = MemoryScope.current.plan {
                    return plan.keeping(for: self, initially: results) { find(form, from: first, in: &$0, compute) }
                }
                return find(form, from: first, in: &results, compute)
            }
        }

        private func find(_ form: Form, from first: Int, in results: inout [Form: Panels], _ compute: Compute) -> Panels
        {
            if let known = results[form], known.first <= first { return known }
            // Those of the last taps alone go: they will be among the new ones.
            results[form] = nil
            let made = Panels(tensor: packed(form, from: first, compute), first: first)
            results[form] = made
            return made
        }

        private func packed(_ form: Form, from first: Int, _ compute: Compute) -> Tensor {
            let (outputs, inputs) = (source.shape[0], source.shape[1])
            var values = source.widened()
            for change in changes { compute.merge(change, into: values) }
            if framesAsChannels > 1 { values = tapsInTime(values) }
            let (all, left) = (count, count - first * (count / source.shape[2]))
            // 64 outputs at a time. Some of the taps, and what takes their place, are tensors of their own first.
            let taps = form.kernelSize.map { left / 9 * $0 } ?? left
            let some = left < all ? 64 * inputs * left : 0
            let others = form.kernelSize == nil ? 0 : 64 * inputs * taps
            let bytes = phasor_convolution_panel_bytes(form.engine, 64, inputs, taps)
            let (phases, count) = (form.isByPhases ? 4 : 1, (outputs + 63) / 64)
            let phaseBytes = phasor_convolution_panel_bytes(form.engine, outputs, inputs, taps)
            let panels = Tensor.lasting { Tensor(bytes: phases * phaseBytes) }
            let buffers = Tensor(uninitialized: [compute.threads, 16 * inputs + some + others])
            compute.parallel(phases * count) { item, worker in
                let (phase, panel) = (item / count, item % count)
                let (first, columns) = (64 * panel, min(64, outputs - 64 * panel))
                let buffer = buffers.pointer + worker * (16 * inputs + some + others)
                var weight = values.pointer + first * inputs * all
                if some > 0 {
                    let chosen = buffer + 16 * inputs
                    for row in 0..<columns * inputs {
                        (chosen + row * left).update(from: weight + row * all + all - left, count: left)
                    }
                    weight = chosen
                }
                if others > 0 {
                    let kernels = buffer + 16 * inputs + some
                    form.fill(kernels, phase: phase, from: weight, count: columns * inputs * left / 9)
                    weight = kernels
                }
                phasor_convolution_pack(
                    form.engine, weight, columns, inputs, taps, buffer,
                    UnsafeMutableRawPointer(panels.pointer) + phase * phaseBytes + panel * bytes)
            }
            withExtendedLifetime((values, buffers)) {}
            return panels
        }

        /// `[out, frames, in, area]`, the last frame first, -> `[out, in, frames, area]`, the first frame first.
        private func tapsInTime(_ values: Tensor) -> Tensor {
            let (inputs, frames) = (source.shape[1], framesAsChannels)
            let area = count / frames
            return Tensor(shape: source.shape) { out in
                values.withUnsafe { values in
                    for target in out.indices {
                        let (place, frame) = (target % area, target / area % frames)
                        let (input, output) = (target / count % inputs, target / (count * inputs))
                        out[target] = values[((output * frames + frames - 1 - frame) * inputs + input) * area + place]
                    }
                }
            }
        }
    }
}

/// A low-rank update of a convolution that stays beside its weight: up(down(x)) is added to what the weight gives.
struct ConvolutionUpdate: Sendable {
    /// The convolution to the rank's channels.
    let down: Convolution
    /// `[out, rank]`
    let up: Linear
    let scale: Float

    /// - Parameter update: of the weight as a matrix `[out, in * kernel]`.
    /// - Returns: nil for a form that is not two factors.
    init?(_ update: LayerUpdate, inputs: Int, kernel: [Int]) {
        let plain: LayerUpdate
        switch update.form {
        case .lowRank: plain = update
        case .tucker(_, .lowRank): plain = Tensor.lasting { update.expanded() }
        case .tucker, .kronecker, .hadamard, .whole: return nil
        }
        guard case .lowRank(let down, let up) = plain.form else { return nil }
        self.down = Convolution(weight: down.reshaped([down.shape[0], inputs] + kernel), bias: nil)
        self.up = Linear(weight: up, bias: nil)
        scale = update.scale
    }

    private init(down: Convolution, up: Linear, scale: Float) {
        self.down = down
        self.up = up
        self.scale = scale
    }

    var lastTap: ConvolutionUpdate { ConvolutionUpdate(down: down.lastTap, up: up, scale: scale) }
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
    /// How the layer's taps are multiplied. The rule looks at the layer alone, so that a picture does not depend on what it is
    /// computed with. With fewer channels Winograd's sums would take longer than the products that they save; it saves more
    /// than pairs of bytes do, and less than wider products of bytes. Squares of 4x4 save nearly twice what those of 2x2
    /// save, but their weights take 4 times the memory of the taps, not 1.8 times. The widest layers, which small pictures
    /// pass in U-Nets, would read more than they would multiply. Beside bf16 products of pairs squares of 4x4 are faster, and
    /// exact; those of 2x2 are not faster. The four phases of an enlarged picture have 16 products for the 36 of its taps: only
    /// squares of 4x4 in float32 save more of the same.
    private func form(of layer: Convolution, _ plan: ConvolutionPlan) -> Convolution.Form {
        let isSquare = layer.kernel.height == 3 && layer.kernel.width == 3 && plan.stride == 1
        let isEnlarged = isSquare && plan.upsample == 2 && plan.padding == 1 && plan.paddingAfter == 1
        let ofTaps = self.engine(outputs: layer.outputs, inputs: layer.inputs)
        let areBytes = ofTaps == int8Engine && phasor_isa_has_int8_dots()
        if isSquare, min(layer.inputs, layer.outputs) >= 64, !areBytes, let ofSquares = phasor_engine_of_squares(engine)
        {
            let isSame = ofSquares == engine
            if max(layer.inputs, layer.outputs) <= 512, isSame || !isEnlarged {
                return Convolution.Form(engine: ofSquares, square: 4)
            }
            if isSame, !isEnlarged { return Convolution.Form(engine: ofSquares, square: 2) }
        }
        return Convolution.Form(engine: ofTaps, isByPhases: isEnlarged)
    }

    /// x `[T, H, W, in]` -> `[T', H', W', out]`, plus `residual` of that shape and what updates add.
    /// - Parameters:
    ///   - past: the last of the plan's `framesBefore`, `[at most that many, H, W, in]`; earlier ones are zeros.
    ///   - scaling: what happens to the values of x first, such as a norm; zeros around them stay zeros.
    package func convolve(
        _ x: Tensor, _ layer: Convolution, _ plan: ConvolutionPlan = ConvolutionPlan(), after past: Tensor? = nil,
        scaling: ChannelScaling? = nil, addingTo residual: Tensor? = nil
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
        precondition(scaling.map { $0.factors.shape == [2, layer.inputs] } ?? true, "scaling of other channels")
        let out = Tensor(uninitialized: [frames, height, width, layer.outputs])
        let form = form(of: layer, plan)
        let (panels, packedTaps, firstTap) = layer.panels(form, self)
        var work = phasor_convolution(
            frames_zero: plan.framesBefore - held, frames_held: held, frames_in: x.shape[0], height_in: x.shape[1],
            width_in: x.shape[2], channels: layer.inputs,
            frames_out: frames, height_out: height, width_out: width, outputs: layer.outputs,
            kernel_time: kernel.time, kernel_height: kernel.height, kernel_width: kernel.width,
            stride_time: plan.strideTime, stride: plan.stride, pad: plan.padding, upsample: plan.upsample,
            first_tap: firstTap, packed_taps: packedTaps, panels: panels.pointer,
            winograd: form.square, by_phases: form.isByPhases,
            before: past.map { UnsafePointer($0.pointer) }, in: x.pointer,
            scale: scaling.map { UnsafePointer($0.factors.pointer) },
            shift: scaling.map { UnsafePointer($0.factors.pointer + layer.inputs) },
            activation: scaling?.activation.kernel ?? PHASOR_IDENTITY,
            bias: layer.bias.map { UnsafePointer($0.pointer) },
            residual: residual.map { UnsafePointer($0.pointer) }, out: out.pointer)
        let scratch = Tensor(bytes: phasor_convolution_scratch(form.engine, &work, Int32(threads)))
        scratch.withUnsafeMutable { scratch in
            withPool { phasor_convolution_run($0, form.engine, &work, scratch.baseAddress) }
        }
        withExtendedLifetime((x, past, layer, panels, scaling, residual)) {}
        return layer.updates.reduce(out) { sum, update in
            let inner = convolve(x, update.down, plan, after: past, scaling: scaling)
            return add(sum, unquantized.linear(inner, update.up), scale: update.scale)
        }
    }
}
