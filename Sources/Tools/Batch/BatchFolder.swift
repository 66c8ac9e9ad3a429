import Foundation
import Jobs
import Media
import Support

/// The output folder: finished files under their names, their sidecars, and `.phasor` with what is on its way.
///
/// A name appears with a whole file, or not at all, and no file is replaced that a batch did not make. What made a file is
/// told by its sidecar, which is written aside first (`.phasor/deliveries`), then the file gets its name, then the sidecar:
/// a run that was killed between any two of these is mended by the next (`finishDeliveries`).
struct BatchFolder: Sendable {
    let path: String
    /// The share of the manifest that a run makes; nil for all of it.
    var shard: Shard?

    static let state = ".phasor"
    /// What runs of all shards have together.
    private var sharedPath: String { "\(path)/\(Self.state)" }
    var statePath: String { shard.map { "\(sharedPath)/\($0.folderName)" } ?? sharedPath }
    private var asidePath: String { "\(statePath)/deliveries" }

    // MARK: What is there

    /// Whether an item's file is there, made from the same request by the same model.
    func isDone(_ item: Manifest.Item, made: Sidecar.Maker, identity: ModelIdentity) -> Bool {
        // Another library or processor since then is no reason to begin again.
        guard let sidecar = Sidecar(of: item.file, in: path), sidecar.file == item.file,
            sidecar.request == item.request, sidecar.made.precision == made.precision,
            sidecar.identity.difference(from: identity) == nil
        else { return false }
        return size(of: item.file) == sidecar.bytes
    }

