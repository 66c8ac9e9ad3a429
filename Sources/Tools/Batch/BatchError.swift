/// Why a batch cannot be made or verified as a whole. What goes wrong with one file is told in the summary.
package enum BatchError: Error, Equatable, CustomStringConvertible {
    case unreadable(path: String, reason: String)
    case unwritable(path: String, reason: String)
    /// Something that no batch made has the name that is wanted.
    case inTheWay(String)
    /// A picture that a line starts from, with its column.
    case picture(String)
    /// The disk took nothing for so long that the run was given up.
    case noRoom(reason: String, seconds: Int)
    /// `--resume` of a folder that no batch has worked on.
    case nothingToResume(folder: String)
    /// A folder without sidecar files.
    case nothingToVerify(folder: String)

    package var description: String {
        switch self {
        case .unreadable(let path, let reason): "\(path) cannot be read: \(reason)"
        case .unwritable(let path, let reason): "\(path) cannot be written: \(reason)"
        case .inTheWay(let reason), .picture(let reason): reason
        case .noRoom(let reason, let seconds):
            "\(reason); the disk took nothing for \(seconds) s. What is done stays: with room again, the same command goes on"
        case .nothingToResume(let folder): "\(folder) holds no batch to resume"
        case .nothingToVerify(let folder): "\(folder) holds no files with sidecars (NAME.json) to verify"
        }
    }
}
