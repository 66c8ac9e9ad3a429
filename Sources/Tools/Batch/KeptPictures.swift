import Foundation
import Jobs
import Support

/// The pictures that the files of a batch start from, each once under its digest, in `.phasor/given`: so the files can be
/// made again from the output folder alone.
///
/// A copy that neither the manifest nor a sidecar names any more is removed when a run of a whole manifest ends
/// (`removeUnused`). Runs of shards may keep pictures at the same time, on other machines, and no lock is held against them:
/// locks do not reach everybody who shares a folder. Instead each side does first what the other looks at.
///
/// - The one that removes moves a copy aside, and then reads all sidecars: a copy that one of them names comes back.
/// - The one that delivers writes the sidecar, and then sees to it that the copies are there.
///
/// So whichever is first, the other sees it. Listings of a network's file system may be older than that: from there nothing
/// is removed, and what was delivered there is kept by writing, not by looking.
struct KeptPictures {
    let path: String
    /// Where a run writes what is not finished.
    let asidePath: String
    /// Copies that are on their way out.
    private var leavingPath: String { path + "-leaving" }

    // MARK: Keeping

    /// Whether a copy is there, as far as can be seen from here.
    func holds(_ digest: String) -> Bool { PathKind(of: "\(path)/\(digest)") != .nothing }

    /// Whether a copy is certainly there.
    func surelyHolds(_ digest: String) -> Bool { LocalDisk.current.holds(path) && holds(digest) }

    /// Keeps a picture unless it is kept.
    func keep(_ picture: PictureFile) throws(BatchError) {
        if !holds(picture.digest) { try write(picture) }
    }

    func write(_ picture: PictureFile) throws(BatchError) {
        try DurableFile.makeFolder(path)
        // Two shards may keep the same picture at once.
        try DurableFile.makeFolder(asidePath)
        let aside = "\(asidePath)/\(picture.digest).picture"
        try DurableFile.write(Data(picture.bytes), to: aside)
        try DurableFile.move(aside, to: "\(path)/\(picture.digest)")
    }

    /// A picture that was kept.
    /// - Throws: `BatchError.picture` if it is gone or was changed.
    func picture(_ digest: String) throws(BatchError) -> PictureFile {
        let path = "\(path)/\(digest)"
        // It may be aside for a moment, and come back.
        let found = [path, "\(leavingPath)/\(digest)"].first { PathKind(of: $0) != .nothing } ?? path
        let file: PictureFile
        do throws(PictureFile.Unreadable) {
            file = try PictureFile(path: found)
        } catch {
            throw .picture("the picture it starts from, \(path): \(error)")
        }
        guard file.digest == digest else { throw .picture("the picture it starts from, \(path), was changed") }
        return file
    }

    // MARK: Removing

    /// Removes the copies that nothing names. What is no copy of a picture, by name and content, stays; where not every
    /// sidecar can be read, all stays.
    /// - Parameters:
    ///   - wanted: digests of the manifest's pictures.
    ///   - sidecars: those of the output folder.
    func removeUnused(wanted: Set<String>, sidecars: SidecarNames) {
        let disk = LocalDisk.current
        guard disk.holds(path), disk.holds(sidecars.path) else { return }
        let left = Self.digests(in: leavingPath)
        let unwanted = Set(left + Self.digests(in: path)).subtracting(wanted)
        guard !left.isEmpty || !unwanted.isEmpty, let named = sidecars.named(among: unwanted) else { return }
        // Only what is likely to go: whoever looks for a copy finds it in its place.
        for digest in unwanted.subtracting(named) where isCopy("\(path)/\(digest)", of: digest) {
            mkdir(leavingPath, 0o777)
            rename("\(path)/\(digest)", "\(leavingPath)/\(digest)")
        }
        // Also those of a run that was killed here.
        let leaving = Set(Self.digests(in: leavingPath))
        guard !leaving.isEmpty else { return }
        let stillNamed = sidecars.named(among: leaving) ?? leaving
        for digest in leaving {
            let aside = "\(leavingPath)/\(digest)"
            if wanted.contains(digest) || stillNamed.contains(digest) {
                rename(aside, "\(path)/\(digest)")
            } else if isCopy(aside, of: digest) {
                unlink(aside)
            }
        }
        rmdir(leavingPath)
    }

    private static func digests(in folder: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter { name in
            name.utf8.count == SidecarNames.digestLength && name.utf8.allSatisfy(SidecarNames.isDigit)
        }
    }

    private func isCopy(_ path: String, of digest: String) -> Bool {
        guard PathKind(of: path) == .file, let bytes = FileManager.default.contents(atPath: path) else { return false }
        return SHA256.hexadecimal(of: bytes) == digest
    }
}
