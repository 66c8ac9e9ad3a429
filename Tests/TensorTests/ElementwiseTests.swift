import Foundation
import Tensor
import Testing

@Suite struct ElementwiseTests {
    static let widths = [1, 2, 15, 16, 17, 96, 1000]
    let compute = Compute(threads: 2)

    @Test(arguments: widths)
    func layerNorm(columns: Int) {
        var dice = Dice(columns)
        let rows = 37
        let x = dice.tensor([rows, columns], in: -3...5)
        let weight = dice.tensor([columns])
        let bias = dice.tensor([columns])
        let (values, w, b) = (x.array, weight.array, bias.array)
        var plain: [Double] = []
        for r in 0..<rows {
            let row = values[r * columns..<(r + 1) * columns].map(Double.init)
            let mean = row.reduce(0, +) / Double(columns)
            let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
            plain += row.map { ($0 - mean) / (variance + 1e-6).squareRoot() }
        }
        let tolerance = columns == 1 ? 1e-3 : 2e-5
        #expect(distance(compute.layerNorm(x, eps: 1e-6).array, plain) < tolerance)
        let affine = plain.indices.map { plain[$0] * Double(w[$0 % columns]) + Double(b[$0 % columns]) }
        #expect(distance(compute.layerNorm(x, weight: weight, bias: bias, eps: 1e-6).array, affine) < tolerance)
    }

    @Test(arguments: widths)
    func modulatedLayerNormServesRunsOfRows(columns: Int) {
        var dice = Dice(columns)
        let (groups, run) = (3, 11)
        let x = dice.tensor([groups * run, columns])
        let scale = dice.tensor([groups, columns])
        let shift = dice.tensor([groups, columns])
        let (s, h) = (scale.array, shift.array)
        let normed = compute.layerNorm(x, eps: 1e-6).array
        let expected = normed.indices.map { i in
            let g = i / columns / run * columns + i % columns
            return Double(normed[i]) * (1 + Double(s[g])) + Double(h[g])
        }
        let out = compute.modulatedLayerNorm(x, scale: scale, shift: shift, eps: 1e-6)
        #expect(distance(out.array, expected) < 2e-6)
    }

