import Foundation

/// Files that appear once and whole, or not at all, also when the power fails: the bytes are written aside and synced,
/// renamed, and the folder is synced.
package enum AtomicFile {
    /// The name of a file until it is whole.
    package static func aside(_ path: String) -> String { path + ".partial" }

    /// Writes a file, in place of an older one.
    /// - Parameter mode: of a new file, less the process's mask.
    package static func write(
        _ bytes: some Collection<UInt8>, to path: String, mode: mode_t = 0o644
    ) throws(FileFault) {
        let aside = aside(path)
        do throws(FileFault) {
            try SystemFile.create(aside, holding: bytes, mode: mode, syncing: true)
            try publish(aside, as: path)
        } catch {
            unlink(aside)
            throw error
        }
    }

    /// Gives a file that was synced its name, and makes the name durable.
    package static func publish(_ aside: String, as path: String) throws(FileFault) {
        try SystemFile.rename(aside, to: path)
        try SystemFile.sync(SystemFile.folder(of: path))
    }
}
