import Foundation
import Tensor
import Testing

/// Operations over the cells of a picture beside sums written the obvious way, in float64.
@Suite struct CellTests {
    private let compute = Compute(threads: 2)

    private static func silu(_ x: Double) -> Double { x / (1 + exp(-x)) }

    /// x [B, H, W, C], weight [C, side, side] -> [B, H, W, C].
    private static func depthwise(_ x: Tensor, _ weight: [Float], _ bias: [Float]?, side: Int) -> [Double] {
        let (height, width, channels) = (x.shape[1], x.shape[2], x.shape[3])
        let values = x.array
        return values.indices.map { index in
            let (c, column, row) = (index % channels, index / channels % width, index / channels / width % height)
            let picture = index / channels / width / height * height
            var sum = Double(bias?[c] ?? 0)
            for dy in 0..<side {
                for dx in 0..<side {
                    let (y, x) = (row + dy - side / 2, column + dx - side / 2)
                    guard 0..<height ~= y, 0..<width ~= x else { continue }
                    let value = values[((picture + y) * width + x) * channels + c]
                    sum += Double(value) * Double(weight[(c * side + dy) * side + dx])
                }
            }
            return sum
        }
    }

    @Test(arguments: [
        (3, [1, 1, 1, 2]), (3, [2, 5, 4, 40]), (5, [1, 6, 7, 70]), (3, [1, 3, 9, 662]), (1, [1, 2, 2, 8]),
    ])
    func depthwiseConvolution(side: Int, shape: [Int]) {
        var dice = Dice(side * 1000 + shape[3])
        let x = dice.tensor(shape)
        let weight = dice.tensor([shape[3], 1, side, side])
        let bias = dice.tensor([shape[3]])
        for bias in [bias, nil] {
            let expected = Self.depthwise(x, weight.array, bias?.array, side: side)
            let layer = DepthwiseConvolution(weight: weight, bias: bias)
            #expect(distance(compute.convolve(x, layer).array, expected) < 1e-5)
            let half = shape[3] / 2
            let gated = (0..<expected.count / 2).map { index in
                let place = index / half * shape[3] + index % half
                return expected[place] * Self.silu(expected[place + half])
            }
            #expect(distance(compute.convolve(x, layer, gated: true).array, gated) < 2e-5)
        }
    }

    /// q, k, v `[B * rows, heads * dim]`.
    private static func linearAttention(
        _ q: [Float], _ k: [Float], _ v: [Float], batch: Int, rows: Int, heads: Int, dim: Int
    ) -> [Double] {
        var out = [Double](repeating: 0, count: q.count)
        func positive(_ x: Float) -> Double { max(Double(x), 0) }
        for entry in 0..<batch * heads {
            func place(_ row: Int) -> Int { ((entry / heads * rows + row) * heads + entry % heads) * dim }
            for i in 0..<rows {
                var total = 1e-15
                for j in 0..<rows {
                    var score = 0.0
                    for d in 0..<dim { score += positive(q[place(i) + d]) * positive(k[place(j) + d]) }
                    total += score
                    for d in 0..<dim { out[place(i) + d] += score * Double(v[place(j) + d]) }
                }
                for d in 0..<dim { out[place(i) + d] /= total }
            }
        }
        return out
    }

    struct Shape: Sendable {
        let batch, rows, heads, dim: Int
    }

    @Test(arguments: [
        Shape(batch: 1, rows: 1, heads: 1, dim: 1), Shape(batch: 2, rows: 7, heads: 3, dim: 8),
        Shape(batch: 1, rows: 530, heads: 2, dim: 32), Shape(batch: 2, rows: 18, heads: 2, dim: 27),
    ]) func linearAttention(shape: Shape) {
        var dice = Dice(shape.rows * 100 + shape.dim)
        let size = [shape.batch * shape.rows, shape.heads * shape.dim]
        let (q, k, v) = (dice.tensor(size), dice.tensor(size), dice.tensor(size))
        let expected = Self.linearAttention(
            q.array, k.array, v.array, batch: shape.batch, rows: shape.rows, heads: shape.heads, dim: shape.dim)
        let out = compute.linearAttention(q: q, k: k, v: v, batch: shape.batch, heads: shape.heads)
        #expect(distance(out.array, expected) < 2e-5)
    }

    /// A query without a positive value attends to nothing.
    @Test func linearAttentionOfNothingIsZero() {
        var dice = Dice(3)
        let (k, v) = (dice.tensor([6, 8]), dice.tensor([6, 8]))
        let out = compute.linearAttention(q: Tensor(repeating: -1, shape: [6, 8]), k: k, v: v, batch: 1, heads: 1)
        #expect(out.array.allSatisfy { $0 == 0 })
    }

