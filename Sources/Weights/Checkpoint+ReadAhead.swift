import Foundation
import Tensor

extension Checkpoint {
    /// Asks the system for the norms and biases, which are read one by one when a network is built and lie scattered
    /// over the files. Otherwise each would be a page fault, and a fault brings in what lies around as well: megabytes,
    /// where the disk is set to read far ahead.
    func requestSmallTensors() {
        Self.request(tensors.values.lazy.map(\.bytes).filter { $0.count <= 1 << 17 })
    }

    /// Asks the system for these bytes and no others.
    static func request(_ parts: some Sequence<UnsafeRawBufferPointer>) {
        let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
        for part in parts {
            guard let base = part.baseAddress, part.count > 0 else { continue }
            let start = UInt(bitPattern: base) / page * page
            let length = Int(UInt(bitPattern: base) - start) + part.count
            madvise(UnsafeMutableRawPointer(bitPattern: start), length, MADV_WILLNEED)
        }
    }
}
