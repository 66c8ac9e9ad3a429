/// Why something was not brought from the hub. Each says what can be done.
package enum HubError: Error, Equatable, CustomStringConvertible {
    /// No repository and no file can be called so.
    case badName(name: String, reason: String)
    /// A setting of the environment that means nothing.
    case badSetting(name: String, reason: String)
    /// `HF_HUB_OFFLINE` forbids to ask, and it is not in the cache.
    case offline(what: String)
    /// The hub lets nobody in without a token, or not with this one.
    case denied(what: String, status: Int, message: String, hasToken: Bool)
    case absent(what: String, message: String)
    /// Any other answer than the one expected.
    case refused(url: String, status: Int, message: String)
    /// No answer, or one that ended too early, however often it was asked.
    case unreachable(url: String, reason: String)
    /// An answer that is not what the hub documents.
    case malformed(what: String, reason: String)
    /// A path that would lead out of the folder, or that no file system takes.
    case unsafePath(path: String, reason: String)
    case wrongDigest(path: String, expected: String, found: String)
    case wrongSize(path: String, expected: Int, found: Int)
    case noSpace(folder: String, needed: Int, free: Int)
    case unwritable(path: String, reason: String)
    /// A repository of files of which people want one.
    case alternatives(repository: String, files: [String])
    case nothingToRead(repository: String)
    case noSuchFile(repository: String, file: String, near: [String])
    /// Other work of the same command failed.
    case cancelled

    package var description: String {
        switch self {
        case .badName(let name, let reason): "\"\(name)\": \(reason)"
        case .badSetting(let name, let reason): "\(name): \(reason)"
        case .offline(let what):
            "\(what) is not in the cache, and HF_HUB_OFFLINE is set: unset it, and pull again"
        case .denied(let what, let status, let message, let hasToken):
            "\(what): the hub refuses (\(status)\(Self.appended(message))): "
                + (hasToken
                    ? "accept the licence on the repository's page with the account of the token, or give another token"
                    : "give a token (HF_TOKEN), after accepting the licence on the repository's page; a name that does not exist "
                        + "is refused in the same way")
        case .absent(let what, let message): "\(what): there is no such thing on the hub\(Self.appended(message))"
        case .refused(let url, let status, let message): "\(url): answered \(status)\(Self.appended(message))"
        case .unreachable(let url, let reason): "\(url): \(reason)"
        case .malformed(let what, let reason): "\(what): the hub's answer is not understood: \(reason)"
        case .unsafePath(let path, let reason):
            "\"\(path)\" is not written: \(reason); the repository is damaged or hostile"
        case .wrongDigest(let path, let expected, let found):
            "\(path): damaged on the way or on the hub: its digest is \(found), the hub says \(expected); nothing of it was kept"
        case .wrongSize(let path, let expected, let found):
            "\(path): has \(found) bytes, the hub says \(expected); nothing of it was kept"
        case .noSpace(let folder, let needed, let free):
            "\(folder): \(Bytes.text(needed)) are needed, \(Bytes.text(free)) are free; make room, or name another place with --to "
                + "or HF_HOME"
        case .unwritable(let path, let reason): "\(path): cannot be written: \(reason)"
        case .alternatives(let repository, let files):
            "\(repository): it holds \(files.count) files of weights to choose from; name one, or several with *:\n"
                + files.prefix(40).map { "  \($0)" }.joined(separator: "\n")
                + (files.count > 40 ? "\n  and \(files.count - 40) more" : "")
        case .nothingToRead(let repository):
            "\(repository): it has no safetensors, GGUF or .pth files, nor model_index.json"
        case .noSuchFile(let repository, let file, let near):
            "\(repository): it has no file \"\(file)\""
                + (near.isEmpty ? "" : "; it has \(near.prefix(8).joined(separator: ", "))")
        case .cancelled: "cancelled"
        }
    }

    private static func appended(_ message: String) -> String { message.isEmpty ? "" : ": \(message)" }
}

/// Numbers of bytes for people.
package enum Bytes {
    package static func text(_ count: Int) -> String {
        let (value, unit) =
            switch count {
            case ..<1_000: (Double(count), "bytes")
            case ..<1_000_000: (Double(count) / 1e3, "kB")
            case ..<1_000_000_000: (Double(count) / 1e6, "MB")
            default: (Double(count) / 1e9, "GB")
            }
        guard count >= 1_000 else { return "\(count) bytes" }
        let tenths = Int((value * 10).rounded())
        return value < 100 ? "\(tenths / 10).\(tenths % 10) \(unit)" : "\(Int(value.rounded())) \(unit)"
    }
}
