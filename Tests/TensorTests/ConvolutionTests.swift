import Tensor
import Testing

@Suite struct ConvolutionTests {
    struct Case: CustomStringConvertible, Sendable {
        var frames = 1
        var height: Int
        var width: Int
        var inputs: Int
        var outputs: Int
        var kernel: [Int]
        var plan = ConvolutionPlan()
        /// Of sums of terms up to 1 in float32, by how many they are.
        var tolerance: Double {
            let terms = inputs * kernel.reduce(1, *)
            return terms < 900 ? 5e-5 : terms < 10_000 ? 2e-4 : 4e-4
        }
        /// The sums of taps in float64, without the bias.
        func plainSum(_ x: [Float], _ weight: [Float]) -> [Double] {
            Plain.convolve(
                x, frames: frames, height: height, width: width, inputs: inputs, weight, outputs: outputs,
                kernel: (kernel[0], kernel[1], kernel[2]), plan)
        }
        /// Whether it has phases: 3x3 taps around each pixel of a picture that is enlarged twice.
        var isEnlarged: Bool {
            kernel[1...] == [3, 3] && plan.upsample == 2 && plan.padding == 1 && plan.paddingAfter == 1
        }
        /// The same sums where `seen` is what is multiplied of a phase's taps: those of the enlarged picture that meet the same pixel are
        /// added up first.
        func sumOfPhases(_ x: [Float], _ weight: [Float], seen: ([Float]) -> [Float]) -> [Double] {
            var out = [Double](repeating: 0, count: 4 * (frames - kernel[0] + 1) * height * width * outputs)
            for phase in 0..<4 {
                let (down, right) = (phase / 2, phase % 2)
                var taps = [Float](repeating: 0, count: weight.count)
                for (index, value) in weight.enumerated() {
                    let (row, column) = (index % 9 / 3, index % 3)
                    taps[index - index % 9 + (row + 1 + down) / 2 * 3 + (column + 1 + right) / 2] += value
                }
                let sums = Plain.convolve(
                    x, frames: frames, height: height, width: width, inputs: inputs, seen(taps), outputs: outputs,
                    kernel: (kernel[0], 3, 3), ConvolutionPlan(padding: 1))
                for (index, sum) in sums.enumerated() {
                    let (output, place) = (index % outputs, index / outputs)
                    let row = place / width * 2 + down
                    out[((row * width + place % width) * 2 + right) * outputs + output] = sum
                }
            }
            return out
        }
        var description: String {
            "\(frames)x\(height)x\(width)x\(inputs)->\(outputs) k\(kernel) s\(plan.strideTime),\(plan.stride) "
                + "p\(plan.padding),\(plan.paddingAfter) up\(plan.upsample)"
        }
    }

