import Foundation
import Synchronization

/// What tensors cost.
package struct MemoryUse: Sendable {
    /// Bytes of tensors now, and the most there were.
    package var inUse = 0
    package var peak = 0
    /// Bytes that they lie spread over, holes between them included, and the most of those.
    package var extent = 0
    package var peakExtent = 0
    /// Bytes of memory kept for reuse, at most: holes that were given back count until they are used again.
    package var idle = 0
}

/// Memory of tensors: one range of addresses, whose pages the system gives when they are first touched.
///
/// What a step computes lies at the low end, packed closely (see `Heap`), so that the range in use stays near what lives
/// at once; what is small or outlives the step lies at the high end, where it leaves no holes in the way of large tensors.
/// Pages stay when their tensors are gone: the next step finds them without a page fault. `offer` lets the system take them when
/// it is short of memory, `giveBack` returns them.
package final class Arena: Sendable {
    /// The arena of the process: twice the machine's memory in addresses.
    package static let shared = Arena(reserving: 2 * Int(clamping: ProcessInfo.processInfo.physicalMemory))

    /// Tensors below this go to the high end.
    private static let smallBytes = 64 << 10

    nonisolated(unsafe) private let base: UnsafeMutableRawPointer?
    /// Bytes reserved; 0 where the system gives no such range, and memory is allocated piece by piece.
    private let size: Int
    private let state = Mutex(State())

    private struct State {
        var low = Heap()
        var high = Heap()
        /// The pages that may be there: as far as each end ever reached since it was given back.
        var lowTouched = 0
        var highTouched = 0
        /// Bytes allocated piece by piece.
        var apart = 0
        var use = MemoryUse()

        /// Offsets of pages that may be there and that nothing uses, of a range of `size` bytes.
        func idleRanges(_ size: Int) -> [Range<Int>] {
            low.holes + [low.extent..<lowTouched]
                + (high.holes + [high.extent..<highTouched]).map { size - $0.upperBound..<size - $0.lowerBound }
        }

        mutating func count(_ change: Int) {
            use.inUse += change
            use.peak = max(use.peak, use.inUse)
            use.extent = low.extent + high.extent + apart
            use.peakExtent = max(use.peakExtent, use.extent)
            lowTouched = max(lowTouched, low.extent)
            highTouched = max(highTouched, high.extent)
        }
    }

    package init(reserving bytes: Int) {
        let size = bytes / Int(getpagesize()) * Int(getpagesize())
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        let base = mmap(nil, size, PROT_READ | PROT_WRITE, flags, -1, 0)
        let isThere = base != MAP_FAILED
        // In pages of 2 MB where the system has them: products walk over many small pages at a time, and each costs a look-up.
        if isThere { madvise(base, size, Int32(MADV_HUGEPAGE)) }
        self.base = isThere ? base : nil
        self.size = isThere ? size : 0
    }

    /// Nothing lies here any more: every storage keeps its arena.
    deinit {
        if let base { munmap(base, size) }
    }

    /// Runs `body`, whose tensors lie here and not in the process's own arena.
    package func using<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
        var scope = MemoryScope.current
        scope.arena = self
        return try MemoryScope.with(scope, body)
    }

    /// Whole cache lines.
    static func rounded(_ bytes: Int) -> Int { (bytes + 63) / 64 * 64 }

    func take(_ bytes: Int, lasting: Bool) -> UnsafeMutableRawPointer {
        let address: UnsafeMutableRawPointer? = state.withLock { state in
            let isHigh = lasting || bytes < Self.smallBytes
            let offset =
                if isHigh {
                    state.high.take(bytes, limit: size - state.low.extent).map { size - $0 - bytes }
                } else {
                    state.low.take(bytes, limit: size - state.high.extent)
                }
            if offset == nil { state.apart += bytes }
            state.count(bytes)
            return offset.flatMap { base?.advanced(by: $0) }
        }
        return address ?? UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    }

    func give(_ pointer: UnsafeMutableRawPointer, _ bytes: Int) {
        let offset = Int(bitPattern: pointer) - Int(bitPattern: base)
        let isHere = base != nil && offset >= 0 && offset < size
        state.withLock { state in
            if !isHere {
                state.apart -= bytes
            } else if offset < state.low.extent {
                state.low.give(offset..<offset + bytes)
            } else {
                state.high.give(size - offset - bytes..<size - offset)
            }
            state.count(-bytes)
        }
        if !isHere { pointer.deallocate() }
    }

    package var use: MemoryUse {
        state.withLock { state in
            var use = state.use
            use.idle = state.lowTouched + state.highTouched + state.apart - use.inUse
            return use
        }
    }

    /// Bytes by which the extent grows, at most, while `body` runs.
    package func growth<R, E: Error>(during body: () throws(E) -> R) throws(E) -> (bytes: Int, result: R) {
        let (before, peak) = state.withLock { state in
            defer { state.use.peakExtent = state.use.extent }
            return (state.use.extent, state.use.peakExtent)
        }
        let result = try body()
        let grown = state.withLock { state in
            defer { state.use.peakExtent = max(state.use.peakExtent, peak) }
            return state.use.peakExtent - before
        }
        return (grown, result)
    }

    /// Returns idle pages to the system.
    package func giveBack() {
        state.withLock { state in
            advise(state.idleRanges(size), MADV_DONTNEED, pages: Int(getpagesize()))
            state.lowTouched = state.low.extent
            state.highTouched = state.high.extent
        }
    }

    /// Lets the system take idle pages when it is short of memory; until then they are there for whoever computes next, and count
    /// as the process's. A virtual machine needs seconds for a gigabyte of pages that its host has to find first.
    package func offer() {
        // Whole large pages: part of one would split it.
        state.withLock { advise($0.idleRanges(size), MADV_FREE, pages: 2 << 20) }
    }

    /// The whole pages of ranges of offsets.
    private func advise(_ ranges: [Range<Int>], _ advice: Int32, pages page: Int) {
        guard let base else { return }
        let first = Int(bitPattern: base) % page
        for range in ranges {
            let start = (first + range.lowerBound + page - 1) / page * page - first
            let end = (first + range.upperBound) / page * page - first
            if start < end { madvise(base + start, end - start, advice) }
        }
    }
}
