import Foundation
import Support

/// The cache of `huggingface_hub`, whose layout is documented and shared by many tools:
///
///     models--OWNER--NAME/blobs/DIGEST                 the bytes of a file
///     models--OWNER--NAME/snapshots/COMMIT/PATH        a link to them
///     models--OWNER--NAME/refs/REVISION                the commit that a revision stood for
///     .locks/models--OWNER--NAME/DIGEST.lock           held by whoever brings a file
package struct HubCache: Sendable {
    package let root: String

    package init(_ root: String) { self.root = root }

    func folder(of name: RepositoryName) -> String { "\(root)/models--\(name.owner)--\(name.name)" }

    func blob(_ file: RemoteFile, of name: RepositoryName) -> String {
        "\(folder(of: name))/blobs/\(file.digest.text)"
    }

    /// The folder of a repository's files as they were when the revision was last pulled.
    /// - Returns: nil where it never was.
    package func snapshot(of name: RepositoryName) -> String? {
        guard let commit = commit(of: name) else { return nil }
        let path = "\(folder(of: name))/snapshots/\(commit)"
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }

    /// A file of it, or nil.
    package func path(of file: String, in name: RepositoryName) -> String? {
        snapshot(of: name).map { "\($0)/\(file)" }.flatMap {
            FileManager.default.fileExists(atPath: $0) ? $0 : nil
        }
    }

    private func commit(of name: RepositoryName) -> String? {
        if RepositoryListing.isCommit(name.revision) { return name.revision }
        guard let text = FileManager.default.contents(atPath: "\(folder(of: name))/refs/\(name.revision)") else {
            return nil
        }
        let commit = String(decoding: text.prefix(64), as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        return RepositoryListing.isCommit(commit) ? commit : nil
    }

    // MARK: Writing

    /// Notes the commit that the revision stands for, once its files are there.
    func remember(_ listing: RepositoryListing) throws(HubError) {
        guard !RepositoryListing.isCommit(listing.name.revision) else { return }
        let path = "\(folder(of: listing.name))/refs/\(listing.name.revision)"
        try Self.makeFolder(of: path)
        try locked("refs", of: listing.name) { () throws(HubError) in
            do throws(FileFault) {
                try AtomicFile.write(listing.commit.utf8, to: path)
            } catch {
                throw .unwritable(path: path, reason: error.reason)
            }
        }
    }

    /// Makes the link from a snapshot to a file's bytes, in place of another. The file's lock is held meanwhile.
    func link(_ file: RemoteFile, in listing: RepositoryListing) throws(HubError) {
        let path = "\(folder(of: listing.name))/snapshots/\(listing.commit)/\(file.path)"
        let up = String(repeating: "../", count: file.path.split(separator: "/").count + 1)
        let target = "\(up)blobs/\(file.digest.text)"
        if (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) == target { return }
        try Self.makeFolder(of: path)
        let aside = AtomicFile.aside(path)
        unlink(aside)
        guard symlink(target, aside) == 0, rename(aside, path) == 0 else { throw Download.fault(path) }
    }

    /// Carries out work that no other process does at the same time.
    /// - Parameters:
    ///   - what: a file's digest.
    ///   - onWait: called where another one is at it.
    func locked(
        _ what: String, of name: RepositoryName, onWait: () -> Void = {}, _ body: () throws(HubError) -> Void
    ) throws(HubError) {
        let path = "\(root)/.locks/models--\(name.owner)--\(name.name)/\(what).lock"
        try Self.makeFolder(of: path)
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Download.fault(path) }
        // Closing it lets the lock go.
        defer { close(descriptor) }
        if flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            onWait()
            while flock(descriptor, LOCK_EX) != 0 {
                // Some file systems of networks have no locks: the partial file's digest is checked all the same.
                guard errno == EINTR else { break }
            }
        }
        try body()
    }

    static func makeFolder(of path: String) throws(HubError) {
        do throws(FileFault) {
            try SystemFile.makeFolder(SystemFile.folder(of: path))
        } catch {
            throw .unwritable(path: error.path, reason: error.reason)
        }
    }

    /// Bytes that a file system has for a folder that may not be there yet.
    static func freeBytes(at path: String) -> Int? {
        var path = path
        while true {
            var status = statvfs()
            if statvfs(path, &status) == 0 { return Int(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize)) }
            let parent = (path as NSString).deletingLastPathComponent
            guard parent != path, !parent.isEmpty else { return nil }
            path = parent
        }
    }

    static func byteCount(of path: String) -> Int? {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG ? Int(status.st_size) : nil
    }
}
