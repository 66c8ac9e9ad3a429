import Foundation

/// The folder of a process whose jobs are kept elsewhere: files before they are in the blob store, and copies of some.
/// Nothing in it has to outlive the process.
package final class WorkFolder: Sendable {
    package let path: String
    package let artifacts: FileFolder
    package let checkpoints: FileFolder
    package let prompts: FileFolder
    package let pictures: FileFolder
    private let lock: FolderLock

    /// - Throws: `ServingError.storage`; `stateInUse` where another process uses the folder; `refusedState` for a folder that
    ///   is not Phasor's, or holds the jobs of one machine.
    package init(path: String, isPrivate: Bool) throws {
        let folder = try StateFolder(path: path, isPrivate: isPrivate)
        lock = try FolderLock(folder: path)
        guard !folder.hasDatabase else {
            throw ServingError.refusedState(
                folder: path,
                reason: "it holds the jobs of a server without --store; give --state another folder for this one")
        }
        folder.mark()
        self.path = path
        artifacts = try FileFolder(path: "\(path)/artifacts", isPrivate: isPrivate)
        checkpoints = try FileFolder(path: "\(path)/checkpoints", isPrivate: isPrivate)
        prompts = try FileFolder(path: "\(path)/prompts", isPrivate: isPrivate)
        pictures = try FileFolder(path: "\(path)/pictures", isPrivate: isPrivate)
        let left = try checkpoints.names().filter { OwnName.isJob(OwnName.finished($0) ?? $0[...]) }
        checkpoints.remove(left)
    }

    package func release() { lock.release() }
}
