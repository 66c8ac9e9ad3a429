import Benchmarks
import Foundation
import Media
import Pictures
import Testing

/// Flow between pictures whose movement is known exactly: they are a function of the place.
@Suite struct MotionTests {
    /// A sum of waves of 9 to 40 pixels, so that it can be evaluated anywhere.
    private static func texture(_ x: Double, _ y: Double) -> Double {
        let waves: [(Double, Double, Double)] = [
            (0.31, 0.12, 0.3), (-0.17, 0.42, 1.1), (0.52, -0.36, 2.0), (0.08, 0.21, 4.0), (-0.61, -0.22, 5.2),
        ]
        return 0.5 + waves.reduce(0) { $0 + 0.09 * sin($1.0 * x + $1.1 * y + $1.2) }
    }

    private func frame(_ width: Int, _ height: Int, _ value: (Double, Double) -> Double) -> Luminance {
        Luminance(
            width: width, height: height,
            values: (0..<width * height).map { index in
                // As decoded pictures are: 256 levels.
                Float((value(Double(index % width), Double(index / width)) * 255).rounded() / 255)
            })
    }

    /// The mean length of flow minus truth, over what is far enough from the border to be seen twice.
    private func error(_ flow: OpticalFlow, margin: Int, _ truth: (Double, Double) -> (Double, Double)) -> Double {
        var (sum, count) = (0.0, 0.0)
        for y in margin..<flow.height - margin {
            for x in margin..<flow.width - margin {
                let (u, v) = truth(Double(x), Double(y))
                let index = y * flow.width + x
                sum += hypot(Double(flow.dx[index]) - u, Double(flow.dy[index]) - v)
                count += 1
            }
        }
        return sum / count
    }

    @Test(arguments: [(0.25, -0.5), (0.5, 0.0), (1.3, 0.7), (-2.6, 3.2), (6.0, -4.5)])
    func `A shift is found to a twentieth of a pixel`(_ shift: (Double, Double)) {
        let first = frame(96, 80, Self.texture)
        let second = frame(96, 80) { Self.texture($0 - shift.0, $1 - shift.1) }
        #expect(error(OpticalFlow(from: first, to: second), margin: 14) { _, _ in shift } < 0.05)
    }

    @Test func `A still picture does not move, and a plain one with noise hardly`() {
        let still = frame(64, 64, Self.texture)
        #expect(OpticalFlow(from: still, to: still).magnitudes.allSatisfy { $0 < 1e-4 })
        var random = SplitMix64(state: 7)
        func plain() -> Luminance {
            Luminance(
                width: 64, height: 64,
                values: (0..<64 * 64).map { _ in (128 + Float(Int(random.next() % 3) - 1)) / 255 })
        }
        let lengths = OpticalFlow(from: plain(), to: plain()).magnitudes
        #expect(lengths.reduce(0, +) / Float(lengths.count) < 0.1)
    }

    @Test func `A zoom moves each pixel from the centre`() {
        let first = frame(96, 96, Self.texture)
        let second = frame(96, 96) { Self.texture(48 + ($0 - 48) / 1.04, 48 + ($1 - 48) / 1.04) }
        let flow = OpticalFlow(from: first, to: second)
        #expect(error(flow, margin: 14) { (0.04 * ($0 - 48), 0.04 * ($1 - 48)) } < 0.06)
    }

    @Test func `What moves on a plain background moves alone`() {
        func disc(_ centre: Double) -> Luminance {
            frame(128, 128) { x, y in
                let distance = hypot(x - centre, y - 64)
                let edge = 1 / (1 + exp((distance - 20) / 0.7))
                return 0.8 * (1 - edge) + edge * (0.3 + 0.2 * sin(0.5 * (x - centre)) * sin(0.4 * y))
            }
        }
        let flow = OpticalFlow(from: disc(50), to: disc(54))
        #expect(abs(flow.dx[64 * 128 + 50] - 4) < 0.2)
        #expect(abs(flow.dy[64 * 128 + 50]) < 0.2)
        #expect(flow.magnitudes[10 * 128 + 110] < 0.05)
    }

    @Test func `Frames larger than the field are measured in their own pixels`() {
        let first = frame(520, 64) { Self.texture($0 / 3, $1 / 3) }
        let second = frame(520, 64) { Self.texture(($0 - 6) / 3, $1 / 3) }
        let flow = OpticalFlow(from: first, to: second)
        #expect(flow.width <= OpticalFlow.largestSide)
        #expect(error(flow, margin: 8) { _, _ in (6, 0) } < 0.4)
    }

    @Test func `A clip's motion is that of its pairs, and dynamic beyond the threshold`() throws {
        func clip(speed: Double) throws -> [RGBImage] {
            try (0..<6).map { time in
                let luma = frame(64, 64) { Self.texture($0 - speed * Double(time), $1) }
                return try RGBImage(
                    width: 64, height: 64,
                    bytes: luma.values.flatMap { value in [UInt8](repeating: UInt8(value * 255), count: 3) })
            }
        }
        // The threshold for 64 pixels is 1.5.
        let slow = try #require(Motion(of: clip(speed: 1)))
        let fast = try #require(Motion(of: clip(speed: 2.5)))
        #expect(abs(slow.flow - 1) < 0.1)
        #expect(abs(fast.flow - 2.5) < 0.25)
        #expect(slow.dynamicDegree == 0)
        #expect(fast.dynamicDegree == 1)
        #expect(Motion.mean([slow, fast])?.dynamicDegree == 0.5)
        #expect(try Motion(of: [clip(speed: 1)[0]]) == nil)
    }
}
