import Foundation
import Tensor
import Testing

/// From float32 to narrower types, against what the gguf package and numpy write.
@Suite struct EncodeTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures/gguf")
    private let compute = Compute(threads: 2)

    private func values() throws -> Weight {
        let bytes = try [UInt8](Data(contentsOf: Self.folder.appending(path: "values.f32")))
        return mapped(bytes, .f32, shape: [2, 1024])
    }

    private func reference(_ type: ElementType) throws -> [UInt8] {
        try [UInt8](Data(contentsOf: Self.folder.appending(path: "values.\(type.rawValue)")))
    }

    @Test(arguments: [ElementType.q8x0, .bf16, .f16]) func bytesAreThoseOfTheReference(type: ElementType) throws {
        let values = try values()
        let encoded = try #require(compute.encode(values, 0..<values.count, as: type))
        #expect(encoded == (try reference(type)))
        let rest = try #require(compute.encode(values, 1024..<2048, as: type))
        #expect(rest == Array(encoded.suffix(encoded.count / 2)))
    }

    /// Root mean square error, by rows of 256.
    private func errors(_ type: ElementType, _ bytes: [UInt8], of values: [Float]) -> [Double] {
        let decoded = mapped(bytes, type, shape: [2, 1024]).widened().array
        return stride(from: 0, to: values.count, by: 256).map { start in
            let squares = (start..<start + 256).map {
                Double(decoded[$0] - values[$0]) * Double(decoded[$0] - values[$0])
            }
            return (squares.reduce(0, +) / 256).squareRoot()
        }
    }

    /// Its 4.5 bits do better on noise than the 5 bits of Q4_1 as the reference encodes them, and never much worse.
    @Test func searchedScalesOfQ4KLoseLittle() throws {
        let weight = try values()
        let values = weight.widened().array
        let encoded = try #require(compute.encode(weight, 0..<weight.count, as: .q4k))
        let ours = errors(.q4k, encoded, of: values)
        let bound = errors(.q4x1, try reference(.q4x1), of: values)
        for block in 0..<6 { #expect(ours[block] < bound[block], "block \(block)") }
        for block in 6..<8 { #expect(ours[block] < 1.15 * bound[block], "block \(block)") }
        // Normal noise of deviation 0.03: a uniform grid of 16 levels over 32 values comes to 7 to 8 percent of it.
        #expect(ours[0..<4].allSatisfy { $0 < 0.03 * 0.078 }, "\(ours)")
        let zeros = mapped(encoded, .q4k, shape: [2, 1024]).widened().array[1792..<1824]
        #expect(zeros.allSatisfy { $0 == 0 })
    }

    /// Every value of the narrow types comes back as it went in, and values between two go to the nearer one.
    @Test func roundingIsToNearest() throws {
        for (type, patterns) in [(ElementType.e4m3, 0x7f), (.f16, 0x7c00)] {
            let bytes = (0..<patterns).flatMap {
                type == .e4m3 ? [UInt8($0)] : [UInt8($0 & 255), UInt8($0 >> 8)]
            }
            let exact = mapped(bytes, type, shape: [patterns])
            let values = exact.widened().array
            for sign in [Float(1), -1] {
                let encoded = compute.encode(exact, 0..<patterns, as: type, factor: sign)
                let decoded = mapped(try #require(encoded), type, shape: [patterns]).widened().array
                #expect(decoded == values.map { $0 * sign })
            }
            let middles = zip(values, values.dropFirst()).map { ($0 + $1) / 2 }
            for (part, index) in [(Float(0.9999), 0), (1.0001, 1)] {
                let near = Weight(name: "near", Tensor(middles.map { $0 * part }, shape: [middles.count]))
                let decoded = mapped(
                    try #require(compute.encode(near, 0..<near.count, as: type)), type, shape: [near.count])
                // Subnormals lie too near for a factor to leave the middle.
                let first = type == .e4m3 ? 0 : 1024
                #expect(
                    Array(decoded.widened().array[first...])
                        == Array(values[(first + index)...].prefix(near.count - first)))
            }
            // Ties go to the even pattern.
            let ties = Weight(name: "ties", Tensor(middles, shape: [middles.count]))
            let decoded = mapped(
                try #require(compute.encode(ties, 0..<ties.count, as: type)), type, shape: [ties.count])
            #expect(decoded.widened().array == middles.indices.map { values[($0 + 1) / 2 * 2] })
        }
    }

    @Test func numbersThatBlocksCannotHoldAreRefused() throws {
        for bad in [Float.nan, .infinity, -.infinity] {
            var values = [Float](repeating: 1, count: 256)
            values[200] = bad
            let weight = Weight(name: "bad", Tensor(values, shape: [256]))
            for type in [ElementType.q8x0, .q4k, .e4m3] {
                #expect(compute.encode(weight, 0..<256, as: type) == nil)
            }
            #expect(!compute.largestMagnitude(of: weight).isFinite)
            #expect(compute.encode(weight, 0..<256, as: .f16) != nil)
        }
        let large = Weight(name: "large", Tensor([Float](repeating: 1e30, count: 256), shape: [256]))
        #expect(compute.encode(large, 0..<256, as: .q8x0) == nil)
        #expect(compute.encode(large, 0..<256, as: .e4m3) == [UInt8](repeating: 0x7e, count: 256))
        #expect(compute.largestMagnitude(of: large) == 1e30)
    }
}