    static let cases = [
        Case(height: 1, width: 1, inputs: 1, outputs: 1, kernel: [1, 1, 1]),
        Case(height: 5, width: 7, inputs: 3, outputs: 5, kernel: [1, 3, 3], plan: .init(padding: 1)),
        Case(frames: 4, height: 6, width: 9, inputs: 16, outputs: 32, kernel: [3, 3, 3], plan: .init(padding: 1)),
        Case(frames: 3, height: 9, width: 11, inputs: 7, outputs: 33, kernel: [3, 3, 3], plan: .init(padding: 1)),
        Case(
            frames: 2, height: 8, width: 10, inputs: 5, outputs: 9, kernel: [1, 3, 3],
            plan: .init(stride: 2, padding: 0, paddingAfter: 1)),
        Case(
            frames: 5, height: 3, width: 4, inputs: 6, outputs: 6, kernel: [3, 1, 1], plan: .init(strideTime: 2)),
        Case(height: 6, width: 5, inputs: 8, outputs: 4, kernel: [1, 3, 3], plan: .init(padding: 1, upsample: 2)),
        Case(frames: 2, height: 4, width: 4, inputs: 70, outputs: 130, kernel: [1, 1, 1]),
        Case(frames: 2, height: 13, width: 12, inputs: 40, outputs: 96, kernel: [2, 3, 3], plan: .init(padding: 1)),
        // Too much input to be packed at a time.
        Case(height: 111, width: 90, inputs: 300, outputs: 3, kernel: [1, 3, 3], plan: .init(padding: 1)),
        Case(frames: 3, height: 75, width: 40, inputs: 270, outputs: 2, kernel: [2, 3, 3], plan: .init(padding: 1)),
        Case(height: 61, width: 50, inputs: 210, outputs: 3, kernel: [1, 3, 3], plan: .init(padding: 1, upsample: 2)),
        // By Winograd's squares of both sizes, which end inside the picture or not, in parts of the channels, and in time.
        Case(height: 5, width: 7, inputs: 64, outputs: 66, kernel: [1, 3, 3], plan: .init(padding: 1)),
        Case(height: 1, width: 1, inputs: 65, outputs: 64, kernel: [1, 3, 3], plan: .init(padding: 1)),
        Case(height: 4, width: 2, inputs: 600, outputs: 64, kernel: [1, 3, 3], plan: .init(padding: 1)),
        Case(frames: 3, height: 9, width: 6, inputs: 520, outputs: 70, kernel: [3, 3, 3], plan: .init(padding: 1)),
        Case(height: 8, width: 9, inputs: 64, outputs: 130, kernel: [1, 3, 3]),
        Case(height: 3, width: 5, inputs: 64, outputs: 80, kernel: [1, 3, 3], plan: .init(padding: 1, upsample: 2)),
        // By the phases of an enlarged picture, and one whose borders differ.
        Case(height: 5, width: 7, inputs: 520, outputs: 70, kernel: [1, 3, 3], plan: .init(padding: 1, upsample: 2)),
        Case(
            frames: 3, height: 4, width: 6, inputs: 20, outputs: 9, kernel: [3, 3, 3],
            plan: .init(padding: 1, upsample: 2)),
        Case(
            height: 4, width: 3, inputs: 6, outputs: 5, kernel: [1, 3, 3],
            plan: .init(padding: 1, paddingAfter: 0, upsample: 2)),
        Case(frames: 4, height: 6, width: 9, inputs: 70, outputs: 64, kernel: [3, 3, 3], plan: .init(padding: 1)),
        Case(
            height: 201, width: 111, inputs: 120, outputs: 3, kernel: [1, 3, 3],
            plan: .init(stride: 2, padding: 0, paddingAfter: 1)),
    ]

    static func layer(_ c: Case, _ dice: inout Dice) -> (Convolution, [Float], Tensor) {
        let shape = [c.outputs, c.inputs] + c.kernel
        let weight = dice.floats(shape.reduce(1, *))
        let bias = dice.tensor([c.outputs])
        let values = Tensor(weight, shape: shape)
        return (Convolution(weight: Weight(name: "w", values), bias: bias), weight, bias)
    }

    @Test(arguments: cases)
    func agreesWithThePlainSum(c: Case) {
        var dice = Dice(c.height * 100 + c.inputs)
        let x = dice.tensor([c.frames, c.height, c.width, c.inputs])
        let (layer, weight, bias) = Self.layer(c, &dice)
        let sum = c.plainSum(x.array, weight)
        let b = bias.array
        let expected = sum.indices.map { sum[$0] + Double(b[$0 % c.outputs]) }
        let compute = Compute(threads: 2)
        let out = compute.convolve(x, layer, c.plan)
        #expect(out.count == expected.count)
        #expect(distance(out.array, expected) < c.tolerance)

        let residual = dice.tensor(out.shape)
        let r = residual.array
        let added = compute.convolve(x, layer, c.plan, addingTo: residual)
        #expect(distance(added.array, expected.indices.map { expected[$0] + Double(r[$0]) }) < c.tolerance)
    }

    /// A norm before a convolution is the same done apart; the zeros around the frame are not scaled.
    @Test(arguments: cases, Precision.allCases)
    func scalingIsThatOfItsInput(c: Case, precision: Precision) {
        var dice = Dice(c.width * 100 + c.outputs)
        let x = dice.tensor([c.frames, c.height, c.width, c.inputs])
        let (layer, _, _) = Self.layer(c, &dice)
        let compute = Compute(threads: 2, precision: precision)
        let scaling = ChannelScaling(factors: dice.tensor([2, c.inputs], in: -2...2), activation: .silu)
        let apart = compute.convolve(compute.scale(x, by: scaling), layer, c.plan)
        #expect(bits(compute.convolve(x, layer, c.plan, scaling: scaling)) == bits(apart))
    }

