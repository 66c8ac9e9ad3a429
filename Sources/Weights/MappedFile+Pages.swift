import Foundation

/// How the bytes of weights get into memory.
package enum WeightLoading: String, Sendable, CaseIterable {
    /// Pages of the file are mapped: what the page cache has costs nothing.
    case mmap
    /// Bytes are read into memory of the process: for file systems that are slow at mapped access.
    case read
}

/// Bringing parts of a file into memory and letting them go, while their address stays.
extension MappedFile {
    /// Reads and page table updates are issued in steps of this size, each while the one after it is being read.
    private static let step = 8 << 20

    /// Returns when the bytes are in memory.
    /// - Throws: `.unreadable` if the file has become shorter, or its device fails. Reading the bytes then ends the
    ///   process, unless they are made `blank`.
    func bring(_ range: Range<Int>, by loading: WeightLoading) throws(WeightError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .unreadable(file: path, reason: systemReason()) }
        guard Int(status.st_size) >= range.upperBound else {
            throw .unreadable(
                file: path,
                reason: "it was cut to \(status.st_size) bytes while in use, \(range.upperBound) are needed")
        }
        switch loading {
        case .mmap: try populate(outer(range))
        case .read:
            // Pages shared with a neighbour stay mapped: the neighbour may be in use.
            let inner = inner(range)
            if !inner.isEmpty { try read(inner) }
            for edge in edges(range, inner) { try populate(edge) }
        }
    }

    /// Unmaps the pages that hold nothing but these bytes.
    func unmap(_ range: Range<Int>, by loading: WeightLoading) {
        let inner = inner(range)
        guard !inner.isEmpty else { return }
        switch loading {
        case .mmap: madvise(address(inner.lowerBound), inner.count, MADV_DONTNEED)
        case .read: restore(inner)
        }
    }

    /// Lets the page cache drop bytes that were unmapped.
    ///
    /// It drops only whole folios, which may reach beyond the range, and none that is mapped. So the range is taken
    /// wider: neighbours in use are mapped and stay.
    func uncache(_ range: Range<Int>) {
        let start = max(range.lowerBound - Self.largestFolio, 0)
        posix_fadvise(descriptor, start, range.upperBound + Self.largestFolio - start, POSIX_FADV_DONTNEED)
    }

    private static let largestFolio = 2 << 20

    /// Puts zeros in place of bytes that cannot be read, until `restore`: reading them is safe then.
    func blank(_ range: Range<Int>) {
        let outer = outer(range)
        mmap(address(outer.lowerBound), outer.count, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)
    }

    /// Maps the file's own bytes.
    func restore(_ range: Range<Int>) {
        let outer = outer(range)
        mmap(
            address(outer.lowerBound), outer.count, PROT_READ, MAP_SHARED | MAP_FIXED, descriptor, outer.lowerBound)
    }

    /// Unmaps pages that were touched while the file was opened; they stay in the page cache.
    func forget() { madvise(address(0), bytes.count, MADV_DONTNEED) }

    // MARK: Two ways in

    private func populate(_ range: Range<Int>) throws(WeightError) {
        for part in steps(of: range) {
            let ahead = min(part.upperBound + Self.step, range.upperBound)
            posix_fadvise(descriptor, part.lowerBound, ahead - part.lowerBound, POSIX_FADV_WILLNEED)
            guard madvise(address(part.lowerBound), part.count, MADV_POPULATE_READ) != 0 else { continue }
            // Linux before 5.14: pages come when they are touched.
            if errno == EINVAL { continue }
            throw .unreadable(file: path, reason: "bytes \(part.lowerBound)-\(part.upperBound): \(systemReason())")
        }
    }

    private func read(_ range: Range<Int>) throws(WeightError) {
        let target = address(range.lowerBound)
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
        guard mmap(target, range.count, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED else {
            throw .unreadable(file: path, reason: systemReason())
        }
        madvise(target, range.count, MADV_HUGEPAGE)
        for part in steps(of: range) {
            var done = part.lowerBound
            while done < part.upperBound {
                let count = pread(descriptor, address(done), part.upperBound - done, done)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else {
                    let reason = count == 0 ? "the file ends there" : systemReason()
                    throw .unreadable(file: path, reason: "byte \(done): \(reason)")
                }
                done += count
            }
            // Not twice in memory.
            uncache(part)
        }
        mprotect(target, range.count, PROT_READ)
    }

    // MARK: Pages

    func address(of offset: Int) -> UInt { UInt(bitPattern: bytes.baseAddress) + UInt(offset) }

    private func address(_ offset: Int) -> UnsafeMutableRawPointer? {
        UnsafeMutableRawPointer(mutating: bytes.baseAddress?.advanced(by: offset))
    }

    private func steps(of range: Range<Int>) -> [Range<Int>] {
        stride(from: range.lowerBound, to: range.upperBound, by: Self.step).map {
            $0..<min($0 + Self.step, range.upperBound)
        }
    }

    private func outer(_ range: Range<Int>) -> Range<Int> {
        let page = Int(getpagesize())
        return range.lowerBound / page * page..<(range.upperBound + page - 1) / page * page
    }

    private func inner(_ range: Range<Int>) -> Range<Int> {
        let page = Int(getpagesize())
        let start = (range.lowerBound + page - 1) / page * page
        return start..<max(start, range.upperBound / page * page)
    }

    /// The pages of `range` that `inner` leaves.
    private func edges(_ range: Range<Int>, _ inner: Range<Int>) -> [Range<Int>] {
        let outer = outer(range)
        guard !inner.isEmpty else { return [outer] }
        return [outer.lowerBound..<inner.lowerBound, inner.upperBound..<outer.upperBound].filter { !$0.isEmpty }
    }
}
