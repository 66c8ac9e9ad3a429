import Foundation
import Tensor

/// Brings in the weights that are about to be used.
package final class Residency<Resident: Hashable & Sendable>: Sendable {
    private let weights: [Resident: [Weight]]

    /// - Parameter weights: of each resident, in the order a pass reads them.
    package init(_ weights: [Resident: [Weight]]) {
        self.weights = weights
    }

    package func bytes(of resident: Resident) -> Int {
        weights[resident, default: []].reduce(0) { $0 + $1.bytes.count }
    }

    /// Tells which residents compute next, in order.
    package func expect(_ passes: [Resident]) {
        var seen: Set<Resident> = []
        for resident in passes where seen.insert(resident).inserted {
            for weight in weights[resident, default: []] { Self.readAhead(weight.bytes) }
        }
    }

    private static func readAhead(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        let page = UInt(getpagesize())
        let start = UInt(bitPattern: base) / page * page
        madvise(
            UnsafeMutableRawPointer(bitPattern: start), Int(UInt(bitPattern: base) - start) + bytes.count, MADV_WILLNEED
        )
    }
}