    @Test func aPlaneKernelIsATimeKernelOfOne() {
        var dice = Dice(1)
        let values = dice.tensor([4, 3, 3, 3])
        let flat = Convolution(weight: Weight(name: "w", values), bias: nil)
        let deep = Convolution(weight: Weight(name: "w", values.reshaped([4, 3, 1, 3, 3])), bias: nil)
        let x = dice.tensor([2, 5, 5, 3])
        let compute = Compute(threads: 1)
        #expect(
            bits(compute.convolve(x, flat, .init(padding: 1))) == bits(compute.convolve(x, deep, .init(padding: 1))))
    }

    /// A video decoded in pieces has no seams: frames are the same bits whatever comes with them.
    @Test(arguments: [(24, 40), (66, 70)])
    func threadsAndPiecesDoNotChangeABit(inputs: Int, outputs: Int) {
        var dice = Dice(9)
        let c = Case(frames: 7, height: 12, width: 11, inputs: inputs, outputs: outputs, kernel: [3, 3, 3])
        let plan = ConvolutionPlan(padding: 1)
        let x = dice.tensor([7, 12, 11, inputs])
        let (layer, _, _) = Self.layer(c, &dice)
        let whole = Compute(threads: 1).convolve(x, layer, plan)
        for threads in [2, 3] {
            #expect(bits(Compute(threads: threads).convolve(x, layer, plan)) == bits(whole))
        }
        for first in 0..<5 {
            let piece = Compute(threads: 2).convolve(x.slice(first..<first + 3), layer, plan)
            #expect(bits(piece) == bits(whole.slice(first..<first + 1)))
        }
    }

    /// Frames from before a chunk count as if they stood in it, and those that nobody holds as zeros.
    @Test(arguments: [(0, 10), (1, 10), (2, 10), (0, 64), (1, 64), (2, 64)], [1, 2])
    func framesBeforeAChunkAreReadWhereTheyAre(held: (frames: Int, channels: Int), stride: Int) {
        var dice = Dice(held.frames + 4)
        let channels = held.channels
        let c = Case(frames: 5, height: 9, width: 7, inputs: channels, outputs: 2 * channels, kernel: [3, 3, 3])
        let (layer, _, _) = Self.layer(c, &dice)
        let x = dice.tensor([5, 9, 7, channels])
        let past = held.frames > 0 ? dice.tensor([held.frames, 9, 7, channels]) : nil
        let joined = Tensor.concatenate(
            [Tensor(zeros: [2 - held.frames, 9, 7, channels])].filter { $0.count > 0 } + [past].compactMap { $0 } + [x])
        let compute = Compute(threads: 2)
        let whole = compute.convolve(joined, layer, .init(strideTime: stride, padding: 1))
        let apart = compute.convolve(x, layer, .init(strideTime: stride, framesBefore: 2, padding: 1), after: past)
        #expect(bits(apart) == bits(whole))
    }

    /// The first frame of a clip, with zeros before it, is what the last tap in time makes.
    @Test(arguments: [10, 64])
    func theLastTapIsWhatZerosLeave(channels: Int) {
        var dice = Dice(channels)
        let c = Case(height: 5, width: 6, inputs: channels, outputs: channels, kernel: [3, 3, 3])
        let (layer, _, _) = Self.layer(c, &dice)
        let x = dice.tensor([1, 5, 6, channels])
        let compute = Compute(threads: 2)
        let whole = compute.convolve(x, layer, .init(framesBefore: 2, padding: 1))
        let last = compute.convolve(x, layer.lastTap, .init(padding: 1))
        #expect(distance(last.array, whole.array.map(Double.init)) < 1e-5)
    }

    /// The last tap in time is packed alone where nothing else was used so far, and with the others once they are.
    @Test(arguments: [10, 64], Precision.allCases)
    func theLastTapIsTheSameAloneAndAmongOthers(channels: Int, precision: Precision) {
        var dice = Dice(channels)
        let c = Case(frames: 3, height: 5, width: 6, inputs: channels, outputs: 70, kernel: [3, 3, 3])
        let (layer, weight, bias) = Self.layer(c, &dice)
        let x = dice.tensor([3, 5, 6, channels])
        let compute = Compute(threads: 2, precision: precision)
        let alone = compute.convolve(x, layer.lastTap, .init(padding: 1))
        let whole = compute.convolve(x, layer, .init(padding: 1))
        let among = compute.convolve(x, layer.lastTap, .init(padding: 1))
        #expect(bits(alone) == bits(among))
        let other = Convolution(weight: Weight(name: "w", Tensor(weight, shape: [70, channels, 3, 3, 3])), bias: bias)
        #expect(bits(compute.convolve(x, other, .init(padding: 1))) == bits(whole))
    }
}
