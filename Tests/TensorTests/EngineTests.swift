import Tensor
import Testing

/// The kernels at every instruction set level this machine has, and those of AMX, against float64 sums of the operands they see.
@Suite struct EngineTests {
    /// A level in float32 and, where it differs, in bf16.
    struct Level: CustomStringConvertible, Sendable {
        let instructions: InstructionSet
        /// Operands are rounded to bf16.
        var rounds: Bool { instructions.roundsToBfloat }
        var description: String { instructions.description }
        func compute(threads: Int = 2) -> Compute {
            Compute(threads: threads, precision: .bf16, instructions: instructions)
        }
        /// What the kernels of this level see of a value.
        func seen(_ values: [Float]) -> [Float] { rounds ? values.map(roundedToBfloat) : values }
        /// The same for a convolution: in place of pairs of bf16, squares of 4x4 outputs are made in float32.
        func seen(_ values: [Float], by c: ConvolutionTests.Case) -> [Float] {
            let makesSquares =
                c.kernel[1...] == [3, 3] && c.plan.stride == 1 && min(c.inputs, c.outputs) >= 64
                && max(c.inputs, c.outputs) <= 512 && !c.isEnlarged
            return makesSquares && description == "avx512bf16" ? values : seen(values)
        }
    }

    static let levels = (InstructionSet.available + InstructionSet.modelled).map { Level(instructions: $0) }

    @Test(arguments: levels, LinearTests.shapes)
    func linear(level: Level, shape: LinearTests.Shape) {
        let (m, n, k) = (shape.m, shape.n, shape.k)
        var dice = Dice(m * 31 + n * 7 + k)
        let x = dice.tensor([m, k])
        let w = dice.tensor([n, k])
        let bias = dice.tensor([n])
        let groups = m % 5 == 0 ? 5 : 1
        let residual = dice.tensor([m, n])
        let gate = dice.tensor([groups, n])
        let product = Plain.matmul(level.seen(x.array), level.seen(w.array), m: m, n: n, k: k)
        let (b, r, g) = (bias.array, residual.array, gate.array)
        let expected = product.indices.map { i in
            let y = Plain.activate(product[i] + Double(b[i % n]), .geluTanh)
            return Double(r[i]) + Double(g[i / n / (m / groups) * n + i % n]) * y
        }
        let layer = Linear(weight: Weight(name: "w", w), bias: bias)
        let out = level.compute().linear(
            x, layer, activation: .geluTanh, addingTo: GatedResidual(residual, gate: gate))
        #expect(distance(out.array, expected) < 2e-6 * Double(k).squareRoot() + 2e-6)
        let bare = level.compute().linear(x, Linear(weight: Weight(name: "w", w), bias: nil))
        #expect(distance(bare.array, product) < 2e-6 * Double(k).squareRoot() + 2e-6)
    }

    /// K beyond one block, and rows beyond one: sums continue where they stopped.
    @Test(arguments: levels)
    func longSums(level: Level) {
        var dice = Dice(23)
        let (m, n, k) = (7, 70, 2600)
        let x = dice.tensor([m, k])
        let w = dice.tensor([n, k])
        let expected = Plain.matmul(level.seen(x.array), level.seen(w.array), m: m, n: n, k: k)
        let out = level.compute().linear(x, Linear(weight: Weight(name: "w", w), bias: nil))
        #expect(distance(out.array, expected) < 1e-4)
    }

    @Test(arguments: levels, [ElementType.f16, .bf16, .f32])
    func weightsInTheirOwnType(level: Level, type: ElementType) {
        var dice = Dice(17)
        let (m, n, k) = (9, 131, 333)
        let weight = encoded(dice.floats(n * k), type, shape: [n, k])
        let x = dice.tensor([m, k])
        let expected = Plain.matmul(level.seen(x.array), level.seen(weight.widened().array), m: m, n: n, k: k)
        let out = level.compute().linear(x, Linear(weight: weight, bias: nil))
        #expect(distance(out.array, expected) < 5e-5)
    }

