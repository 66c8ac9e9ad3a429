import Foundation
import Support

/// Files that can be done without: they take their name when they are whole, and tell whether they still are. Nothing
/// is synced, so after a power cut one may be damaged, and is then as good as none.
extension FileFolder {
    /// Bytes before the content.
    private static let sealBytes = 8

    /// - Throws: `ServingError.storage`.
    package func writeSealed(_ content: Data, as name: String) throws {
        let seal = withUnsafeBytes(of: FNV1a.hash(content).littleEndian) { Array($0) }
        do {
            try write(seal + content, as: name)
            try takeName(name)
        } catch {
            removeAside([name])
            throw error
        }
    }

    /// Names and lengths of embeddings, by the time of their last use. What was left unfinished is removed; files of other
    /// names are not looked at.
    package func oldestFirst() -> [(name: String, bytes: Int)] {
        let all = (try? names()) ?? []
        removeAside(all.compactMap(OwnName.finished).filter { OwnName.isEmbedding($0) }.map(String.init))
        remove(all.filter { OwnName.isFormerEmbedding($0) })
        let names = all.filter { OwnName.isEmbedding($0) }
        closeToOthers(names)
        return names.compactMap { name -> (name: String, bytes: Int, used: timespec)? in
            var status = stat()
            guard stat(path(of: name), &status) == 0 else { return nil }
            return (name, Int(status.st_size), status.st_mtim)
        }
        .sorted { ($0.used.tv_sec, $0.used.tv_nsec, $0.name) < ($1.used.tv_sec, $1.used.tv_nsec, $1.name) }
        .map { ($0.name, $0.bytes) }
    }

    /// Marks a file as used now.
    package func touch(_ name: String) { utimensat(AT_FDCWD, path(of: name), nil, 0) }

    /// - Returns: nil if there is no such file.
    /// - Throws: `ServingError.storage` if it cannot be read or is damaged.
    package func readSealed(_ name: String) throws -> Data? {
        let path = path(of: name)
        let operation = "reading \(path)"
        guard access(path, R_OK) == 0 else {
            if errno == ENOENT { return nil }
            throw ServingError.storage(operation: operation, reason: String(cString: strerror(errno)))
        }
        let file: Data
        do {
            file = try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw ServingError.storage(operation: operation, reason: error.localizedDescription)
        }
        let content = file.dropFirst(Self.sealBytes)
        let seal = withUnsafeBytes(of: FNV1a.hash(content).littleEndian) { Array($0) }
        guard file.count >= Self.sealBytes, Array(file.prefix(Self.sealBytes)) == seal else {
            throw ServingError.storage(operation: operation, reason: "the file is damaged")
        }
        return Data(content)
    }
}
