import Tensor
import Testing

@Suite struct AttentionTests {
    struct Case: CustomStringConvertible, Sendable {
        var batch = 1
        var queries: Int
        var keys: Int
        var heads = 1
        var kvHeads: Int?
        var dim: Int
        var causal = false
        var keyBias = false
        var scoreBias = false
        var description: String {
            "B\(batch) Q\(queries) K\(keys) H\(heads)/\(kvHeads ?? heads) D\(dim)"
                + (causal ? " causal" : "") + (keyBias ? " keyBias" : "") + (scoreBias ? " scoreBias" : "")
        }
        var shape: Plain.AttentionShape {
            .init(batch: batch, queries: queries, keys: keys, heads: heads, kvHeads: kvHeads ?? heads, dim: dim)
        }
    }

    static let cases = [
        Case(queries: 1, keys: 1, dim: 1), Case(queries: 16, keys: 64, dim: 64),
        Case(batch: 2, queries: 17, keys: 65, heads: 3, dim: 24),
        Case(batch: 2, queries: 5, keys: 130, heads: 4, kvHeads: 2, dim: 16, keyBias: true),
        Case(queries: 33, keys: 33, heads: 6, kvHeads: 1, dim: 40, causal: true),
        Case(batch: 2, queries: 20, keys: 129, heads: 2, dim: 12, causal: true, keyBias: true, scoreBias: true),
        Case(queries: 70, keys: 300, heads: 2, dim: 128, scoreBias: true),
        Case(queries: 150, keys: 300, heads: 2, dim: 72, keyBias: true),
        Case(queries: 100, keys: 1, heads: 2, dim: 8), Case(queries: 1, keys: 700, heads: 2, dim: 64),
        Case(queries: 60, keys: 20, heads: 1, dim: 32, causal: true),
        Case(queries: 3, keys: 65, heads: 1, dim: 384, keyBias: true),
    ]

    struct Inputs {
        let q: Tensor
        let k: Tensor
        let v: Tensor
        let mask: AttentionMask
    }

    static func inputs(_ c: Case) -> Inputs {
        var dice = Dice(c.queries * 1009 + c.keys * 31 + c.dim)
        let kvHeads = c.kvHeads ?? c.heads
        var mask = AttentionMask(causal: c.causal)
        if c.keyBias {
            // A third of the keys hidden, some of them at the end, as padding is.
            var bias = dice.floats(c.batch * c.keys)
            for index in bias.indices where index % c.keys >= c.keys - c.keys / 3 || index % 7 == 3 {
                bias[index] = -.infinity
            }
            mask.keyBias = Tensor(bias, shape: [c.batch, c.keys])
        }
        if c.scoreBias { mask.scoreBias = dice.tensor([c.heads, c.queries, c.keys]) }
        return Inputs(
            q: dice.tensor([c.batch * c.queries, c.heads * c.dim], in: -2...2),
            k: dice.tensor([c.batch * c.keys, kvHeads * c.dim], in: -2...2),
            v: dice.tensor([c.batch * c.keys, kvHeads * c.dim]), mask: mask)
    }

    @Test(arguments: cases)
    func agreesWithThePlainSum(c: Case) {
        let i = Self.inputs(c)
        let expected = Plain.attention(
            i.q.array, i.k.array, i.v.array, c.shape, scale: 1 / Double(c.dim).squareRoot(),
            keyBias: i.mask.keyBias?.array, scoreBias: i.mask.scoreBias?.array, causal: c.causal)
        let out = Compute(threads: 2).attention(
            q: i.q, k: i.k, v: i.v, batch: c.batch, heads: c.heads, kvHeads: c.kvHeads, mask: i.mask)
        #expect(out.shape == i.q.shape)
        #expect(distance(out.array, expected) < 3e-6)
    }

    /// Scores that are held below a cap, and queries after keys that were there before.
    @Test(arguments: [0, 3, 64, 300]) func capAndKeysBefore(keysBefore: Int) {
        var dice = Dice(keysBefore)
        let shape = Plain.AttentionShape(
            queries: 70, keys: keysBefore + 70, heads: 4, kvHeads: 2, dim: 24)
        let q = dice.tensor([70, 96], in: -30...30)
        let k = dice.tensor([shape.keys, 48], in: -3...3)
        let v = dice.tensor([shape.keys, 48])
        let compute = Compute(threads: 2)
        func attended(_ rows: Range<Int>) -> Tensor {
            let keys = 0..<keysBefore + rows.upperBound
            return compute.attention(
                q: q.slice(rows), k: k.slice(keys), v: v.slice(keys), heads: 4, kvHeads: 2, scale: 0.2, softCap: 20,
                mask: AttentionMask(causal: true, keysBefore: keysBefore + rows.lowerBound))
        }
        let expected = Plain.attention(
            q.array, k.array, v.array, shape, scale: 0.2, causal: true, softCap: 20, keysBefore: keysBefore)
        let whole = attended(0..<70)
        #expect(distance(whole.array, expected) < 2e-5)
        // What a text leaves behind gives those after it the bits that they have in one pass.
        #expect(bits(attended(0..<41)) == bits(whole.slice(0..<41)))
        #expect(bits(attended(41..<70)) == bits(whole.slice(41..<70)))
    }

    @Test func scaleIsHeeded() {
        let c = Case(queries: 9, keys: 11, heads: 2, dim: 8)
        let i = Self.inputs(c)
        let expected = Plain.attention(i.q.array, i.k.array, i.v.array, c.shape, scale: 1)
        let out = Compute(threads: 1).attention(q: i.q, k: i.k, v: i.v, heads: 2, scale: 1)
        #expect(distance(out.array, expected) < 3e-6)
    }

