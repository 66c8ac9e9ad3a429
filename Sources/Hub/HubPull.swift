import Dispatch
import Foundation
import Support
import Synchronization

/// Brings files of one repository, into the shared cache or into a folder.
package struct HubPull: Sendable {
    package enum Place: Sendable, Equatable {
        case cache
        /// Files lie there by their paths in the repository.
        case folder(String)
    }

    /// What to tell whoever waits.
    package enum Event: Sendable, Equatable {
        /// What will be brought, and how much of it is there already.
        case began(files: Int, bytes: Int, present: Int)
        case progress(bytes: Int, of: Int)
        /// Another process brings the file.
        case waits(path: String)
    }

    private let client: HubClient
    private let cache: HubCache
    private let place: Place

    /// Files that are brought at the same time.
    private static let lanes = 4
    /// What stays free of a disk.
    private static let reserve = 16 << 20

    package init(_ client: HubClient, place: Place) {
        self.client = client
        self.place = place
        cache = HubCache(client.settings.cache)
    }

    /// - Parameters:
    ///   - name: with the file that is meant, if one is.
    ///   - selection: `components` are read from the repository's own `model_index.json`.
    ///   - onEvent: called from any thread.
    /// - Returns: the folder in which the files lie by their paths, and these paths.
    /// - Throws: `HubError`.
    package func run(
        _ name: RepositoryName, selection: FileSelection, onEvent: @escaping @Sendable (Event) -> Void
    ) throws -> (folder: String, files: [String]) {
        let listing = try client.listing(of: name)
        var selection = selection
        if name.file == nil, let index = listing.files.first(where: { $0.path == FileSelection.index }) {
            try bring([index], of: listing) { _ in }
            let path = "\(folder(of: listing))/\(index.path)"
            selection.components = try FileSelection.components(
                of: [UInt8](FileManager.default.contents(atPath: path) ?? Data()), repository: "\(name)")
        }
        let files = try selection.files(of: listing)
        try bring(files, of: listing, onEvent)
        if place == .cache { try cache.remember(listing) }
        return (folder(of: listing), files.map(\.path))
    }

    private func folder(of listing: RepositoryListing) -> String {
        switch place {
        case .cache: "\(cache.folder(of: listing.name))/snapshots/\(listing.commit)"
        case .folder(let path): path
        }
    }

    /// Where a file's bytes go.
    private func target(_ file: RemoteFile, of listing: RepositoryListing) -> String {
        switch place {
        case .cache: cache.blob(file, of: listing.name)
        case .folder(let path): "\(path)/\(file.path)"
        }
    }

    private static func partial(_ target: String) -> String { target + ".incomplete" }

    // MARK: All files

    private func bring(
        _ all: [RemoteFile], of listing: RepositoryListing, _ onEvent: @escaping @Sendable (Event) -> Void
    ) throws {
        // Files of the same bytes are one in the cache.
        var seen: Set<String> = []
        let byContent = Dictionary(grouping: all) { place != .cache || seen.insert($0.digest.text).inserted }
        let (files, copies) = (byContent[true] ?? [], byContent[false] ?? [])
        let total = files.reduce(0) { $0 + $1.size }
        let missing = files.reduce(0) { sum, file in
            let target = target(file, of: listing)
            let there = HubCache.byteCount(of: target) == file.size ? file.size : nil
            return sum + file.size - (there ?? min(HubCache.byteCount(of: Self.partial(target)) ?? 0, file.size))
        }
        let root = place == .cache ? cache.root : folder(of: listing)
        if missing > 0, let free = HubCache.freeBytes(at: root), missing + Self.reserve > free {
            throw HubError.noSpace(folder: root, needed: missing + Self.reserve, free: free)
        }
        onEvent(.began(files: files.count, bytes: total, present: total - missing))
        let state = Mutex((next: 0, done: [Int](repeating: 0, count: files.count), error: HubError?.none))
        DispatchQueue.concurrentPerform(iterations: min(Self.lanes, files.count)) { _ in
            while let index = state.withLock({ state -> Int? in
                guard state.error == nil, state.next < files.count else { return nil }
                defer { state.next += 1 }
                return state.next
            }) {
                do throws(HubError) {
                    try bring(files[index], of: listing, onEvent) {
                        state.withLock { $0.error != nil }
                    } onProgress: { bytes in
                        let sum = state.withLock { state in
                            state.done[index] = bytes
                            return state.done.reduce(0, +)
                        }
                        onEvent(.progress(bytes: sum, of: total))
                    }
                } catch {
                    state.withLock { if $0.error == nil { $0.error = error } }
                }
            }
        }
        if let error = state.withLock({ $0.error }) { throw error }
        for copy in copies {
            try cache.locked(copy.digest.text, of: listing.name) { () throws(HubError) in
                try cache.link(copy, in: listing)
            }
        }
    }

    // MARK: One file

    private func bring(
        _ file: RemoteFile, of listing: RepositoryListing, _ onEvent: @escaping @Sendable (Event) -> Void,
        isCancelled: @escaping @Sendable () -> Bool, onProgress: @escaping @Sendable (Int) -> Void
    ) throws(HubError) {
        let target = target(file, of: listing)
        try HubCache.makeFolder(of: target)
        let download = Download(
            client: client, listing: listing, file: file, partial: Self.partial(target), target: target,
            isCancelled: isCancelled, onProgress: onProgress)
        switch place {
        case .folder:
            // Nothing but its bytes tells which version a file of a folder is.
            let isWhole = HubCache.byteCount(of: target) == file.size
            let digest = isWhole ? try Self.digest(of: target, file) : ""
            if digest != file.digest.text { try download.run() }
        case .cache:
            // Bytes get their digest as a name when they have been checked.
            try cache.locked(
                file.digest.text, of: listing.name, onWait: { onEvent(.waits(path: file.path)) }
            ) { () throws(HubError) in
                if HubCache.byteCount(of: target) != file.size { try download.run() }
                try cache.link(file, in: listing)
            }
        }
        onProgress(file.size)
    }

    private static func digest(of path: String, _ file: RemoteFile) throws(HubError) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Download.fault(path) }
        defer { close(descriptor) }
        var body = Body(file: file, descriptor: descriptor, path: path)
        try body.takeUp()
        return body.text
    }
}
