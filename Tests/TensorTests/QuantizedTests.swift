import Foundation
import Tensor
import Testing

/// Types narrower than 16 bits: what they decode to, and products that read them in place.
@Suite struct QuantizedTests {
    static let types: [ElementType] = [
        .q8x0, .q4x0, .q4x1, .q5x0, .q5x1, .q2k, .q3k, .q4k, .q5k, .q6k, .iq1s, .iq1m, .iq2xxs, .iq2xs, .iq2s, .iq3xxs,
        .iq3s, .iq4nl, .iq4xs, .mxfp4,
    ]

    /// Two rows of three blocks with the values that the gguf package reads from them.
    static func golden(_ type: ElementType) throws -> (weight: Weight, values: [Float]) {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Fixtures/gguf")
        let blocks = try Data(contentsOf: folder.appending(path: "\(type.rawValue).blocks"))
        let values = try Data(contentsOf: folder.appending(path: "\(type.rawValue).f32"))
        return (
            mapped([UInt8](blocks), type, shape: [2, 3 * type.blockElements]),
            values.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        )
    }

    @Test(arguments: types)
    func blocksDecodeToTheirReferenceValues(type: ElementType) throws {
        let (weight, values) = try Self.golden(type)
        #expect(weight.count == values.count)
        let worst = values.reduce(0) { max($0, abs($1)) }
        #expect(distance(weight.widened().array, values.map(Double.init)) <= Double(worst) * 0x1p-22)
        #expect(bits(weight.rows(1..<2)) == bits(weight.widened().slice(1..<2)))
        #expect(bits(weight.slice(1..<2).widened()) == bits(weight.widened().slice(1..<2)))
    }

    @Test(arguments: EngineTests.levels, types)
    func productsReadBlocksInPlace(level: EngineTests.Level, type: ElementType) throws {
        let (blocks, _) = try Self.golden(type)
        // 66 rows of twice the golden row's length: more than one panel and one block of K.
        let halves = [blocks.bytes.prefix(blocks.bytes.count / 2), blocks.bytes.suffix(blocks.bytes.count / 2)]
        let rows = (0..<66).map { halves[$0 % 2] }
        let (n, k) = (66, 6 * type.blockElements)
        let weight = mapped(rows.flatMap { Array($0) + Array($0) }, type, shape: [n, k])
        var dice = Dice(3)
        let x = dice.tensor([13, k])
        let values = weight.widened().array
        let expected = Plain.matmul(level.seen(x.array), level.seen(values), m: 13, n: n, k: k)
        let worst = Double(values.reduce(0) { max($0, abs($1)) })
        let out = level.compute().linear(x, Linear(weight: weight, bias: nil))
        #expect(distance(out.array, expected) < 2e-6 * worst * Double(k).squareRoot() * 2)
        let plain = Compute(threads: 2).linear(x, Linear(weight: weight, bias: nil))
        let exact = Plain.matmul(x.array, values, m: 13, n: n, k: k)
        #expect(distance(plain.array, exact) < 2e-6 * worst * Double(k).squareRoot() * 2)
    }

    /// All 256 patterns against the definition: sign, four exponent bits of bias 7, three fraction bits.
    @Test func everyE4M3IsWidenedExactly() {
        let patterns = (0...UInt8.max).map { $0 }
        for (pattern, value) in zip(patterns, mapped(patterns, .e4m3, shape: [256]).widened().array) {
            let exponent = Int(pattern >> 3 & 15)
            let fraction = Double(pattern & 7) / 8
            if pattern & 0x7f == 0x7f {
                #expect(value.isNaN)
            } else {
                let magnitude = exponent == 0 ? fraction * 0x1p-6 : (1 + fraction) * exp2(Double(exponent - 7))
                #expect(Double(value) == (pattern > 127 ? -magnitude : magnitude))
            }
        }
    }

    /// All 256 patterns against the definition: sign, five exponent bits of bias 15, two fraction bits.
    @Test func everyE5M2IsWidenedExactly() {
        let patterns = (0...UInt8.max).map { $0 }
        for (pattern, value) in zip(patterns, mapped(patterns, .e5m2, shape: [256]).widened().array) {
            let exponent = Int(pattern >> 2 & 31)
            let fraction = Double(pattern & 3) / 4
            if exponent == 31 {
                #expect(fraction == 0 ? value.isInfinite && (value < 0) == (pattern > 127) : value.isNaN)
            } else {
                let magnitude = exponent == 0 ? fraction * 0x1p-14 : (1 + fraction) * exp2(Double(exponent - 15))
                #expect(Double(value) == (pattern > 127 ? -magnitude : magnitude))
            }
        }
    }

    @Test(
        arguments: EngineTests.levels,
        [(ElementType.e4m3, 1), (.e4m3, 70), (.e5m2, 1), (.e5m2, 70), (.i8, 1), (.i8, 70)])
    func scalesMultiplyRows(level: EngineTests.Level, weights: (type: ElementType, scales: Int)) {
        let (type, count) = weights
        var dice = Dice(7)
        let (m, n, k) = (5, 70, 300)
        let patterns = (0..<n * k).map { _ in UInt8.random(in: 0...0x5f, using: &dice) }
        let scales = dice.tensor([count], in: 0.001...0.01)
        let bare = mapped(patterns, type, shape: [n, k])
        let scaled = bare.scaled(by: scales)
        let factors = scales.array
        let values = bare.widened().array
        let expected = values.indices.map { values[$0] * factors[count == 1 ? 0 : $0 / k] }
        #expect(scaled.widened().array == expected)
        #expect(scaled.slice(3..<5).widened().array == Array(expected[3 * k..<5 * k]))
        let x = dice.tensor([m, k])
        let product = Plain.matmul(level.seen(x.array), level.seen(expected), m: m, n: n, k: k)
        let out = level.compute().linear(x, Linear(weight: scaled, bias: nil))
        let worst = Double(expected.reduce(0) { max($0, abs($1)) })
        #expect(distance(out.array, product) < 2e-6 * worst * Double(k).squareRoot() * 2)
    }
}
