import Foundation
import Support
import Weights

/// The output folder: finished files under their names, their sidecars, and `.phasor` with the jobs on their way.
///
/// A name appears with a whole file, or not at all: files are linked in by another name and renamed. The sidecar comes
/// after the file it speaks of, so a file with a matching sidecar is done.
struct BatchFolder: Sendable {
    let path: String

    static let state = ".phasor"
    var statePath: String { "\(path)/\(Self.state)" }

    /// Whether an item's file is there, made from the same request by the same model.
    func isDone(_ item: Manifest.Item, made: Sidecar.Maker, identity: ModelIdentity) -> Bool {
        // Another library or processor since then is no reason to begin again.
        guard let sidecar = Sidecar(of: item.file, in: path), sidecar.request == item.request,
            sidecar.made.precision == made.precision,
            sidecar.identity.difference(from: identity) == nil
        else { return false }
        return size(of: item.file) == sidecar.bytes
    }

    /// Nil if there is no such file.
    func size(of file: String) -> Int? {
        var status = stat()
        guard stat("\(path)/\(file)", &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int(status.st_size)
    }

    /// Gives a finished artifact its name, and writes its sidecar.
    func deliver(
        _ item: Manifest.Item, artifact: String, made: Sidecar.Maker, identity: ModelIdentity
    ) throws(BatchError) {
        guard let bytes = FileManager.default.contents(atPath: artifact) else {
            throw .unreadable(path: artifact, reason: String(cString: strerror(errno)))
        }
        let target = "\(path)/\(item.file)"
        let folder = URL(filePath: target).deletingLastPathComponent().path
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw .unwritable(path: folder, reason: error.localizedDescription)
        }
        let aside = target + ".partial"
        unlink(aside)
        // The artifact is on disk already; a second name costs nothing. Some file systems have no links.
        if link(artifact, aside) != 0 { try write(bytes, to: aside) }
        try rename(aside, to: target)
        let sidecar = Sidecar(
            item, bytes: bytes.count, sha256: SHA256.hexadecimal(of: bytes), made: made,
            identity: identity)
        guard let data = try? sidecar.data else { throw .unwritable(path: target, reason: "its sidecar is no JSON") }
        try replace(Sidecar.path(of: item.file), with: data)
    }

    /// Writes a file of the batch's own, whole or not at all.
    func replace(_ name: String, with data: Data) throws(BatchError) {
        let aside = "\(path)/\(name).partial"
        try write(data, to: aside)
        try rename(aside, to: "\(path)/\(name)")
    }

    private func write(_ data: Data, to path: String) throws(BatchError) {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw fault(path) }
        defer { close(file) }
        var rest = data[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw fault(path) }
            rest = rest.dropFirst(count)
        }
        guard fsync(file) == 0 else { throw fault(path) }
    }

    private func rename(_ aside: String, to target: String) throws(BatchError) {
        guard Glibc.rename(aside, target) == 0 else { throw fault(target) }
        let folder = open(URL(filePath: target).deletingLastPathComponent().path, O_RDONLY | O_CLOEXEC)
        guard folder >= 0 else { throw fault(target) }
        defer { close(folder) }
        guard fsync(folder) == 0 else { throw fault(target) }
    }

    private func fault(_ path: String) -> BatchError {
        .unwritable(path: path, reason: String(cString: strerror(errno)))
    }

    /// Files with a sidecar, in the order of their names.
    var filesWithSidecars: [String] {
        let names = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
        return names.filter { name in
            name.hasSuffix(".json") && !name.hasPrefix(Self.state + "/")
                && Sidecar(of: String(name.dropLast(5)), in: path) != nil
        }.map { String($0.dropLast(5)) }.sorted()
    }
}
