import Support

/// What a repository holds at one commit.
package struct RepositoryListing: Sendable {
    package let name: RepositoryName
    /// 40 hexadecimal digits.
    package let commit: String
    package let files: [RemoteFile]

    package init(name: RepositoryName, commit: String, files: [RemoteFile]) {
        self.name = name
        self.commit = commit
        self.files = files
    }

    static func isCommit(_ text: String) -> Bool { text.utf8.count == 40 && Hexadecimal.bytes(text) != nil }
}

/// A file of a repository, as its list has it.
package struct RemoteFile: Sendable, Equatable {
    package let path: String
    package let size: Int
    package let digest: Digest

    /// The digest by which a file is known, and by which the cache names it.
    package enum Digest: Sendable, Equatable {
        /// The digest of the bytes: large files, which lie outside git.
        case sha256(String)
        /// The digest of git's object: `blob`, the length, the bytes.
        case git(String)

        package var text: String {
            switch self {
            case .sha256(let text), .git(let text): text
            }
        }
    }

    package init(path: String, size: Int, digest: Digest) {
        self.path = path
        self.size = size
        self.digest = digest
    }

    /// The sum of all sizes of a list stays a number.
    private static let largest = 1 << 46

    /// An entry of the hub's list of files; nil for a folder.
    /// - Throws: `HubError.malformed`, or `.unsafePath` for a path that leads out of the repository.
    init?(_ entry: JSON, of name: RepositoryName) throws(HubError) {
        func fail(_ reason: String) -> HubError { .malformed(what: "\(name)", reason: reason) }
        guard case .string(let path)? = entry["path"] else { throw fail("a file without a \"path\"") }
        guard entry["type"] == .string("file") else { return nil }
        try RemotePath.check(path)
        let shown = RemotePath.shown(path)
        let lfs = entry["lfs"].flatMap { $0 == .null ? nil : $0 }
        guard let size = (lfs?["size"] ?? entry["size"])?.wholeNumber, 0...Self.largest ~= size else {
            throw fail("\"\(shown)\" has no \"size\"")
        }
        guard case .string(let oid)? = lfs?["oid"] ?? entry["oid"] else { throw fail("\"\(shown)\" has no \"oid\"") }
        // Some servers write the kind of the digest before it.
        let digits = (oid.hasPrefix("sha256:") ? String(oid.dropFirst(7)) : oid).lowercased()
        guard Hexadecimal.bytes(digits)?.count == (lfs == nil ? 20 : 32) else {
            throw fail("the digest of \"\(shown)\" is none")
        }
        self.init(path: path, size: size, digest: lfs == nil ? .git(digits) : .sha256(digits))
    }

    var folder: Substring { path.lastIndex(of: "/").map { path[..<$0] } ?? "" }
    var name: Substring { path.lastIndex(of: "/").map { path[path.index(after: $0)...] } ?? path[...] }
}

extension JSON {
    /// The value as a number; nil for what is no whole number.
    fileprivate var wholeNumber: Int? {
        guard case .number(let digits) = self else { return nil }
        return Int(digits)
    }
}

/// Takes the bytes of a file and gives the digest that its repository has for it.
struct FileDigest {
    private enum State {
        case sha256(SHA256)
        case sha1(SHA1)
    }

    private var state: State

    init(_ file: RemoteFile) {
        switch file.digest {
        case .sha256: state = .sha256(SHA256())
        case .git:
            var hash = SHA1()
            hash.update(Array("blob \(file.size)\0".utf8))
            state = .sha1(hash)
        }
    }

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        switch state {
        case .sha256(var hash):
            state = .sha256(SHA256())
            hash.update(bytes)
            state = .sha256(hash)
        case .sha1(var hash):
            state = .sha1(SHA1())
            hash.update(bytes)
            state = .sha1(hash)
        }
    }

    /// Hexadecimal digits.
    consuming func finish() -> String {
        switch state {
        case .sha256(let hash): Hexadecimal.text(hash.finish())
        case .sha1(let hash): Hexadecimal.text(hash.finish())
        }
    }
}
