import CKernels
import Foundation
import Tensor
import Testing

/// Products whose operands are rounded to int8. On a processor that has no instruction for them `Precision.int8` computes as
/// bf16 does, and what compares levels says nothing.
@Suite struct Int8Tests {
    /// The fast engine at a level, its plain twin where there is none.
    private func compute(_ instructions: InstructionSet = .current, threads: Int = 2) -> Compute {
        Compute(threads: threads, precision: .int8, instructions: instructions)
    }

    private func layer(_ n: Int, _ k: Int, _ dice: inout Dice) -> Linear {
        Linear(weight: Weight(name: "w", dice.tensor([n, k])), bias: nil)
    }

    static let levels = InstructionSet.available + InstructionSet.modelled

    static let shapes = [
        LinearTests.Shape(m: 1, n: 256, k: 256), LinearTests.Shape(m: 6, n: 320, k: 512),
        LinearTests.Shape(m: 7, n: 257, k: 257), LinearTests.Shape(m: 17, n: 300, k: 333),
        LinearTests.Shape(m: 5, n: 303, k: 1791), LinearTests.Shape(m: 4, n: 289, k: 1793),
        LinearTests.Shape(m: 3, n: 270, k: 4000), LinearTests.Shape(m: 1023, n: 256, k: 259),
    ]

    @Test(.enabled(if: phasor_isa_has_int8(phasor_isa_level())), arguments: levels, shapes)
    func levelsAgreeToTheBit(instructions: InstructionSet, shape: LinearTests.Shape) {
        var dice = Dice(shape.m * 31 + shape.n * 7 + shape.k)
        let x = dice.tensor([shape.m, shape.k])
        let layer = layer(shape.n, shape.k, &dice)
        #expect(bits(compute(instructions).linear(x, layer)) == bits(compute(.plain).linear(x, layer)))
    }

    /// Shapes and sizes of values by lot; rows of zeros and blocks of next to nothing among them.
    @Test(.enabled(if: phasor_isa_has_int8(phasor_isa_level())), arguments: 0..<12)
    func levelsAgreeOnRandomShapes(seed: Int) {
        var dice = Dice(seed)
        let (m, n) = (Int.random(in: 1...40, using: &dice), Int.random(in: 256...400, using: &dice))
        let k = Int.random(in: 256...2200, using: &dice)
        var values = dice.floats(m * k)
        let sizes: [Float] = [1, 0, 1e-39, 1e-20, 300, 1e30]
        for row in 0..<m {
            let size = sizes[Int.random(in: sizes.indices, using: &dice)]
            let from = Int.random(in: 0..<k, using: &dice)
            for p in from..<k { values[row * k + p] *= size }
        }
        let x = Tensor(values, shape: [m, k])
        let types = [ElementType.f32, .f16, .bf16]
        let type = types[Int.random(in: types.indices, using: &dice)]
        let layer = Linear(weight: encoded(dice.floats(n * k), type, shape: [n, k]), bias: nil)
        let out = compute().linear(x, layer)
        #expect(bits(out) == bits(compute(.plain).linear(x, layer)), "\(m)x\(n)x\(k) \(type)")
        #expect(out.array.allSatisfy { !$0.isNaN })
    }

    /// Against int8 operands multiplied in float64: what is rounded is the operands, not the sums.
    @Test(.enabled(if: phasor_isa_has_int8(phasor_isa_level())), arguments: shapes.prefix(7))
    func agreesWithThePlainProductOfRoundedOperands(shape: LinearTests.Shape) {
        var dice = Dice(shape.k)
        let x = dice.tensor([shape.m, shape.k])
        let layer = layer(shape.n, shape.k, &dice)
        func rounded(_ values: [Float]) -> [Float] {
            var result: [Float] = []
            for start in stride(from: 0, to: values.count, by: shape.k) {
                for block in stride(from: start, to: start + shape.k, by: 256) {
                    let part = values[block..<min(block + 256, start + shape.k)]
                    let scale = (part.map(abs).max() ?? 0) / 127
                    result += part.map { ($0 / scale).rounded(.toNearestOrEven) * scale }
                }
            }
            return result
        }
        let expected = Plain.matmul(
            rounded(x.array), rounded(layer.weight.widened().array), m: shape.m, n: shape.n, k: shape.k)
        // A value next to the middle between two integers may go to either: 1/127 of the largest, times one of the others.
        #expect(distance(compute().linear(x, layer).array, expected) < 0.02)
    }

