import Foundation
import Synchronization

/// A 64-byte aligned block of float32 memory that goes back to a free list when its last tensor is gone.
///
/// Recycling matters twice: a step allocates nothing after the first one, and no page is faulted in again.
package final class Storage: @unchecked Sendable {
    package let pointer: UnsafeMutablePointer<Float>
    /// Usable length in floats; at least what was asked for.
    package let capacity: Int

    package init(count: Int) {
        (pointer, capacity) = StoragePool.shared.take(count: max(count, 1))
    }

    deinit {
        StoragePool.shared.give(pointer, capacity: capacity)
    }
}

/// What activations cost: bytes in use now, the most there ever were, and bytes kept for reuse.
package struct MemoryUse: Sendable {
    package var inUse = 0
    package var peak = 0
    package var idle = 0
}

/// The process-wide free list of activation buffers, by size class.
package final class StoragePool: Sendable {
    package static let shared = StoragePool()

    private struct State {
        var free: [Int: [UInt]] = [:]  // capacity in floats -> addresses
        var use = MemoryUse()
    }
    private let state = Mutex(State())

    /// Size classes are eighths of a power of two, so that at most an eighth of a buffer lies unused.
    static func sizeClass(_ count: Int) -> Int {
        let smallest = 1024
        guard count > smallest else { return smallest }
        let step = 1 << (Int.bitWidth - 1 - (count - 1).leadingZeroBitCount - 3)
        return (count + step - 1) / step * step
    }

    func take(count: Int) -> (UnsafeMutablePointer<Float>, Int) {
        let capacity = Self.sizeClass(count)
        let bytes = capacity * MemoryLayout<Float>.stride
        let address: UInt? = state.withLock { state in
            state.use.inUse += bytes
            state.use.peak = max(state.use.peak, state.use.inUse)
            guard let address = state.free[capacity]?.popLast() else { return nil }
            state.use.idle -= bytes
            return address
        }
        if let address, let pointer = UnsafeMutablePointer<Float>(bitPattern: address) { return (pointer, capacity) }
        let raw = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
        return (raw.bindMemory(to: Float.self, capacity: capacity), capacity)
    }

    /// What may lie idle: twice what was ever in use at once, as the sizes of a step do not all live together, and a
    /// quarter of a gigabyte.
    package var idleLimit: Int { state.withLock { Self.idleLimit(peak: $0.use.peak) } }

    private static func idleLimit(peak: Int) -> Int { 2 * peak + (256 << 20) }

    /// Keeps the buffer for the next one who asks, unless too much lies idle: sizes that are not asked for any more must
    /// not pile up.
    func give(_ pointer: UnsafeMutablePointer<Float>, capacity: Int) {
        let bytes = capacity * MemoryLayout<Float>.stride
        let keeps = state.withLock { state in
            state.use.inUse -= bytes
            guard state.use.idle + bytes <= Self.idleLimit(peak: state.use.peak) else { return false }
            state.use.idle += bytes
            state.free[capacity, default: []].append(UInt(bitPattern: pointer))
            return true
        }
        if !keeps { UnsafeMutableRawPointer(pointer).deallocate() }
    }

    package var use: MemoryUse { state.withLock { $0.use } }
}