    /// Scores of hundreds neither overflow nor underflow into NaN.
    @Test func largeScores() {
        var dice = Dice(4)
        let c = Case(queries: 18, keys: 90, dim: 16)
        let q = dice.tensor([18, 16], in: -40...40)
        let k = dice.tensor([90, 16], in: -40...40)
        let v = dice.tensor([90, 16])
        let expected = Plain.attention(q.array, k.array, v.array, c.shape, scale: 1)
        let out = Compute(threads: 1).attention(q: q, k: k, v: v, heads: 1, scale: 1)
        #expect(distance(out.array, expected) < 2e-3)
    }

    @Test func aQueryThatSeesNothingIsZero() {
        var dice = Dice(6)
        let hidden = Tensor(repeating: -.infinity, shape: [1, 70])
        let out = Compute(threads: 2).attention(
            q: dice.tensor([20, 32]), k: dice.tensor([70, 32]), v: dice.tensor([70, 32]), heads: 2,
            mask: AttentionMask(keyBias: hidden))
        #expect(out.array.allSatisfy { $0 == 0 })
    }

    /// n equal keys are one key with log n added to its score.
    @Test func equalKeysAreOneWithABias() {
        var dice = Dice(8)
        let keys = dice.tensor([5, 16])
        let values = dice.tensor([5, 16])
        let q = dice.tensor([7, 16])
        let last = (0..<40).map { _ in keys.slice(4..<5) }
        let lastValue = (0..<40).map { _ in values.slice(4..<5) }
        let compute = Compute(threads: 1)
        let long = compute.attention(
            q: q, k: .concatenate([keys.slice(0..<4)] + last), v: .concatenate([values.slice(0..<4)] + lastValue),
            heads: 2)
        var bias = [Float](repeating: 0, count: 5)
        bias[4] = 3.6888794541
        let short = compute.attention(
            q: q, k: keys, v: values, heads: 2, mask: AttentionMask(keyBias: Tensor(bias, shape: [1, 5])))
        #expect(distance(short.array, long.array.map(Double.init)) < 2e-6)
    }

    /// Queries times keys in int8, of keys that are large and alike in one channel, as those of trained models are.
    @Test(arguments: InstructionSet.available + InstructionSet.modelled)
    func scoresInInt8(instructions: InstructionSet) {
        let c = Case(batch: 2, queries: 300, keys: 700, heads: 4, kvHeads: 2, dim: 72, keyBias: true)
        let i = Self.inputs(c)
        let k = Tensor(i.k.array.enumerated().map { $0 % 72 == 5 ? $1 + 20 : $1 }, shape: i.k.shape)
        func attended(_ compute: Compute, _ entries: Range<Int> = 0..<2, queries: Int = 300) -> Tensor {
            let keys = entries.lowerBound * 700..<entries.upperBound * 700
            return compute.attention(
                q: i.q.slice(entries.lowerBound * 300..<(entries.upperBound - 1) * 300 + queries), k: k.slice(keys),
                v: i.v.slice(keys), batch: entries.count, heads: 4, kvHeads: 2,
                mask: AttentionMask(keyBias: i.mask.keyBias?.slice(entries)))
        }
        let expected = Plain.attention(
            i.q.array, k.array, i.v.array, c.shape, scale: 1 / Double(c.dim).squareRoot(),
            keyBias: i.mask.keyBias?.array)
        let compute = Compute(threads: 2, precision: .int8, instructions: instructions)
        let whole = attended(compute)
        #expect(distance(whole.array, expected) < 0.03)
        #expect(bits(attended(Compute(threads: 3, precision: .int8, instructions: instructions))) == bits(whole))
        #expect(bits(attended(compute, 1..<2)) == bits(whole.slice(300..<600)))
        #expect((bits(attended(compute.unquantized)) == bits(whole)) == !InstructionSet.current.multipliesBytes)
        // Few queries are not worth it.
        #expect(
            bits(attended(compute, 0..<1, queries: 100)) == bits(attended(compute.unquantized, 0..<1, queries: 100)))
    }

    @Test func threadsAndBatchDoNotChangeABit() {
        let c = Case(batch: 3, queries: 70, keys: 200, heads: 4, kvHeads: 2, dim: 40, keyBias: true)
        let i = Self.inputs(c)
        let whole = Compute(threads: 1).attention(
            q: i.q, k: i.k, v: i.v, batch: 3, heads: 4, kvHeads: 2, mask: i.mask)
        for threads in [2, 3] {
            let again = Compute(threads: threads).attention(
                q: i.q, k: i.k, v: i.v, batch: 3, heads: 4, kvHeads: 2, mask: i.mask)
            #expect(bits(again) == bits(whole))
        }
        for entry in 0..<3 {
            let alone = Compute(threads: 2).attention(
                q: i.q.slice(entry * 70..<(entry + 1) * 70), k: i.k.slice(entry * 200..<(entry + 1) * 200),
                v: i.v.slice(entry * 200..<(entry + 1) * 200), heads: 4, kvHeads: 2,
                mask: AttentionMask(keyBias: i.mask.keyBias?.slice(entry..<entry + 1)))
            #expect(bits(alone) == bits(whole.slice(entry * 70..<(entry + 1) * 70)))
        }
        // A query does not depend on which other queries are asked with it.
        let some = Compute(threads: 1).attention(
            q: i.q.slice(13..<45), k: i.k.slice(0..<200), v: i.v.slice(0..<200), heads: 4, kvHeads: 2,
            mask: AttentionMask(keyBias: i.mask.keyBias?.slice(0..<1)))
        #expect(bits(some) == bits(whole.slice(13..<45)))
    }
}