    /// 0.6 % for even noise; 1.0 % for normal noise, whose largest value is three times the usual one.
    @Test(arguments: [(false, 0.009), (true, 0.013)])
    func theErrorIsAboutAHundredth(normal: Bool, bound: Double) {
        var dice = Dice(3)
        func noise(_ shape: [Int]) -> Tensor {
            normal ? Tensor(self.normal(shape.reduce(1, *), &dice), shape: shape) : dice.tensor(shape)
        }
        let x = noise([64, 1536])
        let error = error(x, Linear(weight: Weight(name: "w", noise([512, 1536])), bias: nil))
        print(String(format: "int8, %@ noise: relative error %.4f", normal ? "normal" : "even", error))
        #expect(error < bound)
    }

    private func normal(_ count: Int, _ dice: inout Dice) -> [Float] {
        zip(dice.floats(count, in: 1e-7...1), dice.floats(count)).map { radius, angle in
            (-2 * log(radius)).squareRoot() * cos(Float.pi * angle)
        }
    }

    /// The root mean square of what a product in int8 loses, beside that of `reference`.
    private func error(_ x: Tensor, _ layer: Linear, beside reference: [Float]? = nil) -> Double {
        let exact = Compute(threads: 2).linear(x, layer).array
        let lost = zip(compute().linear(x, layer).array, exact).reduce(0.0) { sum, pair in
            sum + pow(Double(pair.0) - Double(pair.1), 2)
        }
        let all = (reference ?? exact).reduce(0.0) { $0 + Double($1) * Double($1) }
        return (lost / all).squareRoot()
    }

    /// Channels that are many times the others, as trained transformers have them: six of a hidden state's, up to twenty times as
    /// large for every token (LLM.int8(), arXiv 2208.07339, section 4.2), more of them, massive ones (arXiv 2402.17762), and
    /// scales of all channels that are spread like those of adaptive norms. The error is beside what the ordinary channels
    /// alone contribute: that is what large ones drown.
    @Test(
        .enabled(if: phasor_isa_has_int8(phasor_isa_level())),
        arguments: [(0, 1, 0.011), (6, 20, 0.016), (6, 60, 0.035), (2, 1000, 0.3)] as [(Int, Float, Double)])
    func largeChannelsDoNotDrownTheOthers(count: Int, size: Float, bound: Double) {
        var dice = Dice(41)
        let (m, n, k) = (64, 512, 1536)
        let ordinary = normal(m * k, &dice)
        let layer = Linear(weight: Weight(name: "w", Tensor(normal(n * k, &dice), shape: [n, k])), bias: nil)
        var values = ordinary
        for channel in 0..<count {
            for row in 0..<m { values[row * k + (channel * 433 + 77) % k] *= size }
        }
        let reference = Compute(threads: 2).linear(Tensor(ordinary, shape: [m, k]), layer).array
        let lost = error(Tensor(values, shape: [m, k]), layer, beside: reference)
        print(String(format: "int8, %d channels times %.0f: error %.4f of the ordinary ones", count, size, lost))
        #expect(lost < bound)
    }

    /// Weights that are int8 already, with a factor for each row, lose nothing more: with rows of x that are whole numbers up to
    /// 127 the product is exact.
    @Test(.enabled(if: phasor_isa_has_int8(phasor_isa_level())), arguments: levels, [false, true])
    func storedBytesAreNotRoundedAgain(instructions: InstructionSet, scaled: Bool) {
        var dice = Dice(19)
        let (m, n, k) = (9, 300, 700)
        let bytes = (0..<n * k).map { _ in Int8.random(in: -128...100, using: &dice) }
        let x = (0..<m * k).map { Float($0 % 11 == 0 ? 127 : Int.random(in: -127...127, using: &dice)) }
        let factors = dice.floats(n, in: 0.001...0.1)
        let plain = mapped(bytes.map { UInt8(bitPattern: $0) }, .i8, shape: [n, k])
        let weight = scaled ? plain.scaled(by: Tensor(factors, shape: [n])) : plain
        let whole = Plain.matmul(x, bytes.map(Float.init), m: m, n: n, k: k)
        let expected = whole.indices.map { whole[$0] * (scaled ? Double(factors[$0 % n]) : 1) }
        let out = compute(instructions).linear(Tensor(x, shape: [m, k]), Linear(weight: weight, bias: nil)).array
        let largest = expected.map(abs).max() ?? 0
        #expect(distance(out, expected) < 1e-6 * largest)
    }

