import Foundation
import Models
import Support
import Synchronization
import Weights

/// The folder of LoRA files that requests may name. A name is the file's path in the folder without its ending; it is
/// looked up among the files there are and never made into a path.
///
/// Files may come, go and be replaced (by renaming another over them) at any time. An open one is mapped, not read; a few
/// are kept open, for all who use them.
final class LoRALibrary: Sendable {
    private let folder: String
    private let opened = Mutex(RecentlyUsed<Stamp, File>(capacity: 16))

    struct File: Sendable {
        let checkpoint: Checkpoint
        let digest: String
    }

    /// A regular file as it is now. Whatever else there may be under a name is not looked at: opening a pipe waits for who
    /// writes to it.
    private struct Stamp: Equatable {
        let path: String
        let device, inode: UInt
        let size, seconds, nanoseconds: Int

        init?(_ path: String) {
            var status = stat()
            guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
            self.path = path
            (device, inode) = (UInt(status.st_dev), UInt(status.st_ino))
            (size, seconds, nanoseconds) = (
                Int(status.st_size), Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec)
            )
        }
    }

    private static let ending = ".safetensors"

    /// - Throws: `ModelError.noLoRAFolder`.
    init(folder: String) throws(ModelError) {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue else {
            throw .noLoRAFolder(path: folder)
        }
        self.folder = URL(fileURLWithPath: folder).resolvingSymlinksInPath().path
    }

    /// Sorted.
    var names: [String] { paths.keys.sorted() }

    private var paths: [String: String] {
        let files = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
        let named = files.filter { $0.hasSuffix(Self.ending) }.compactMap { file -> (String, String)? in
            let path = "\(folder)/\(file)"
            return Stamp(path).map { _ in (String(file.dropLast(Self.ending.count)), path) }
        }
        return Dictionary(named, uniquingKeysWith: { first, _ in first })
    }

    /// - Throws: `ModelError.noSuchLoRA`, `loraChanged` if it is not the file that it was, `unusableLoRA`.
    func file(of lora: LoRA) throws(ModelError) -> File {
        let paths = paths
        guard let path = paths[lora.name], let stamp = Stamp(path) else {
            throw .noSuchLoRA(name: lora.name, known: paths.keys.sorted())
        }
        let file: File
        if let known = opened.withLock({ $0.value(of: stamp) }) {
            file = known
        } else {
            do {
                let checkpoint = try Checkpoint(file: path)
                file = File(checkpoint: checkpoint, digest: checkpoint.contentDigest)
            } catch {
                throw unusable(error)
            }
            opened.withLock { $0.keep(file, as: stamp) }
        }
        guard lora.digest == nil || lora.digest == file.digest else { throw .loraChanged(name: lora.name) }
        return file
    }

    /// The error for clients: it does not tell where on the server the file lies.
    func unusable(_ error: WeightError) -> ModelError {
        .unusableLoRA(reason: error.description.replacing("\(folder)/", with: ""))
    }
}
