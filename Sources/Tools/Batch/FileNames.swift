/// The names that a manifest takes in the output folder, and where two of them cannot stand side by side: one name twice,
/// or one that is a file for one line and a folder for another.
struct FileNames {
    /// The line that makes each file.
    private var files: [String: Int] = [:]
    /// The line that first needs each folder.
    private var folders: [String: Int] = [:]

    /// File systems take names of 255 bytes; a sidecar's is five longer than its file's.
    static let longest = 250

    /// Takes the name of a file.
    /// - Returns: why it cannot have that name, or nil.
    mutating func add(_ file: String, line: Int) -> String? {
        if let length = file.utf8.split(separator: UInt8(ascii: "/")).map(\.count).max(), length > Self.longest {
            return "'\(file.prefix(40))...' has a part of \(length) bytes; at most \(Self.longest) are allowed"
        }
        if let owner = files.updateValue(line, forKey: file) {
            let place = owner == line ? "this line" : "line \(owner)"
            let advice = owner == line ? "; put {seed} or {index} into the name" : ""
            return "'\(file)' is made by \(place) already\(advice)"
        }
        var rest = file[...]
        while let slash = rest.utf8.lastIndex(of: UInt8(ascii: "/")) {
            rest = rest[..<slash]
            // A folder that is known has its own folders among the known.
            guard folders.updateValue(folders[String(rest)] ?? line, forKey: String(rest)) == nil else { break }
        }
        return nil
    }

    /// Names that are a file of one line, or its sidecar, and a folder of another. To be asked when all are added.
    var conflicts: [(line: Int, reason: String)] {
        folders.compactMap { folder, line in
            let sidecarOf =
                folder.utf8.reversed().starts(with: Sidecar.ending.utf8.reversed())
                ? String(folder.dropLast(Sidecar.ending.count)) : nil
            if let owner = files[folder] {
                return (line, "'\(folder)' is to be a folder, but line \(owner) makes a file of that name")
            }
            guard let sidecarOf, let owner = files[sidecarOf] else { return nil }
            return (line, "'\(folder)' is to be a folder, but is the sidecar of what line \(owner) makes")
        }
    }
}
