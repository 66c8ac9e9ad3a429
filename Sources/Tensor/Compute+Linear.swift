import CKernels

/// What follows a matrix product before the result is stored.
package enum Activation: Sendable {
    case identity, silu, geluTanh, gelu, quickGelu, relu

    var kernel: phasor_activation {
        switch self {
        case .identity: PHASOR_IDENTITY
        case .silu: PHASOR_SILU
        case .geluTanh: PHASOR_GELU_TANH
        case .gelu: PHASOR_GELU
        case .quickGelu: PHASOR_QUICK_GELU
        case .relu: PHASOR_RELU
        }
    }
}

/// out = residual + gate * y. `gate` is `[groups, N]`; each of its rows serves `M / groups` consecutive rows of y.
package struct GatedResidual {
    let residual: Tensor
    let gate: Tensor?

    package init(_ residual: Tensor, gate: Tensor? = nil) {
        self.residual = residual
        self.gate = gate
    }
}

extension Compute {
    /// activation(x W^T + b) with adapters, optionally added to a residual: x `[M, K]` -> `[M, N]`, in float32.
    package func linear(
        _ x: Tensor, _ layer: Linear, activation: Activation = .identity, addingTo residual: GatedResidual? = nil
    ) -> Tensor {
        guard !layer.adapters.isEmpty else {
            return product(x, layer.weight, bias: layer.bias, activation: activation, residual: residual)
        }
        var sum = product(x, layer.weight, bias: layer.bias, activation: .identity, residual: nil)
        for adapter in layer.adapters {
            let change = product(x, adapter).reshaped(sum.shape)
            sum = add(sum, change, scale: adapter.scale)
        }
        return finish(sum, activation: activation, residual: residual)
    }

    /// x W^T + b of several layers of one input, each as if it were alone. Small ones take their turn of the threads together,
    /// as beginning and ending one takes microseconds, too.
    package func linear(_ x: Tensor, _ layers: [Linear]) -> [Tensor] {
        guard let (engine, formats) = shared(layers) else { return layers.map { linear(x, $0) } }
        let outs = layers.map { Tensor(uninitialized: x.shape.dropLast() + [$0.outputs]) }
        Weight.reading(layers.map(\.weight)) { bytes in
            let works = layers.indices.map { index in
                let layer = layers[index]
                return gemm(x, layer.weight, formats[index], bytes[index], bias: layer.bias, out: outs[index])
            }
            run(works, on: engine)
            withExtendedLifetime((x, layers)) {}
        }
        return outs
    }

    /// Bytes of weights up to which products are computed together. More might not fit into memory at the same time, and then
    /// a turn of the threads is nothing beside the product.
    private static let sharedBytes = 4 << 20

    /// The engine and the formats of layers that can be computed together; nil if they cannot.
    private func shared(_ layers: [Linear]) -> (engine: OpaquePointer, formats: [phasor_format])? {
        let formats = layers.compactMap(\.weight.type.format)
        guard instructions != .plain, formats.count == layers.count, layers.allSatisfy(\.adapters.isEmpty),
            layers.reduce(0, { $0 + $1.weight.bytes.count }) <= Self.sharedBytes
        else { return nil }
        let engines = layers.map { engine(for: $0.weight) }
        guard let first = engines.first, engines.allSatisfy({ $0 == first }) else { return nil }
        return (first, formats)
    }

    private func product(
        _ x: Tensor, _ weight: Weight, bias: Tensor?, activation: Activation, residual: GatedResidual?
    ) -> Tensor {
        guard let format = weight.type.format else {
            let copy = Weight(name: weight.name, weight.widened())
            return product(x, copy, bias: bias, activation: activation, residual: residual)
        }
        let engine = engine(for: weight)
        guard instructions != .plain || engine != self.engine else {
            return blasProduct(x, weight, bias: bias, activation: activation, residual: residual)
        }
        let out = Tensor(uninitialized: x.shape.dropLast() + [weight.shape[0]])
        weight.reading { bytes in
            let work = gemm(
                x, weight, format, bytes, bias: bias, activation: activation, residual: residual, out: out)
            run([work], on: engine)
            withExtendedLifetime((x, weight, bias, residual)) {}
        }
        return out
    }

    private func gemm(
        _ x: Tensor, _ weight: Weight, _ format: phasor_format, _ bytes: UnsafeRawPointer?, bias: Tensor?,
        activation: Activation = .identity, residual: GatedResidual? = nil, out: Tensor
    ) -> phasor_gemm {
        let (n, k) = (weight.shape[0], weight.shape[1])
        let m = x.count / k
        precondition(x.shape.last == k, "\(weight.name): input \(x.shape) does not fit \(weight.shape)")
        return phasor_gemm(
            m: m, n: n, k: k, x: x.pointer, format: format, w: bytes,
            scales: weight.scales.map { UnsafePointer($0.pointer) }, scale_count: weight.scales?.count ?? 0,
            bias: bias.map { UnsafePointer($0.pointer) }, activation: activation.kernel,
            residual: residual.map { UnsafePointer($0.residual.pointer) },
            gate: residual?.gate.map { UnsafePointer($0.pointer) },
            gate_rows: residual?.gate.map { m / max($0.count / n, 1) } ?? m, out: out.pointer)
    }

    /// Products of one x.
    private func run(_ works: [phasor_gemm], on engine: OpaquePointer) {
        let scratch = Tensor(bytes: phasor_gemm_scratch(engine, works, works.count, Int32(threads)))
        scratch.withUnsafeMutable { scratch in
            withPool { phasor_gemm_run($0, engine, works, works.count, scratch.baseAddress) }
        }
    }

    private func engine(for weight: Weight) -> OpaquePointer {
        engine(outputs: weight.shape[0], inputs: weight.shape[1])
    }

    /// The engine for a weight: int8's if the weight is large enough. The rule looks at the weight alone: were it to look at
    /// the rows of x, a row would differ with what it is computed with. Projections from and to latents, and adapters, stay
    /// below it.
    func engine(outputs: Int, inputs: Int) -> OpaquePointer {
        min(outputs, inputs) >= 256 ? int8Engine ?? engine : engine
    }

    /// The activation and residual of a product that is already whole.
    private func finish(_ y: Tensor, activation: Activation, residual: GatedResidual?) -> Tensor {
        let n = y.shape.last ?? 1
        let m = y.count / max(n, 1)
        let groupRows = residual?.gate.map { m / max($0.count / n, 1) } ?? m
        let out = Tensor(uninitialized: y.shape)
        parallel(m, grain: 16) { rows in
            for row in rows {
                phasor_epilogue(
                    y.pointer + row * n, n, 1, n, nil, activation.kernel,
                    residual.map { UnsafePointer($0.residual.pointer + row * n) }, n,
                    residual?.gate.map { UnsafePointer($0.pointer + row / groupRows * n) }, out.pointer + row * n, n)
            }
        }
        return out
    }
}
