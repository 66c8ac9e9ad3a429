import Blobs
import Dispatch
import Foundation

/// A folder that holds copies of what lies in a blob store: a file of it may be missing, and comes back when it is asked
/// for.
package struct BlobCache: Sendable {
    package let folder: FileFolder
    package let blobs: any BlobStore

    package init(folder: FileFolder, blobs: any BlobStore) {
        (self.folder, self.blobs) = (folder, blobs)
    }

    /// Puts files of the folder into the store.
    /// - Throws: `ServingError.storage`.
    package func upload(_ names: [String]) throws {
        for name in names {
            guard let blob = BlobName(name) else { continue }
            let path = folder.path(of: name)
            guard let bytes = FileManager.default.contents(atPath: path) else {
                throw ServingError.storage(operation: "reading \(path)", reason: String(cString: strerror(errno)))
            }
            try Self.storing { () throws(BlobFault) in try blobs.put([UInt8](bytes), as: blob) }
        }
    }

    /// Puts a file into the store, not into the folder.
    /// - Throws: `ServingError.storage`.
    package func put(_ bytes: [UInt8], as name: String) throws {
        guard let blob = BlobName(name) else { return }
        try Self.storing { () throws(BlobFault) in try blobs.put(bytes, as: blob) }
    }

    /// Brings a file back that the folder does not hold.
    /// - Returns: false where the store does not hold the file either.
    /// - Throws: `ServingError.storage`.
    package func bring(_ name: String) throws -> Bool {
        guard access(folder.path(of: name), F_OK) != 0 else { return true }
        let bytes = try Self.storing { () throws(BlobFault) in
            try BlobName(name).flatMap { blob throws(BlobFault) in try blobs.read(blob, nil) }
        }
        guard let bytes else { return false }
        try folder.write(bytes, as: name)
        _ = try folder.publish([name])
        return true
    }

    /// The same for a task. Files come one at a time: they are written aside under names of their own.
    package func bring(_ name: String) async throws -> Bool {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Bool, any Error>) in
            Self.bringing.async { continuation.resume(with: Result { try bring(name) as Bool }) }
        }
    }

    private static let bringing = DispatchQueue(label: "phasor.blobs")

    /// Removes files from the store, not from the folder.
    /// - Throws: `ServingError.storage`.
    package func remove(_ names: [String]) throws {
        for name in names {
            guard let blob = BlobName(name) else { continue }
            try Self.storing { () throws(BlobFault) in try blobs.delete(blob) }
        }
    }

    /// Removes the copies that were written longest ago, until the others are few enough.
    /// - Parameters:
    ///   - names: files that the store holds.
    ///   - capacity: bytes.
    ///   - now: Unix seconds.
    package func trim(_ names: [String], to capacity: Int, now: Double) {
        let copies = names.compactMap { name in folder.age(of: name, now: now).map { (name: name, age: $0) } }
        var total = copies.reduce(0) { $0 + folder.size(of: $1.name) }
        for copy in copies.sorted(by: { $0.age > $1.age }) where total > capacity {
            total -= folder.size(of: copy.name)
            folder.remove([copy.name])
        }
    }

    /// Tells faults of a blob store as faults of storage.
    package static func storing<T>(_ body: () throws(BlobFault) -> T) throws -> T {
        do throws(BlobFault) {
            return try body()
        } catch {
            throw ServingError.storage(operation: error.place, reason: error.reason)
        }
    }
}
