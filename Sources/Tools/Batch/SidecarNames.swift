import Foundation

/// What the sidecars of an output folder name, whatever version wrote them.
struct SidecarNames {
    /// The output folder.
    let path: String

    /// Hexadecimal digits of a SHA-256.
    static let digestLength = 64
    /// No sidecar is longer: a prompt has 16 KB.
    static let longest = 1 << 20

    static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }

    /// The digests that stand in any JSON file of the folder or of what is on its way into it.
    /// - Returns: nil unless all of it was read: where a folder or file is closed, and where a link leads out to another
    ///   folder or another disk begins, in which more may stand.
    func named(among digests: Set<String>) -> Set<String>? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        var search = Search(digests: digests, device: status.st_dev)
        // From there sidecars move into the folder, never back.
        let state = "\(path)/\(BatchFolder.state)"
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: state) else { return nil }
        for name in names where PathKind(of: "\(state)/\(name)") == .folder {
            let shard = name == BatchFolder.deliveries ? state : "\(state)/\(name)"
            let deliveries = "\(shard)/\(BatchFolder.deliveries)"
            guard PathKind(of: deliveries) == .nothing || search.read(folder: deliveries) else { return nil }
        }
        return search.read(folder: path, except: BatchFolder.state) ? search.found : nil
    }

    private struct Search {
        let digests: Set<String>
        let device: dev_t
        var found: Set<String> = []

        /// - Returns: whether all of it was read.
        mutating func read(folder: String, except excepted: String? = nil) -> Bool {
            guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else { return false }
            for name in names where name != excepted {
                let path = "\(folder)/\(name)"
                var status = stat()
                // What has gone meanwhile names nothing.
                guard lstat(path, &status) == 0 else {
                    if errno == ENOENT { continue }
                    return false
                }
                let isLink = status.st_mode & S_IFMT == S_IFLNK
                if isLink, stat(path, &status) != 0 { continue }
                if status.st_mode & S_IFMT == S_IFDIR {
                    guard !isLink, status.st_dev == device, read(folder: path) else { return false }
                } else if status.st_mode & S_IFMT == S_IFREG, name.hasSuffix(Sidecar.ending),
                    status.st_size <= SidecarNames.longest
                {
                    guard read(file: path) else { return false }
                }
            }
            return true
        }

        private mutating func read(file: String) -> Bool {
            guard let bytes = FileManager.default.contents(atPath: file) else { return PathKind(of: file) == .nothing }
            for digits in bytes.split(whereSeparator: { !SidecarNames.isDigit($0) })
            where digits.count == SidecarNames.digestLength {
                let digest = String(decoding: digits, as: UTF8.self)
                if digests.contains(digest) { found.insert(digest) }
            }
            return true
        }
    }
}
