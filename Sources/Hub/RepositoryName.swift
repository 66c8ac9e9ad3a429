/// `OWNER/NAME[@REVISION][/FILE]`: a repository of models on the hub, and which of its files are meant.
package struct RepositoryName: Sendable, Equatable, CustomStringConvertible {
    package let owner: String
    package let name: String
    /// A branch, a tag or a commit.
    package let revision: String
    /// A path in it, with `*` for any characters; nil for what is to be read of the whole.
    package let file: String?

    package static let usual = "main"

    /// The name as requests and folders of the cache have it.
    package var id: String { "\(owner)/\(name)" }
    package var description: String { revision == Self.usual ? id : "\(id)@\(revision)" }

    /// - Parameter revision: nil for the one in the text, else `main`.
    /// - Throws: `HubError.badName`.
    package init(_ text: String, revision given: String? = nil) throws(HubError) {
        func fail(_ reason: String) -> HubError { .badName(name: String(text.prefix(200)), reason: reason) }
        let parts = text.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
        guard parts.count >= 2 else { throw fail("expected OWNER/NAME, as on the hub") }
        owner = parts[0]
        let named = parts[1].split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        name = named[0]
        revision = given ?? (named.count > 1 ? named[1] : Self.usual)
        guard Self.isPlain(owner), Self.isPlain(name) else {
            throw fail("expected OWNER/NAME of letters, digits, dots, dashes and underscores")
        }
        guard Self.isRevision(revision) else { throw fail("\"\(revision.prefix(80))\" is no revision") }
        file = parts.count > 2 && !parts[2].isEmpty ? parts[2] : nil
        if let file { try RemotePath.check(file.hasSuffix("/") ? String(file.dropLast()) : file) }
    }

    /// Whether a text looks like a repository's name rather than like a path of a folder.
    package static func isLikely(_ text: String) -> Bool {
        guard !text.hasPrefix("."), !text.hasPrefix("/"), !text.hasPrefix("~") else { return false }
        return (try? RepositoryName(text)) != nil
    }

    /// The hub's own rule: 1 to 96 letters, digits, `-`, `_`, `.`, neither `--` nor `..`, no `-` or `.` at the ends.
    private static func isPlain(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard 1...96 ~= bytes.count, let first = bytes.first, let last = bytes.last else { return false }
        let edges: [UInt8] = [UInt8(ascii: "-"), UInt8(ascii: ".")]
        guard !edges.contains(first), !edges.contains(last), !text.contains("--"), !text.contains("..") else {
            return false
        }
        return bytes.allSatisfy(isWord)
    }

    private static func isRevision(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard 1...200 ~= bytes.count, !text.contains(".."), !text.hasPrefix("/"), !text.hasSuffix("/"),
            !text.contains("//"), !text.hasPrefix("-"), !text.hasPrefix(".")
        else { return false }
        return bytes.allSatisfy { isWord($0) || $0 == UInt8(ascii: "/") }
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."): true
        default: false
        }
    }
}

/// Paths of files in repositories. They come from outside and name files here, so none may lead out of its folder.
package enum RemotePath {
    private static let deepest = 32
    private static let longestName = 240

    /// - Throws: `HubError.unsafePath` with the reason.
    package static func check(_ path: String) throws(HubError) {
        func fail(_ reason: String) -> HubError { .unsafePath(path: shown(path), reason: reason) }
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= deepest else { throw fail("it lies more than \(deepest) folders deep") }
        for part in parts {
            guard !part.isEmpty else { throw fail("it has an empty part") }
            guard part != ".", part != ".." else { throw fail("it leads elsewhere") }
            guard part.utf8.count <= longestName else { throw fail("a part of it has more than \(longestName) bytes") }
            guard part.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "\\") }) else {
                throw fail("it has a character that file names here do not have")
            }
        }
    }

    /// Text from outside for a message: bounded, without controls.
    package static func shown(_ text: String, longest: Int = 200) -> String {
        var shown = ""
        for scalar in text.unicodeScalars.prefix(longest) {
            shown.unicodeScalars.append(scalar.value < 0x20 || 0x7F...0x9F ~= scalar.value ? "?" : scalar)
        }
        return shown
    }

    /// Whether a path is of that pattern, in which `*` stands for any characters; a pattern without one that ends in `/` or
    /// names a folder stands for all below it.
    package static func matches(_ path: String, _ pattern: String) -> Bool {
        guard pattern.contains("*") else {
            let folder = pattern.hasSuffix("/") ? pattern : pattern + "/"
            return path == pattern || path.hasPrefix(folder)
        }
        return matches(Array(path.utf8)[...], Array(pattern.utf8)[...])
    }

    /// Walks both once, and goes back to the last star where they part.
    private static func matches(_ path: ArraySlice<UInt8>, _ pattern: ArraySlice<UInt8>) -> Bool {
        var (p, q) = (path.startIndex, pattern.startIndex)
        var retry: (path: Int, pattern: Int)?
        while p < path.endIndex {
            if q < pattern.endIndex, pattern[q] == UInt8(ascii: "*") {
                retry = (p, q)
                q += 1
            } else if q < pattern.endIndex, pattern[q] == path[p] {
                p += 1
                q += 1
            } else if let last = retry {
                retry = (last.path + 1, last.pattern)
                p = last.path + 1
                q = last.pattern + 1
            } else {
                return false
            }
        }
        return pattern[q...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