    /// Heads whose queries, keys and values lie side by side give the bits of heads that lie apart.
    @Test func packedHeadsAreThoseApart() {
        var dice = Dice(8)
        let (rows, heads, dim) = (23, 3, 16)
        let sources = [dice.tensor([rows, 3 * heads * dim]), dice.tensor([rows, 3 * heads * dim])]
        let packed = compute.linearAttention(packed: sources, heads: heads)
        #expect(packed.shape == [rows, 2 * heads * dim])
        let apart = sources.map { source in
            let values = source.array
            let parts = (0..<3).map { part in
                Tensor(
                    (0..<rows * heads * dim).map { index in
                        let (row, head, d) = (index / dim / heads, index / dim % heads, index % dim)
                        return values[(row * heads + head) * 3 * dim + part * dim + d]
                    }, shape: [rows, heads * dim])
            }
            return compute.linearAttention(q: parts[0], k: parts[1], v: parts[2], batch: 1, heads: heads)
        }
        #expect(bits(packed) == bits(compute.sideBySide(apart)))
    }

    @Test(arguments: [(1, 1, 1), (9, 3, 8), (70, 2, 32), (5, 4, 19)]) func groupedProduct(
        rows: Int, groups: Int, n: Int
    ) {
        var dice = Dice(rows + n)
        let x = dice.tensor([rows, groups * n])
        let weight = dice.tensor([groups * n, n])
        let (a, w) = (x.array, weight.array)
        let expected = a.indices.map { index in
            let (row, output) = (index / (groups * n), index % (groups * n))
            return (0..<n).reduce(0.0) {
                $0 + Double(a[row * groups * n + output / n * n + $1]) * Double(w[output * n + $1])
            }
        }
        #expect(distance(compute.linear(x, GroupedLinear(weight: weight)).array, expected) < 1e-5)
    }

    @Test(arguments: [(8, 4, 1, 2), (6, 6, 1, 2), (4, 12, 2, 2), (5, 15, 1, 1), (12, 3, 2, 2)])
    func unfoldedRepetition(inputs: Int, outputs: Int, frames: Int, side: Int) {
        var dice = Dice(inputs * 10 + outputs)
        let x = dice.tensor([2, 3, 4, inputs])
        // The first frame of the result is not there, as on the first chunk of a clip.
        let skipped = frames - 1
        let base = dice.tensor([2 * frames - skipped, 3 * side, 4 * side, outputs])
        let (values, before) = (x.array, base.array)
        let cell = frames * side * side
        let repeats = outputs * cell / inputs
        let expected = before.indices.map { index in
            let (c, column) = (index % outputs, index / outputs % (4 * side))
            let (row, frame) = (
                index / outputs / (4 * side) % (3 * side), index / outputs / (4 * side) / (3 * side) + skipped
            )
            let place = (frame % frames * side + row % side) * side + column % side
            let source = ((frame / frames * 3 + row / side) * 4 + column / side) * inputs
            return Double(before[index]) + Double(values[source + (c * cell + place) / repeats])
        }
        compute.addUnfolded(x, to: base, frames: frames, side: side)
        #expect(distance(base.array, expected) < 1e-6)
    }

    @Test func threadsAndBatchDoNotChangeABit() {
        var dice = Dice(12)
        let layer = DepthwiseConvolution(weight: dice.tensor([330, 1, 3, 3]), bias: dice.tensor([330]))
        let picture = dice.tensor([3, 7, 9, 330])
        let (q, k, v) = (dice.tensor([1200, 64]), dice.tensor([1200, 64]), dice.tensor([1200, 64]))
        let grouped = GroupedLinear(weight: dice.tensor([64, 16]))
        let one = Compute(threads: 1)
        let convolved = one.convolve(picture, layer, gated: true)
        let attended = one.linearAttention(q: q, k: k, v: v, batch: 2, heads: 2)
        for threads in [2, 3] {
            let many = Compute(threads: threads)
            #expect(bits(many.convolve(picture, layer, gated: true)) == bits(convolved))
            #expect(bits(many.linearAttention(q: q, k: k, v: v, batch: 2, heads: 2)) == bits(attended))
            #expect(bits(many.linear(q, grouped)) == bits(one.linear(q, grouped)))
        }
        #expect(bits(one.convolve(picture.slice(1..<2), layer, gated: true)) == bits(convolved.slice(1..<2)))
        let rows = 600..<1200
        #expect(
            bits(one.linearAttention(q: q.slice(rows), k: k.slice(rows), v: v.slice(rows), batch: 1, heads: 2))
                == bits(attended.slice(rows)))
    }
}
