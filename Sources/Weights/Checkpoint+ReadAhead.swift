import Foundation
import Tensor

extension Checkpoint {
    /// Asks the system for the norms and biases, which are read one by one when a network is built and lie scattered
    /// over the files. Otherwise each would be a page fault, and a fault brings in what lies around as well: megabytes,
    /// where the disk is set to read far ahead.
    func requestSmallTensors() {
        let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
        for weight in tensors.values where weight.bytes.count <= 1 << 17 {
            guard let base = weight.bytes.baseAddress, weight.bytes.count > 0 else { continue }
            let start = UInt(bitPattern: base) / page * page
            let length = Int(UInt(bitPattern: base) - start) + weight.bytes.count
            madvise(UnsafeMutableRawPointer(bitPattern: start), length, MADV_WILLNEED)
        }
    }
}
