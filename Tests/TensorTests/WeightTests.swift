import Foundation
import Tensor
import Testing

/// Bytes at an odd address, as a mapped file may have them.
final class Bytes: @unchecked Sendable {
    private let memory: UnsafeMutableRawBufferPointer
    let buffer: UnsafeRawBufferPointer

    init(_ bytes: [UInt8]) {
        memory = .allocate(byteCount: bytes.count + 1, alignment: 64)
        let target = UnsafeMutableRawBufferPointer(rebasing: memory[1...])
        target.copyBytes(from: bytes)
        buffer = UnsafeRawBufferPointer(target)
    }

    deinit { memory.deallocate() }
}

func mapped(_ bytes: [UInt8], _ type: ElementType, shape: [Int]) -> Weight {
    let owner = Bytes(bytes)
    return Weight(name: "test", type: type, shape: shape, bytes: owner.buffer, owner: owner)
}

/// `values` rounded to a type, at an unaligned address.
func encoded(_ values: [Float], _ type: ElementType, shape: [Int]) -> Weight {
    func raw<T>(_ elements: [T]) -> [UInt8] { elements.withUnsafeBytes { Array($0) } }
    let bytes: [UInt8] =
        switch type {
        case .f64: raw(values.map(Double.init))
        case .f16: raw(values.map { halfBits($0) })
        case .bf16: raw(values.map { UInt16(truncatingIfNeeded: $0.bitPattern >> 16) })
        default: raw(values)
        }
    return mapped(bytes, type, shape: shape)
}

/// Bits of the binary16 number next towards zero of a normal-range value: rounding does not matter to these tests.
private func halfBits(_ x: Float) -> UInt16 {
    guard x != 0, abs(x) >= 0x1p-14 else { return 0 }
    let sign: UInt16 = x < 0 ? 0x8000 : 0
    return sign | UInt16(x.exponent + 15) << 10 | UInt16(truncatingIfNeeded: x.significandBitPattern >> 13)
}

@Suite struct WeightTests {
    /// All 65,536 binary16 patterns against the definition: sign, 5 exponent bits, 10 fraction bits.
    @Test func everyHalfIsWidenedExactly() {
        let patterns = (0...UInt16.max).map { $0 }
        let values = mapped(patterns.withUnsafeBytes { Array($0) }, .f16, shape: [65536]).widened().array
        for (pattern, value) in zip(patterns, values) {
            let sign = pattern >> 15 == 1 ? -1.0 : 1.0
            let exponent = Int(pattern >> 10 & 31)
            let fraction = Double(pattern & 1023) / 1024
            if exponent == 31 {
                #expect(fraction == 0 ? Double(value) == sign * .infinity : value.isNaN)
            } else {
                let magnitude = exponent == 0 ? fraction * 0x1p-14 : (1 + fraction) * exp2(Double(exponent - 15))
                #expect(Double(value) == sign * magnitude)
                #expect((value.sign == .minus) == (sign < 0))
            }
        }
    }

    @Test func everyBfloatIsTheUpperHalfOfAFloat() {
        let patterns = (0...UInt16.max).map { $0 }
        let values = mapped(patterns.withUnsafeBytes { Array($0) }, .bf16, shape: [65536]).widened().array
        for (pattern, value) in zip(patterns, values) where !value.isNaN {
            #expect(value.bitPattern == UInt32(pattern) << 16)
        }
    }

    @Test func integersAndDoubles() {
        func values<T>(_ elements: [T], _ type: ElementType) -> [Float] {
            mapped(elements.withUnsafeBytes { Array($0) }, type, shape: [elements.count]).widened().array
        }
        #expect(values([Int64.min, -1, 0, 7], .i64) == [Float(Int64.min), -1, 0, 7])
        #expect(values([Int32.max, -5], .i32) == [Float(Int32.max), -5])
        #expect(values([Int16.min, 300], .i16) == [-32768, 300])
        #expect(values([Int8.min, 127], .i8) == [-128, 127])
        #expect(values([UInt8(0), 255], .u8) == [0, 255])
        #expect(values([true, false], .bool) == [1, 0])
        #expect(values([1.5, -1e300, 0.1], .f64) == [1.5, -.infinity, 0.1])
    }

    @Test func rowsAreReadAlone() {
        var dice = Dice(3)
        let all = encoded(dice.floats(35), .f16, shape: [7, 5])
        #expect(all.rows(2..<4).array == Array(all.widened().array[10..<20]))
        #expect(all.rows(2..<4).shape == [2, 5])
        #expect(all.rows(3..<3).count == 0)
        #expect(all.reshaped([5, 7]).widened().array == all.widened().array)
    }
}