    /// Layers of one input give what each gives alone, bit for bit: whole and ragged panels, more panels than threads, and
    /// what cannot be computed together at all (adapters, a weight without a kernel of its own).
    @Test(arguments: levels, [1, 10, 64, 1030])
    func layersOfOneInputAreEachAsIfAlone(level: Level, m: Int) {
        var dice = Dice(m)
        let k = 300
        let x = dice.tensor([m, k])
        let types: [ElementType] = [.bf16, .f32, .f16, .bf16]
        var layers = zip([256, 70, 1, 129], types).map { n, type in
            Linear(weight: encoded(dice.floats(n * k), type, shape: [n, k]), bias: n == 70 ? nil : dice.tensor([n]))
        }
        func compare(_ place: Comment) {
            for threads in [1, 3] {
                let compute = level.compute(threads: threads)
                let together = compute.linear(x, layers).map(bits)
                #expect(together == layers.map { bits(compute.linear(x, $0)) }, place)
            }
        }
        compare("together")
        let adapter = LayerUpdate(
            down: Weight(name: "down", dice.tensor([4, k])), up: Weight(name: "up", dice.tensor([70, 4])), scale: 0.5)
        layers[1] = Linear(weight: layers[1].weight, bias: nil, adapters: [adapter])
        compare("with an adapter")
        layers[1] = Linear(weight: encoded(dice.floats(9 * k), .f64, shape: [9, k]), bias: nil)
        compare("with float64")
    }

    @Test(arguments: levels)
    func everyRowIsTheSameInAnyBatchAndForAnyThreads(level: Level) {
        var dice = Dice(11)
        let (m, n, k) = (1700, 100, 1100)
        let x = dice.tensor([m, k])
        let layer = Linear(weight: Weight(name: "w", dice.tensor([n, k])), bias: dice.tensor([n]))
        let residual = dice.tensor([m, n])
        let one = level.compute(threads: 1)
        let whole = one.linear(x, layer, activation: .geluTanh, addingTo: GatedResidual(residual))
        for threads in [2, 3] {
            let again = level.compute(threads: threads).linear(
                x, layer, activation: .geluTanh, addingTo: GatedResidual(residual))
            #expect(bits(again) == bits(whole))
        }
        for range in [0..<1, 5..<7, 849..<852, 1699..<1700, 13..<120, 1..<1021] {
            let part = one.linear(
                x.slice(range), layer, activation: .geluTanh, addingTo: GatedResidual(residual.slice(range)))
            #expect(bits(part) == bits(whole.slice(range)), "rows \(range)")
        }
    }

    /// Nothing in, nothing out; and no key to see is a row of zeros.
    @Test(arguments: levels)
    func emptyBatches(level: Level) {
        let compute = level.compute()
        let layer = Linear(weight: Weight(name: "w", Tensor(zeros: [5, 4])), bias: nil)
        #expect(compute.linear(Tensor(zeros: [0, 4]), layer).shape == [0, 5])
        let frames = Convolution(weight: Weight(name: "w", Tensor(zeros: [2, 3, 1, 3, 3])), bias: nil)
        let none = compute.convolve(Tensor(zeros: [0, 6, 6, 3]), frames, ConvolutionPlan(padding: 1))
        #expect(none.shape == [0, 6, 6, 2])
        let q = Tensor(repeating: 1, shape: [3, 8])
        let unseen = compute.attention(q: q, k: Tensor(zeros: [0, 8]), v: Tensor(zeros: [0, 8]), heads: 2)
        #expect(unseen.array.allSatisfy { $0 == 0 })
    }

