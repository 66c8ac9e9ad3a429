import Tensor
import Testing

@Suite struct DepthwiseTests {
    /// Channels below, at and beyond the lanes of the kernel; frames smaller than the filters.
    @Test(arguments: [1, 5, 31, 32, 33, 96], [(1, 1), (3, 9), (11, 4)])
    func agreesWithThePlainSum(channels: Int, sides: (Int, Int)) {
        let (height, width) = sides
        let (frames, side) = (2, channels % 2 == 0 ? 7 : 3)
        var dice = Dice(channels * 100 + height)
        let x = dice.tensor([frames, height, width, channels])
        let weight = dice.tensor([channels, 1, side, side])
        let (values, filters, half) = (x.array, weight.array, side / 2)
        var expected = [Double](repeating: 0, count: x.count)
        for index in expected.indices {
            let (c, column) = (index % channels, index / channels % width)
            let (row, frame) = (index / channels / width % height, index / channels / width / height)
            for a in 0..<side {
                for b in 0..<side {
                    let (y, z) = (row + a - half, column + b - half)
                    guard 0..<height ~= y, 0..<width ~= z else { continue }
                    expected[index] +=
                        Double(values[((frame * height + y) * width + z) * channels + c])
                        * Double(filters[(c * side + a) * side + b])
                }
            }
        }
        let layer = DepthwiseConvolution(weight: weight, bias: nil)
        let out = Compute(threads: 2).convolve(x, layer)
        #expect(out.shape == x.shape)
        #expect(distance(out.array, expected) < 2e-5)
        for threads in [1, 3] { #expect(bits(Compute(threads: threads).convolve(x, layer)) == bits(out)) }
        let second = Compute(threads: 2).convolve(x.slice(1..<2), layer)
        #expect(bits(second) == bits(out.slice(1..<2)))
    }

    @Test func squaresAreChannelsAndBack() {
        var dice = Dice(3)
        let folded = dice.tensor([2, 3, 5, 8])
        let compute = Compute(threads: 2)
        let unfolded = compute.unfold(folded, by: 2)
        #expect(unfolded.shape == [2, 6, 10, 2])
        let (a, b) = (folded.array, unfolded.array)
        for index in b.indices {
            let (c, x, y, t) = (index % 2, index / 2 % 10, index / 20 % 6, index / 120)
            // The channel slowest, the column fastest.
            let channel = (c * 2 + y % 2) * 2 + x % 2
            #expect(b[index] == a[((t * 3 + y / 2) * 5 + x / 2) * 8 + channel])
        }
        #expect(compute.fold(unfolded, by: 2).array == a)
    }

    /// Channels of two frames, the present one first, are the same sum as taps in time.
    @Test func framesAsChannelsAreTapsInTime() {
        var dice = Dice(8)
        let weight = dice.tensor([6, 10, 3, 3])
        let bias = dice.tensor([6])
        let x = dice.tensor([3, 4, 7, 5])
        let compute = Compute(threads: 2)
        let plain = Convolution(weight: Weight(name: "w", weight), bias: bias)
        let inTime = Convolution(weight: Weight(name: "w", weight), bias: bias, frames: 2)
        #expect(inTime.inputs == 5 && inTime.kernel.time == 2)
        let past = dice.tensor([1, 4, 7, 5])
        let out = compute.convolve(x, inTime, ConvolutionPlan(framesBefore: 1, padding: 1), after: past)
        let all = Tensor.concatenate([past, x])
        for frame in 0..<3 {
            let both = Tensor.beside(all.slice(frame + 1..<frame + 2), all.slice(frame..<frame + 1))
            let expected = compute.convolve(both, plain, ConvolutionPlan(padding: 1)).array.map(Double.init)
            #expect(distance(out.slice(frame..<frame + 1).array, expected) < 1e-5)
        }
        // Nothing before: the first tap meets zeros.
        let first = x.slice(0..<1)
        let alone = compute.convolve(first, inTime, ConvolutionPlan(framesBefore: 1, padding: 1))
        #expect(
            distance(
                compute.convolve(first, inTime.lastTap, ConvolutionPlan(padding: 1)).array,
                alone.array.map(Double.init)) < 1e-5)
    }

    /// What is not a number stays so: a picture of it is refused and not black.
    @Test func reluKeepsWhatIsNotANumber() {
        let y = Compute(threads: 1).activate(Tensor([.nan, -1, 2, -.infinity, .infinity], shape: [5]), .relu).array
        #expect(y[0].isNaN && Array(y[1...]) == [0, 2, 0, .infinity])
    }
}