    /// Returns nil if there is no such file.
    func size(of file: String) -> Int? {
        var status = stat()
        guard stat("\(path)/\(file)", &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int(status.st_size)
    }

    /// Why the file of an item cannot get its name, or nil: a folder, or a file that no batch made, is in its place.
    func obstacle(to file: String) -> String? {
        var folder = path
        for name in file.utf8.split(separator: UInt8(ascii: "/")).dropLast() {
            folder += "/\(Substring(name))"
            var status = stat()
            guard stat(folder, &status) == 0 else { break }
            guard status.st_mode & S_IFMT == S_IFDIR else { return "\(folder) is in the way: it is no folder" }
        }
        let claim = Sidecar.Claim(of: file, in: path)
        if claim == nil, PathKind(of: "\(path)/\(Sidecar.path(of: file))") != .nothing {
            return "\(path)/\(Sidecar.path(of: file)) is in the way: no batch made it, and it is not replaced"
        }
        switch PathKind(of: "\(path)/\(file)") {
        case .nothing: return nil
        case .folder: return "\(path)/\(file) is in the way: it is a folder"
        case .other: return "\(path)/\(file) is in the way: it is no plain file"
        case .file:
            guard let claim else { return "\(path)/\(file) is in the way: no batch made it, and it is not replaced" }
            let bytes = FileManager.default.contents(atPath: "\(path)/\(file)") ?? Data()
            // Of an empty file nothing is lost.
            guard bytes.isEmpty || SHA256.hexadecimal(of: bytes) == claim.sha256 else {
                return "\(path)/\(file) was changed after it was made, and is not replaced"
            }
            return nil
        }
    }

    /// Pictures and clips with a file where their sidecars are, in the order of their names.
    var filesWithSidecars: [String] {
        let names = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
        return names.filter { $0.hasSuffix(Sidecar.ending) && !$0.hasPrefix(Self.state + "/") }
            .map { String($0.dropLast(Sidecar.ending.count)) }.filter { FileType(path: $0) != nil }.sorted()
    }

    // MARK: Delivering

    /// Gives a finished artifact its name, and writes its sidecar.
    /// - Throws: `BatchError`; then nothing of it stays, and what was there is as it was.
    func deliver(
        _ item: Manifest.Item, artifact: String, made: Sidecar.Maker, identity: ModelIdentity
    ) throws(BatchError) {
        guard let bytes = FileManager.default.contents(atPath: artifact) else {
            throw .unreadable(path: artifact, reason: String(cString: strerror(errno)))
        }
        let sidecar = Sidecar(
            item, bytes: bytes.count, sha256: SHA256.hexadecimal(of: bytes), made: made, identity: identity)
        guard let text = try? sidecar.data else {
            throw .unwritable(path: Sidecar.path(of: item.file), reason: "it is no JSON")
        }
        if let reason = obstacle(to: item.file) { throw .inTheWay(reason) }
        let target = "\(path)/\(item.file)"
        try DurableFile.makeFolder(URL(filePath: target).deletingLastPathComponent().path)
        try DurableFile.makeFolder(asidePath)
        let aside = "\(asidePath)/\(SHA256.hexadecimal(of: item.file.utf8))"
        do throws(BatchError) {
            try DurableFile.write(text, to: aside + Sidecar.ending)
            try DurableFile.copy(artifact, bytes, to: aside, likeModeOf: aside + Sidecar.ending)
            try DurableFile.move(aside, to: target)
            try DurableFile.move(aside + Sidecar.ending, to: "\(path)/\(Sidecar.path(of: item.file))")
        } catch {
            unlink(aside)
            unlink(aside + Sidecar.ending)
            throw error
        }
    }

    /// Ends what a run was killed in: files that have their names get their sidecars; the rest is forgotten.
    func finishDeliveries() {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: asidePath)) ?? []
        for name in names {
            let aside = "\(asidePath)/\(name)"
            defer { unlink(aside) }
            guard name.hasSuffix(Sidecar.ending), let sidecar = Sidecar(path: aside),
                let bytes = FileManager.default.contents(atPath: "\(path)/\(sidecar.file)"),
                SHA256.hexadecimal(of: bytes) == sidecar.sha256
            else { continue }
            let target = "\(path)/\(Sidecar.path(of: sidecar.file))"
            guard PathKind(of: target) == .nothing || Sidecar.Claim(of: sidecar.file, in: path) != nil else { continue }
            try? DurableFile.move(aside, to: target)
        }
    }

    // MARK: What files start from

    private var givenPath: String { "\(sharedPath)/given" }

    /// Keeps a picture that a file starts from, once, so that the file can be made again from the folder alone.
    func keep(_ picture: PictureFile) throws(BatchError) {
        let target = "\(givenPath)/\(picture.digest)"
        guard PathKind(of: target) == .nothing else { return }
        try DurableFile.makeFolder(givenPath)
        // Two shards may keep the same picture at once.
        try DurableFile.makeFolder(asidePath)
        let aside = "\(asidePath)/\(picture.digest).picture"
        try DurableFile.write(Data(picture.bytes), to: aside)
        try DurableFile.move(aside, to: target)
    }

    /// A picture that was kept.
    /// - Throws: `BatchError.picture` if it is gone or was changed.
    func kept(_ digest: String) throws(BatchError) -> PictureFile {
        let path = "\(givenPath)/\(digest)"
        let file: PictureFile
        do throws(PictureFile.Unreadable) {
            file = try PictureFile(path: path)
        } catch {
            throw .picture("the picture it starts from, \(path): \(error)")
        }
        guard file.digest == digest else { throw .picture("the picture it starts from, \(path), was changed") }
        return file
    }

    // MARK: The overview

    private var overviewRecord: String { "\(statePath)/overview" }

    /// Why a file of the batch's own cannot be written, or nil: one that no batch wrote is in its place.
    func obstacle(toOverview name: String) -> String? {
        let place = "\(path)/\(name)"
        switch PathKind(of: place) {
        case .nothing: return nil
        case .folder: return "\(place) is in the way: it is a folder"
        case .other: return "\(place) is in the way: it is no plain file"
        case .file:
            let bytes = FileManager.default.contents(atPath: place) ?? Data()
            return written[name]?.contains(SHA256.hexadecimal(of: bytes)) == true
                ? nil : "\(place) is in the way: no batch made it, or it was changed since, and it is not replaced"
        }
    }

    /// The digests of each file of the overview: as it was written last, and before.
    private var written: [String: [String]] {
        FileManager.default.contents(atPath: overviewRecord)
            .flatMap { try? JSONDecoder().decode([String: [String]].self, from: $0) } ?? [:]
    }

    /// Writes a file of the batch's own, whole or not at all.
    func writeOverview(_ name: String, _ data: Data) throws(BatchError) {
        if let reason = obstacle(toOverview: name) { throw .inTheWay(reason) }
        try DurableFile.makeFolder(asidePath)
        let aside = "\(asidePath)/\(name)"
        do throws(BatchError) {
            // The digest is noted before the file appears, so a run that is killed in between leaves a file that is known.
            var record = written
            let before = (record[name] ?? []).last
            record[name] = [before, SHA256.hexadecimal(of: data)].compactMap(\.self)
            guard let text = try? JSONEncoder().encode(record) else { return }
            try DurableFile.write(text, to: aside)
            try DurableFile.move(aside, to: overviewRecord)
            try DurableFile.write(data, to: aside)
            try DurableFile.move(aside, to: "\(path)/\(name)")
        } catch {
            unlink(aside)
            throw error
        }
    }
}