    @Test(arguments: widths)
    func rmsAndChannelNorm(columns: Int) {
        var dice = Dice(columns)
        let rows = 29
        let x = dice.tensor([rows, columns], in: -2...2)
        let weight = dice.tensor([columns])
        let (values, w) = (x.array, weight.array)
        var rms: [Double] = []
        var channel: [Double] = []
        for r in 0..<rows {
            let row = values[r * columns..<(r + 1) * columns].map(Double.init)
            let squares = row.reduce(0) { $0 + $1 * $1 }
            let root = (squares / Double(columns) + 1e-6).squareRoot()
            let length = max(squares.squareRoot(), 1e-12)
            rms += row.indices.map { row[$0] / root * Double(w[$0]) }
            channel += row.indices.map { row[$0] / length * Double(columns).squareRoot() * Double(w[$0]) }
        }
        #expect(distance(compute.rmsNorm(x, weight: weight, eps: 1e-6).array, rms) < 5e-6)
        #expect(distance(compute.channelNorm(x, gamma: weight, silu: false).array, channel) < 5e-6)
        let silu = channel.map { Plain.activate($0, .silu) }
        #expect(distance(compute.channelNorm(x, gamma: weight, silu: true).array, silu) < 5e-6)
        #expect(
            compute.channelNorm(Tensor(zeros: [2, columns]), gamma: weight, silu: true).array
                .allSatisfy { $0 == 0 })
    }

    /// Weights of their own for runs of rows, and a residual: each row is what it is alone.
    @Test(arguments: widths)
    func rmsNormOfRunsAddsToAResidual(columns: Int) {
        var dice = Dice(columns + 1)
        let runs = [3, 0, 500, 11]
        let rows = runs.reduce(0, +)
        let x = dice.tensor([rows, columns], in: -2...2)
        let weights = dice.tensor([runs.count, columns])
        let residual = dice.tensor([rows, columns])
        let normed = compute.rmsNorm(x, weight: weights, runs: runs, eps: 1e-5)
        let added = compute.rmsNorm(x, weight: weights, runs: runs, eps: 1e-5, addingTo: residual)
        var start = 0
        for (run, count) in runs.enumerated() {
            let range = start..<start + count
            let alone = compute.rmsNorm(x.slice(range), weight: weights[run], eps: 1e-5)
            #expect(bits(normed.slice(range)) == bits(alone))
            let sum = zip(alone.array, residual.slice(range).array).map { Double($0) + Double($1) }
            #expect(distance(added.slice(range).array, sum) < 1e-6)
            start += count
        }
    }

    @Test(arguments: [(1, 1, 1), (77, 12, 4), (3000, 6, 3), (1025, 128, 32), (65, 512, 32)])
    func groupNorm(places: Int, channels: Int, groups: Int) {
        var dice = Dice(places + channels)
        // Far from zero: a variance by the mean of squares would lose it.
        let x = dice.tensor([1, places, 1, channels], in: 20...22)
        let (weight, bias) = (dice.tensor([channels]), dice.tensor([channels]))
        let (values, w, b) = (x.array, weight.array, bias.array)
        let width = channels / groups
        var expected = [Double](repeating: 0, count: values.count)
        for group in 0..<groups {
            let members = values.indices.filter { $0 % channels / width == group }
            let mean = members.reduce(0) { $0 + Double(values[$1]) } / Double(members.count)
            let variance = members.reduce(0) { $0 + (Double(values[$1]) - mean) * (Double(values[$1]) - mean) }
            let root = (variance / Double(members.count) + 1e-6).squareRoot()
            for i in members {
                expected[i] = (Double(values[i]) - mean) / root * Double(w[i % channels]) + Double(b[i % channels])
            }
        }
        // Of one value the variance is 0 and what is left of the mean is rounding, times 1000.
        let tolerance = places * width == 1 ? 1e-2 : 1e-4
        for activation in [Activation.identity, .silu, .geluTanh, .gelu, .quickGelu, .relu] {
            let scaling = compute.groupNorm(
                of: x, weight: weight, bias: bias, groups: groups, eps: 1e-6, activation: activation)
            let plain = expected.map { Plain.activate($0, activation) }
            let normed = compute.scale(x, by: scaling)
            #expect(distance(normed.array, plain) < tolerance)
            for threads in [1, 3] {
                let other = Compute(threads: threads)
                let same = other.scale(
                    x,
                    by: other.groupNorm(
                        of: x, weight: weight, bias: bias, groups: groups, eps: 1e-6, activation: activation))
                #expect(bits(same) == bits(normed))
            }
        }
    }

    @Test(arguments: [(1, 2), (3, 6), (2, 128), (5, 24)])
    func rotationTurnsPairs(heads: Int, dim: Int) {
        var dice = Dice(heads + dim)
        let (batch, tokens) = (2, 13)
        let x = dice.tensor([batch * tokens, heads * dim])
        let angles = dice.floats(tokens * dim / 2, in: -7...7)
        let rope = RotaryTable(
            cosine: Tensor(angles.map { cos($0) }, shape: [tokens, dim / 2]),
            sine: Tensor(angles.map { sin($0) }, shape: [tokens, dim / 2]))
        let values = x.array
        let expected = values.indices.map { i -> Double in
            let token = i / (heads * dim) % tokens
            let angle = Double(angles[token * dim / 2 + i % dim / 2])
            let pair = (Double(values[i & ~1]), Double(values[i | 1]))
            return i % 2 == 0 ? pair.0 * cos(angle) - pair.1 * sin(angle) : pair.0 * sin(angle) + pair.1 * cos(angle)
        }
        #expect(distance(compute.rotate(x, by: rope, heads: heads).array, expected) < 1e-6)

        let ys = [x, dice.tensor([batch * tokens, heads * dim])]
        let weights = ys.map { _ in dice.tensor([heads * dim]) }
        let fused = compute.rotatedNorms(of: ys, weights: weights, eps: 1e-6, by: rope, heads: heads)
        for index in 0..<2 {
            let normed = compute.rmsNorm(ys[index], weight: weights[index], eps: 1e-6)
            #expect(bits(fused[index]) == bits(compute.rotate(normed, by: rope, heads: heads)))
        }
        // Norms of single heads.
        let headWeights = ys.map { _ in dice.tensor([dim]) }
        let single = compute.rotatedNorms(of: ys, weights: headWeights, eps: 1e-6, by: rope, heads: heads)
        for index in 0..<2 {
            let rows = ys[index].reshaped([batch * tokens * heads, dim])
            let normed = compute.rmsNorm(rows, weight: headWeights[index], eps: 1e-6).reshaped(ys[index].shape)
            #expect(bits(single[index]) == bits(compute.rotate(normed, by: rope, heads: heads)))
        }
    }

    @Test(arguments: [1, 5, 33, 70_001])
    func activationsAndSums(count: Int) {
        var dice = Dice(count)
        let x = dice.tensor([count], in: -12...12)
        let y = dice.tensor([count])
        let (a, b) = (x.array, y.array)
        for activation in [Activation.identity, .silu, .geluTanh, .gelu, .quickGelu, .relu] {
            let plain = a.map { Plain.activate(Double($0), activation) }
            #expect(distance(compute.activate(x, activation).array, plain) < 3e-6)
            let gated = plain.indices.map { plain[$0] * Double(b[$0]) }
            #expect(distance(compute.activate(x, activation, times: y).array, gated) < 3e-6)
        }
        #expect(distance(compute.add(x, y).array, a.indices.map { Double(a[$0]) + Double(b[$0]) }) < 2e-6)
        let scaled = a.indices.map { Double(a[$0]) - 0.3 * Double(b[$0]) }
        #expect(distance(compute.add(x, y, scale: -0.3).array, scaled) < 2e-6)
    }

    /// Far from zero SiLU and GELU must reach their limits: x, and 0 from below, never NaN.
    @Test func activationsAtTheEnds() {
        let x = Tensor([-1e4, -200, -90, -0.0, 0, 90, 200, 1e4], shape: [8])
        for activation in [Activation.silu, .geluTanh, .gelu, .quickGelu, .relu] {
            let y = compute.activate(x, activation).array
            #expect(y[0...2].allSatisfy { abs($0) < 1e-30 })
            #expect(y[3...4].allSatisfy { $0 == 0 })
            #expect(Array(y[5...]) == [90, 200, 1e4])
        }
    }

    @Test func threadsDoNotChangeABit() {
        var dice = Dice(1)
        let x = dice.tensor([3000, 130])
        let w = dice.tensor([130])
        let one = Compute(threads: 1)
        for threads in [2, 3] {
            let many = Compute(threads: threads)
            #expect(bits(many.layerNorm(x, weight: w, eps: 1e-6)) == bits(one.layerNorm(x, weight: w, eps: 1e-6)))
            #expect(bits(many.channelNorm(x, gamma: w, silu: true)) == bits(one.channelNorm(x, gamma: w, silu: true)))
            #expect(bits(many.activate(x, .geluTanh)) == bits(one.activate(x, .geluTanh)))
        }
        // Nor does the place of an element in a piece of work.
        #expect(bits(one.activate(x.slice(7..<9), .geluTanh)) == bits(one.activate(x, .geluTanh).slice(7..<9)))
    }
}
