/// Files under names, somewhere that outlives this machine's folder. A blob is visible whole or not at all, and what was
/// put is durable when `put` returns. All calls block; they may come from several threads.
package protocol BlobStore: Sendable {
    /// The place as messages name it, without anything secret.
    var location: String { get }

    /// Stores bytes under a name, in place of what it stood for.
    func put(_ bytes: [UInt8], as name: BlobName) throws(BlobFault)

    /// - Parameter range: nil for all of it; what lies beyond the blob's end is not there.
    /// - Returns: nil for a blob that is not there.
    func read(_ name: BlobName, _ range: Range<Int>?) throws(BlobFault) -> [UInt8]?

    /// - Returns: bytes; nil for a blob that is not there.
    func size(of name: BlobName) throws(BlobFault) -> Int?

    /// - Parameter prefix: what the names begin with.
    /// - Returns: the names of blobs that are there, in no order.
    func names(startingWith prefix: BlobName) throws(BlobFault) -> [BlobName]

    /// An address at which whoever has it may read a blob, whether that is there or not.
    /// - Parameter seconds: for how long, 604,800 at most.
    /// - Returns: nil for a store that nobody reaches so.
    func link(to name: BlobName, seconds: Int) -> String?

    /// Removes a blob; one that is not there is no error.
    func delete(_ name: BlobName) throws(BlobFault)
}

/// Why a blob store did not do what it was asked.
package struct BlobFault: Error, Equatable, CustomStringConvertible {
    /// The store, or the blob.
    package let place: String
    package let reason: String

    package init(_ place: String, _ reason: String) {
        (self.place, self.reason) = (place, reason)
    }

    package var description: String { "\(place): \(reason)" }
}

/// 1 to 200 letters, digits, dots, dashes and underscores, no dot first: the same in a path, a URL and a signature.
package struct BlobName: Sendable, Hashable, CustomStringConvertible {
    package let description: String

    package init?(_ text: String) {
        guard (1...200).contains(text.utf8.count), text.utf8.first != UInt8(ascii: "."),
            text.utf8.allSatisfy(Self.isPlain)
        else { return nil }
        description = text
    }

    static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}

/// Where blobs are kept: `file:///folder` or `s3://bucket/prefix`.
package enum BlobLocation: Sendable, Equatable {
    case folder(String)
    /// The prefix has no slash at either end, and may be empty.
    case s3(bucket: String, prefix: String)

    /// What messages say a location looks like.
    package static let form = "file:///FOLDER or s3://BUCKET[/PREFIX]"

    /// Returns nil for a text that is neither.
    package init?(_ text: String) {
        if text.hasPrefix("file:///") {
            let path = String(text.dropFirst("file://".count))
            guard path.utf8.count > 1, !path.utf8.contains(0) else { return nil }
            self = .folder(path)
        } else if text.hasPrefix("s3://") {
            let parts = text.dropFirst("s3://".count).split(separator: "/", omittingEmptySubsequences: false)
            guard let bucket = parts.first, (3...63).contains(bucket.utf8.count),
                bucket.utf8.allSatisfy(BlobName.isPlain)
            else { return nil }
            var folders = parts.dropFirst()
            if folders.last?.isEmpty == true { folders.removeLast() }
            guard folders.allSatisfy({ BlobName(String($0)) != nil }) else { return nil }
            self = .s3(bucket: String(bucket), prefix: folders.joined(separator: "/"))
        } else {
            return nil
        }
    }

    /// Opens the store and asks it something, so that wrong credentials and buckets show at once.
    /// - Parameter environment: has the credentials of S3.
    /// - Throws: `BlobFault`.
    package func open(environment: [String: String]) throws(BlobFault) -> any BlobStore {
        let store: any BlobStore
        switch self {
        case .folder(let path): store = try FolderBlobs(path: path)
        case .s3(let bucket, let prefix):
            store = S3Blobs(try S3Access(environment), bucket: bucket, prefix: prefix)
        }
        if let probe = BlobName("phasor-probe") { _ = try store.read(probe, 0..<1) }
        return store
    }
}
