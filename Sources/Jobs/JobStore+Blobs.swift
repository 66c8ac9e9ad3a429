import Blobs
import Dispatch
import Foundation
import GRDB

/// Finished files in a blob store. A file is there before the row says that the job has succeeded; the artifacts' folder
/// is then a cache of it, from which a file may be missing.
extension JobStore {
    /// Puts files that were published into the blob store.
    /// - Throws: `ServingError.storage`.
    package func upload(_ names: [String]) throws {
        guard let blobs = options.blobs else { return }
        for name in names {
            guard let blob = BlobName(name) else { continue }
            let path = artifacts.path(of: name)
            guard let bytes = FileManager.default.contents(atPath: path) else {
                throw ServingError.storage(operation: "reading \(path)", reason: String(cString: strerror(errno)))
            }
            try Self.inStore { () throws(BlobFault) in try blobs.put([UInt8](bytes), as: blob) }
        }
    }

    /// Brings a file back that the folder does not hold any more.
    /// - Throws: `ServingError.expiredArtifact` for one that is nowhere; `storage`.
    func bring(_ artifact: Artifact) async throws {
        guard let blobs = options.blobs, access(artifact.path, F_OK) != 0 else { return }
        let name = (artifact.path as NSString).lastPathComponent
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            // One at a time: files are written aside under names of their own.
            Self.bringing.async { [artifacts] in
                continuation.resume(
                    with: Result {
                        guard access(artifact.path, F_OK) != 0 else { return }
                        let bytes = try Self.inStore { () throws(BlobFault) in
                            try BlobName(name).flatMap { blob throws(BlobFault) in try blobs.read(blob, nil) }
                        }
                        guard let bytes else { throw ServingError.expiredArtifact(artifact.id) }
                        try artifacts.write(bytes, as: name)
                        _ = try artifacts.publish([name])
                    })
            }
        }
    }

    private static let bringing = DispatchQueue(label: "phasor.blobs")

    /// Removes files from the blob store.
    func removeBlobs(_ names: [String]) throws {
        guard let blobs = options.blobs else { return }
        for name in names {
            guard let blob = BlobName(name) else { continue }
            try Self.inStore { () throws(BlobFault) in try blobs.delete(blob) }
        }
    }

    /// Removes from the blob store what retention has given up. What it does not take now, it is asked to take again.
    func removeExpiredBlobs() throws {
        guard options.blobs != nil else { return }
        // 1 is expired, 2 is gone from the blob store too.
        let files = try read("listing expired artifacts") { db in
            try String.fetchAll(db, sql: "SELECT CAST(file AS TEXT) FROM artifact WHERE expired = 1 LIMIT 1000")
        }
        var failure: (any Error)?
        for file in files {
            do {
                try removeBlobs([file])
                try write("forgetting \(file)") { db in
                    try db.execute(
                        sql: "UPDATE artifact SET expired = 2 WHERE file = ? AND expired = 1", arguments: [file])
                }
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
    }

    /// Removes the copies that were written longest ago, until the others are few enough.
    func trimCopies(now: Double) throws {
        guard options.blobs != nil else { return }
        let known = try read("listing artifacts") { db in
            try String.fetchAll(db, sql: "SELECT CAST(file AS TEXT) FROM artifact WHERE NOT expired")
        }
        let copies = known.compactMap { name in artifacts.age(of: name, now: now).map { (name: name, age: $0) } }
        var total = copies.reduce(0) { $0 + artifacts.size(of: $1.name) }
        for copy in copies.sorted(by: { $0.age > $1.age }) where total > options.cacheBytes {
            total -= artifacts.size(of: copy.name)
            artifacts.remove([copy.name])
        }
    }

    private static func inStore<T>(_ body: () throws(BlobFault) -> T) throws -> T {
        do throws(BlobFault) {
            return try body()
        } catch {
            throw ServingError.storage(operation: error.place, reason: error.reason)
        }
    }
}