    /// Most values of fp8 are whole multiples of a power of two that is their block's unit.
    @Test(.enabled(if: phasor_isa_has_int8(phasor_isa_level())), arguments: levels)
    func storedFloatsOfEightBitsAreHardlyRoundedAgain(instructions: InstructionSet) {
        var dice = Dice(29)
        let (m, n, k) = (9, 300, 768)
        // Signs, and exponents of 1/16 to 1: all are multiples of 1/128.
        let bytes = (0..<n * k).map { _ in
            UInt8.random(in: 0x18...0x37, using: &dice) | UInt8.random(in: 0...1, using: &dice) << 7
        }
        let x = (0..<m * k).map { Float($0 % 11 == 0 ? 127 : Int.random(in: -127...127, using: &dice)) }
        let weight = mapped(bytes, .e4m3, shape: [n, k]).scaled(by: Tensor([0.3], shape: [1]))
        let expected = Plain.matmul(x, weight.widened().array, m: m, n: n, k: k)
        let out = compute(instructions).linear(Tensor(x, shape: [m, k]), Linear(weight: weight, bias: nil)).array
        let largest = expected.map(abs).max() ?? 0
        #expect(distance(out, expected) < 1e-6 * largest)
    }

    @Test(arguments: [.plain, .current] + InstructionSet.modelled)
    func everyRowIsTheSameInAnyBatchAndForAnyThreads(instructions: InstructionSet) {
        var dice = Dice(11)
        let m = instructions == .plain ? 60 : 1700
        let (n, k) = (300, 2100)
        let x = dice.tensor([m, k])
        let layer = Linear(weight: Weight(name: "w", dice.tensor([n, k])), bias: dice.tensor([n]))
        let residual = dice.tensor([m, n])
        func product(_ range: Range<Int>, threads: Int = 1) -> [UInt32] {
            bits(
                compute(instructions, threads: threads).linear(
                    x.slice(range), layer, activation: .geluTanh, addingTo: GatedResidual(residual.slice(range))))
        }
        let whole = product(0..<m)
        for threads in [2, 3] { #expect(product(0..<m, threads: threads) == whole) }
        for range in [0..<1, 5..<7, m / 2 - 1..<m / 2 + 2, m - 1..<m, 13..<m / 2, 1..<m - 7] {
            #expect(product(range) == Array(whole[range.lowerBound * n..<range.upperBound * n]), "rows \(range)")
        }
    }

    /// Values that are not finite reach their own rows and columns, and nothing else.
    @Test func whatIsNotFiniteStaysSo() {
        var dice = Dice(7)
        let (m, n, k) = (13, 290, 600)
        var (x, w) = (dice.floats(m * k), dice.floats(n * k))
        x[2 * k + 40] = .nan
        x[5 * k + 599] = .infinity
        w[77 * k + 300] = -.infinity
        w[289 * k] = .nan
        let layer = Linear(weight: Weight(name: "w", Tensor(w, shape: [n, k])), bias: nil)
        let out = compute().linear(Tensor(x, shape: [m, k]), layer).array
        for row in 0..<m {
            for column in 0..<n {
                let touched = [2, 5].contains(row) || [77, 289].contains(column)
                #expect(out[row * n + column].isFinite == !touched, "row \(row), column \(column)")
            }
        }
    }

    static let convolutions = [
        ConvolutionTests.Case(
            height: 7, width: 8, inputs: 320, outputs: 300, kernel: [1, 3, 3], plan: .init(stride: 2, padding: 1)),
        ConvolutionTests.Case(height: 3, width: 6, inputs: 600, outputs: 257, kernel: [1, 1, 1]),
        ConvolutionTests.Case(frames: 3, height: 4, width: 5, inputs: 333, outputs: 270, kernel: [2, 1, 1]),
    ]

    @Test(.enabled(if: phasor_isa_has_int8(phasor_isa_level())), arguments: levels, convolutions)
    func convolutionsOfAllLevelsAgreeToTheBit(instructions: InstructionSet, c: ConvolutionTests.Case) {
        var dice = Dice(c.inputs)
        let x = dice.tensor([c.frames, c.height, c.width, c.inputs])
        let (layer, _, _) = ConvolutionTests.layer(c, &dice)
        let out = compute(instructions).convolve(x, layer, c.plan)
        #expect(bits(out) == bits(compute(.plain).convolve(x, layer, c.plan)))
        #expect(bits(compute(instructions, threads: 3).convolve(x, layer, c.plan)) == bits(out))
    }

    /// The sum of a convolution loses what a product of as many terms does.
    /// One of 3x3 in strides of one among them, which is not int8 where Winograd's way saves more.
    @Test(
        arguments: convolutions + [
            ConvolutionTests.Case(
                height: 2, width: 3, inputs: 256, outputs: 257, kernel: [1, 3, 3], plan: .init(padding: 1, upsample: 2))
        ])
    func convolutionsAgreeWithThePlainSum(c: ConvolutionTests.Case) {
        var dice = Dice(c.inputs)
        let x = dice.tensor([c.frames, c.height, c.width, c.inputs])
        let (layer, weight, bias) = ConvolutionTests.layer(c, &dice)
        let sum = c.plainSum(x.array, weight)
        let b = bias.array
        let out = compute().convolve(x, layer, c.plan).array
        let lost = sum.indices.reduce(0.0) { $0 + pow(Double(out[$1]) - sum[$1] - Double(b[$1 % c.outputs]), 2) }
        let all = sum.reduce(0.0) { $0 + $1 * $1 }
        #expect(out.count == sum.count && (lost / all).squareRoot() < 0.009)
    }

    /// Attention, and products with a weight that is small along either side, are those of bf16.
    @Test(arguments: [(255, 256), (256, 255), (64, 1024)])
    func smallWeightsStayAsInBF16(n: Int, k: Int) {
        var dice = Dice(n)
        let x = dice.tensor([9, k])
        let layer = layer(n, k, &dice)
        let rough = Compute(threads: 2, precision: .bf16)
        #expect(bits(compute().linear(x, layer)) == bits(rough.linear(x, layer)))
        let q = dice.tensor([30, 64])
        let attended = compute().attention(q: q, k: q, v: q, heads: 1)
        #expect(bits(attended) == bits(rough.attention(q: q, k: q, v: q, heads: 1)))
        let c = ConvolutionTests.Case(
            height: 3, width: 4, inputs: k, outputs: n, kernel: [1, 3, 3], plan: .init(padding: 1))
        let picture = dice.tensor([1, 3, 4, k])
        let (convolution, _, _) = ConvolutionTests.layer(c, &dice)
        let convolved = compute().convolve(picture, convolution, c.plan)
        #expect(bits(convolved) == bits(rough.convolve(picture, convolution, c.plan)))
        #expect(compute().unquantized.precision == .bf16)
        #expect(Compute(threads: 1).unquantized.precision == .f32)
    }

    /// Whoever compares arithmetics to know whether bits agree sees what they depend on.
    @Test func arithmeticsDifferWhereBitsDo() {
        let all = Precision.allCases.flatMap { precision in
            [InstructionSet.plain, .current].map {
                Compute(threads: 1, precision: precision, instructions: $0).arithmetic
            }
        }
        #expect(Set(all).count == (InstructionSet.current == .plain ? 3 : 6))
        #expect(Compute(threads: 3).arithmetic == Compute(threads: 1).arithmetic)
        #expect(all.allSatisfy { $0.hasPrefix("kernels ") })
    }
}
