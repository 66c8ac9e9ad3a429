import Foundation
import GRDB

/// Finished files in a blob store. A file is there before the row says that the job has succeeded; the artifacts' folder
/// is then a cache of it, from which a file may be missing.
extension JobStore {
    private var copies: BlobCache? { options.blobs.map { BlobCache(folder: artifacts, blobs: $0) } }

    package func upload(_ names: [String]) throws { try copies?.upload(names) }

    /// Brings a file back that the folder does not hold any more.
    /// - Throws: `ServingError.expiredArtifact` for one that is nowhere; `storage`.
    func bring(_ artifact: Artifact) async throws {
        guard let copies else { return }
        guard try await copies.bring((artifact.path as NSString).lastPathComponent) else {
            throw ServingError.expiredArtifact(artifact.id)
        }
    }

    /// Removes files from the blob store.
    func removeBlobs(_ names: [String]) throws { try copies?.remove(names) }

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

    /// Calls `BlobCache.trim`.
    func trimCopies(now: Double) throws {
        guard let copies else { return }
        let known = try read("listing artifacts") { db in
            try String.fetchAll(db, sql: "SELECT CAST(file AS TEXT) FROM artifact WHERE NOT expired")
        }
        copies.trim(known, to: options.cacheBytes, now: now)
    }
}