    @Test(arguments: levels, AttentionTests.cases)
    func attention(level: Level, c: AttentionTests.Case) {
        let i = AttentionTests.inputs(c)
        let scale = 1 / Float(c.dim).squareRoot()
        let expected = Plain.attention(
            level.seen(i.q.array.map { $0 * scale }), level.seen(i.k.array), level.seen(i.v.array), c.shape, scale: 1,
            keyBias: i.mask.keyBias?.array, scoreBias: i.mask.scoreBias?.array, causal: c.causal)
        let out = level.compute().attention(
            q: i.q, k: i.k, v: i.v, batch: c.batch, heads: c.heads, kvHeads: c.kvHeads, mask: i.mask)
        // Softmax weights are rounded to bf16 as well: 2^-9 of values below 1.
        #expect(distance(out.array, expected) < (level.rounds ? 0x1p-9 : 3e-6))
    }

    @Test(arguments: levels)
    func attentionIsTheSameInAnyBatchAndForAnyThreads(level: Level) {
        let c = AttentionTests.Case(batch: 2, queries: 110, keys: 600, heads: 2, dim: 72, keyBias: true)
        let i = AttentionTests.inputs(c)
        let whole = level.compute(threads: 1).attention(q: i.q, k: i.k, v: i.v, batch: 2, heads: 2, mask: i.mask)
        for threads in [2, 3] {
            let again = level.compute(threads: threads).attention(
                q: i.q, k: i.k, v: i.v, batch: 2, heads: 2, mask: i.mask)
            #expect(bits(again) == bits(whole))
        }
        let some = level.compute().attention(
            q: i.q.slice(113..<170), k: i.k.slice(600..<1200), v: i.v.slice(600..<1200), heads: 2,
            mask: AttentionMask(keyBias: i.mask.keyBias?.slice(1..<2)))
        #expect(bits(some) == bits(whole.slice(113..<170)))
    }

    @Test(arguments: levels, ConvolutionTests.cases)
    func convolution(level: Level, c: ConvolutionTests.Case) {
        var dice = Dice(c.height * 100 + c.inputs)
        let x = dice.tensor([c.frames, c.height, c.width, c.inputs])
        let (layer, weight, bias) = ConvolutionTests.layer(c, &dice)
        let sum =
            c.isEnlarged && level.rounds
            ? c.sumOfPhases(level.seen(x.array), weight, seen: level.seen)
            : c.plainSum(level.seen(x.array, by: c), level.seen(weight, by: c))
        let compute = level.compute()
        let residual = dice.tensor(compute.convolve(x, layer, c.plan).shape)
        let (b, r) = (bias.array, residual.array)
        let expected = sum.indices.map { sum[$0] + Double(b[$0 % c.outputs]) + Double(r[$0]) }
        #expect(distance(compute.convolve(x, layer, c.plan, addingTo: residual).array, expected) < c.tolerance)
    }

    @Test(arguments: levels, [24, 66])
    func convolutionIsTheSameInPiecesAndForAnyThreads(level: Level, inputs: Int) {
        var dice = Dice(9)
        let c = ConvolutionTests.Case(frames: 5, height: 18, width: 33, inputs: inputs, outputs: 70, kernel: [3, 3, 3])
        let plan = ConvolutionPlan(padding: 1)
        let x = dice.tensor([5, 18, 33, inputs])
        let (layer, _, _) = ConvolutionTests.layer(c, &dice)
        let whole = level.compute(threads: 1).convolve(x, layer, plan)
        #expect(bits(level.compute(threads: 3).convolve(x, layer, plan)) == bits(whole))
        for first in 0..<3 {
            let piece = level.compute().convolve(x.slice(first..<first + 3), layer, plan)
            #expect(bits(piece) == bits(whole.slice(first..<first + 1)))
        }
    }
}

/// Round to nearest, ties to even.
func roundedToBfloat(_ x: Float) -> Float {
    let bits = x.bitPattern
    return Float(bitPattern: (bits &+ 0x7fff &+ (bits >> 16 & 1)) & 0xffff_0000)
}
