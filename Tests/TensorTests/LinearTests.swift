import Tensor
import Testing

/// activation(x W^T + b), adapters and gated residuals against float64.
@Suite struct LinearTests {
    struct Shape: CustomStringConvertible, Sendable {
        let m: Int
        let n: Int
        let k: Int
        var description: String { "\(m)x\(n)x\(k)" }
    }

    static let shapes = [
        Shape(m: 1, n: 1, k: 1), Shape(m: 1, n: 300, k: 64), Shape(m: 2, n: 7, k: 3), Shape(m: 63, n: 127, k: 31),
        Shape(m: 64, n: 128, k: 96), Shape(m: 65, n: 129, k: 97), Shape(m: 130, n: 260, k: 257),
        Shape(m: 515, n: 64, k: 40), Shape(m: 1030, n: 70, k: 33),
    ]

    @Test(arguments: shapes)
    func agreesWithThePlainProduct(shape: Shape) {
        let (m, n, k) = (shape.m, shape.n, shape.k)
        var dice = Dice(m * 31 + n * 7 + k)
        let x = dice.tensor([m, k])
        let w = dice.tensor([n, k])
        let bias = dice.tensor([n])
        let groups = m % 2 == 0 ? 2 : 1
        let residual = dice.tensor([m, n])
        let gate = dice.tensor([groups, n])
        let compute = Compute(threads: 2)
        let layer = Linear(weight: Weight(name: "w", w), bias: bias)
        let product = Plain.matmul(x.array, w.array, m: m, n: n, k: k)
        let (b, r, g) = (bias.array, residual.array, gate.array)
        let tolerance = 2e-6 * Double(k).squareRoot() + 2e-6

        for activation in [Activation.identity, .silu, .geluTanh, .gelu, .quickGelu, .relu] {
            let expected = product.indices.map { Plain.activate(product[$0] + Double(b[$0 % n]), activation) }
            #expect(distance(compute.linear(x, layer, activation: activation).array, expected) < tolerance)

            let added = expected.indices.map { Double(r[$0]) + expected[$0] }
            let plain = compute.linear(x, layer, activation: activation, addingTo: GatedResidual(residual))
            #expect(distance(plain.array, added) < tolerance)

            let gated = expected.indices.map { i in
                Double(r[i]) + Double(g[i / n / (m / groups) * n + i % n]) * expected[i]
            }
            let result = compute.linear(
                x, layer, activation: activation, addingTo: GatedResidual(residual, gate: gate))
            #expect(distance(result.array, gated) < tolerance)
        }
        let unbiased = compute.linear(x, Linear(weight: Weight(name: "w", w), bias: nil))
        #expect(distance(unbiased.array, product) < tolerance)
    }

    @Test func adaptersAddTheirLowRankProduct() {
        var dice = Dice(5)
        let (m, n, k, rank) = (19, 33, 50, 4)
        let x = dice.tensor([m, k])
        let w = dice.tensor([n, k])
        let down = dice.tensor([rank, k])
        let up = dice.tensor([n, rank])
        let bias = dice.tensor([n])
        let residual = dice.tensor([m, n])
        let adapter = LayerUpdate(down: Weight(name: "down", down), up: Weight(name: "up", up), scale: 0.7)
        let layer = Linear(weight: Weight(name: "w", w), bias: bias, adapters: [adapter, adapter])
        let compute = Compute(threads: 2)
        let base = Plain.matmul(x.array, w.array, m: m, n: n, k: k)
        let low = Plain.matmul(x.array, down.array, m: m, n: rank, k: k).map(Float.init)
        let high = Plain.matmul(low, up.array, m: m, n: n, k: rank)
        let b = bias.array
        let sum = base.indices.map { base[$0] + Double(b[$0 % n]) + 1.4 * high[$0] }
        #expect(distance(compute.linear(x, layer).array, sum) < 1e-4)
        let r = residual.array
        let expected = sum.indices.map { Double(r[$0]) + Plain.activate(sum[$0], .geluTanh) }
        let result = compute.linear(x, layer, activation: .geluTanh, addingTo: GatedResidual(residual))
        #expect(distance(result.array, expected) < 1e-4)

        let merged = Linear(weight: Weight(name: "w", layer.merged(on: compute)), bias: bias)
        #expect(distance(compute.linear(x, merged).array, sum) < 1e-4)
    }

    /// A row computed alone has the bits it has inside any batch, for any number of threads.
    @Test func everyRowIsTheSameInAnyBatchAndForAnyThreads() {
        var dice = Dice(11)
        let (m, n, k) = (700, 150, 200)
        let x = dice.tensor([m, k])
        let bias = dice.tensor([n])
        let layer = Linear(weight: Weight(name: "w", dice.tensor([n, k])), bias: bias)
        let residual = dice.tensor([m, n])
        let one = Compute(threads: 1)
        let whole = one.linear(x, layer, activation: .geluTanh, addingTo: GatedResidual(residual))
        for threads in [2, 3] {
            let compute = Compute(threads: threads)
            let again = compute.linear(x, layer, activation: .geluTanh, addingTo: GatedResidual(residual))
            #expect(bits(again) == bits(whole))
        }
        for range in [0..<1, 5..<6, 63..<64, 64..<66, 511..<513, 699..<700, 13..<120, 1..<700] {
            let part = one.linear(
                x.slice(range), layer, activation: .geluTanh, addingTo: GatedResidual(residual.slice(range)))
            #expect(bits(part) == bits(whole.slice(range)), "rows \(range)")
        }
    }

    /// Half-precision weights are read exactly: the product equals that of their float32 copy, bit for bit.
    @Test(arguments: [ElementType.f16, .bf16, .f32, .f64])
    func weightsAreReadInTheirOwnType(type: ElementType) {
        var dice = Dice(17)
        let (n, k) = (131, 45)
        let weight = encoded(dice.floats(n * k), type, shape: [n, k])
        let x = dice.tensor([9, k])
        let compute = Compute(threads: 2)
        let direct = compute.linear(x, Linear(weight: weight, bias: nil))
        let copy = compute.linear(x, Linear(weight: Weight(name: "copy", weight.widened()), bias: nil))
        #expect(bits(direct) == bits(copy))
        let expected = Plain.matmul(x.array, weight.widened().array, m: 9, n: n, k: k)
        #expect(distance(direct.array, expected) < 2e-5)
    }

    @Test func leadingAxesAreKept() {
        var dice = Dice(2)
        let layer = Linear(weight: Weight(name: "w", dice.tensor([6, 4])), bias: nil)
        #expect(Compute(threads: 1).linear(dice.tensor([2, 3, 4]), layer).shape == [2, 3, 6])
    }
}
