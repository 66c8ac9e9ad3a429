import Foundation
import Support
import Web

/// Brings one file: its bytes go into a partial file, from which a later attempt goes on, and that gets the file's name when its
/// size and digest are those that the repository says.
struct Download {
    let client: HubClient
    let listing: RepositoryListing
    let file: RemoteFile
    /// Where the bytes are gathered.
    let partial: String
    /// Where the file appears.
    let target: String
    let isCancelled: @Sendable () -> Bool
    /// Told the bytes of the file that are there.
    let onProgress: @Sendable (Int) -> Void

    /// - Throws: `HubError`.
    func run() throws(HubError) {
        do {
            try bring()
        } catch let error as HubError {
            throw error
        } catch {
            throw .unreachable(url: file.path, reason: "\(error)")
        }
    }

    private func bring() throws {
        let descriptor = open(partial, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard descriptor >= 0 else { throw Self.fault(partial) }
        defer { close(descriptor) }
        var body = Body(file: file, descriptor: descriptor, path: partial)
        try body.takeUp()
        onProgress(body.count)
        let wasResumed = body.count > 0
        do {
            try fill(&body)
        } catch let error as HubError {
            // What an earlier attempt left may have been damaged since: it is brought anew, once.
            guard wasResumed, case .wrongDigest = error else { throw error }
            try fill(&body)
        }
        guard fsync(descriptor) == 0 else { throw Self.fault(partial) }
        do throws(FileFault) {
            try AtomicFile.publish(partial, as: target)
        } catch {
            throw HubError.unwritable(path: target, reason: error.reason)
        }
    }

    private func fill(_ body: inout Body) throws {
        let address = client.address(of: file.path, in: listing)
        let what = "\(listing.name)/\(RemotePath.shown(file.path))"
        let box = Box(body)
        defer { body = box.body }
        while box.body.count < file.size {
            try client.repeated(address, isCancelled: isCancelled, progress: { box.body.count }) {
                var refused: [UInt8] = []
                box.hasBegun = false
                let offset = box.body.count
                let head = try client.get(address, from: offset, isCancelled: isCancelled) { head, bytes in
                    switch head.status {
                    case 200 where offset > 0 && !box.hasBegun:
                        // The range was not heeded: the whole file comes.
                        try box.body.restart()
                        box.hasBegun = true
                        try box.body.append(bytes)
                    case 206 where !box.hasBegun:
                        guard Self.start(of: head) == offset else {
                            throw HubError.malformed(what: what, reason: "another range than asked for")
                        }
                        box.hasBegun = true
                        try box.body.append(bytes)
                    case 200, 206:
                        box.hasBegun = true
                        try box.body.append(bytes)
                    default:
                        if refused.count < 4096 { refused += bytes }
                        return
                    }
                    onProgress(box.body.count)
                }
                switch head.status {
                case 200, 206: break
                case 416: try box.body.restart()
                default: throw client.refusal(head, refused[...], url: address, what: what)
                }
                // An answer that ended properly and too early is as good as a cut connection.
                if box.body.count < file.size {
                    throw WebTransfer.Failure(reason: "the answer ended too early", isTransient: true)
                }
            }
        }
        try box.body.check()
    }

    /// The first byte's place in `Content-Range: bytes 5-9/10`.
    private static func start(of head: WebTransfer.Head) -> Int? {
        guard let range = head.fields["content-range"], range.hasPrefix("bytes ") else { return nil }
        return range.dropFirst(6).split(separator: "-").first.flatMap { Int($0) }
    }

    static func fault(_ path: String) -> HubError {
        .unwritable(path: path, reason: String(cString: strerror(errno)))
    }

    /// A body that closures share with the function that lends it.
    private final class Box {
        var body: Body
        /// Whether bytes of the present answer have come.
        var hasBegun = false
        init(_ body: Body) { self.body = body }
    }
}

/// The bytes of a file as far as they are there, with their digest.
struct Body {
    private let file: RemoteFile
    private let descriptor: Int32
    private let path: String
    private var digest: FileDigest
    private(set) var count = 0

    init(file: RemoteFile, descriptor: Int32, path: String) {
        self.file = file
        self.descriptor = descriptor
        self.path = path
        digest = FileDigest(file)
    }

    /// Reads what an earlier attempt left.
    mutating func takeUp() throws(HubError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { throw Download.fault(path) }
        if Int(status.st_size) > file.size { return try restart() }
        let capacity = 1 << 20
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let taken = pread(descriptor, buffer.baseAddress, capacity, off_t(count))
            if taken < 0, errno == EINTR { continue }
            guard taken >= 0 else { throw Download.fault(path) }
            guard taken > 0 else { return }
            digest.update(UnsafeRawBufferPointer(rebasing: buffer[..<taken]))
            count += taken
        }
    }

    mutating func restart() throws(HubError) {
        guard ftruncate(descriptor, 0) == 0 else { throw Download.fault(path) }
        (count, digest) = (0, FileDigest(file))
    }

    /// - Throws: `.wrongSize` for more bytes than the file has.
    mutating func append(_ bytes: UnsafeRawBufferPointer) throws(HubError) {
        guard count + bytes.count <= file.size else {
            let found = count + bytes.count
            try restart()
            throw .wrongSize(path: file.path, expected: file.size, found: found)
        }
        guard lseek(descriptor, off_t(count), SEEK_SET) >= 0 else { throw Download.fault(path) }
        do throws(FileFault) {
            try SystemFile.write(bytes, to: descriptor, path: path)
        } catch {
            throw .unwritable(path: path, reason: error.reason)
        }
        digest.update(bytes)
        count += bytes.count
    }

    /// The digest of what is there.
    var text: String { digest.finish() }

    /// - Throws: `.wrongDigest`; the bytes are then gone.
    mutating func check() throws(HubError) {
        let found = text
        guard found == file.digest.text else {
            try restart()
            throw .wrongDigest(path: file.path, expected: file.digest.text, found: found)
        }
    }
}
