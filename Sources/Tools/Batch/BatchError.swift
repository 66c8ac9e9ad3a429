/// Why a batch cannot be made or verified as a whole. What goes wrong with one file is told in the summary.
package enum BatchError: Error, Equatable, CustomStringConvertible {
    case unreadable(path: String, reason: String)
    case unwritable(path: String, reason: String)
    /// `--resume` of a folder that no batch has worked on.
    case nothingToResume(folder: String)
    /// A folder without sidecar files.
    case nothingToVerify(folder: String)

    package var description: String {
        switch self {
        case .unreadable(let path, let reason): "\(path) cannot be read: \(reason)"
        case .unwritable(let path, let reason): "\(path) cannot be written: \(reason)"
        case .nothingToResume(let folder): "\(folder) holds no batch to resume"
        case .nothingToVerify(let folder): "\(folder) holds no files with sidecars (NAME.json) to verify"
        }
    }
}
