import CKernels

extension ElementType {
    /// Whether `Compute.encode` writes this type.
    package var isEncodable: Bool { format.map(phasor_encodes) ?? false }
}

extension Compute {
    /// Elements `range` of a weight, times `factor`, in another type.
    ///
    /// - Returns: `type.bytes(of: range.count)` bytes, or nil if a value is one that the type cannot hold: NaN and
    ///   infinity in fp8 and quantised types, and in the latter numbers beyond 65504.
    /// - Precondition: `type.isEncodable`; `range` begins and ends on the edge of a block of both types.
    package func encode(_ weight: Weight, _ range: Range<Int>, as type: ElementType, factor: Float = 1) -> [UInt8]? {
        guard let format = type.format, type.isEncodable else {
            preconditionFailure("\(type) is not written")
        }
        // A multiple of every block length.
        let grain = 1 << 14
        let pieces = (range.count + grain - 1) / grain
        let failures = Tensor(zeros: [max(pieces, 1)])
        let bytes = [UInt8](unsafeUninitializedCapacity: type.bytes(of: range.count)) { out, count in
            guard let base = out.baseAddress else { return }
            let out = UnsafeMutableRawPointer(base)
            parallel(range.count, grain: grain) { piece in
                let values = UnsafeMutablePointer<Float>.allocate(capacity: piece.count)
                defer { values.deallocate() }
                weight.widen(range.lowerBound + piece.lowerBound..<range.lowerBound + piece.upperBound, into: values)
                if factor != 1 { for index in 0..<piece.count { values[index] *= factor } }
                if !phasor_encode(format, values, piece.count, out + type.bytes(of: piece.lowerBound)) {
                    failures.pointer[piece.lowerBound / grain] = 1
                }
            }
            count = type.bytes(of: range.count)
        }
        return failures.array.contains(1) ? nil : bytes
    }

    /// The largest magnitude among a weight's values; not finite if one of them is not.
    package func largestMagnitude(of weight: Weight) -> Float {
        let grain = 1 << 16
        let maxima = Tensor(zeros: [max((weight.count + grain - 1) / grain, 1)])
        parallel(weight.count, grain: grain) { piece in
            let values = UnsafeMutablePointer<Float>.allocate(capacity: piece.count)
            defer { values.deallocate() }
            weight.widen(piece, into: values)
            maxima.pointer[piece.lowerBound / grain] = phasor_largest_magnitude(values, piece.count)
        }
        return maxima.array.reduce(0) { $1.isNaN || $1 > $0 ? $1 : $0 }
    }
}
