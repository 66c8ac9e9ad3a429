import Foundation

/// How the authors of a family lay out their own repository, where that is not diffusers' way.
package struct OriginalLayout: Sendable {
    /// Where a part may lie: a file, a folder, or the files of the repository's own folder that begin with a stem.
    package enum Place: Sendable {
        case path(String)
        case root(stem: String)
    }

    /// Paths one of which only such a repository has.
    let marks: [String]
    /// The parts by the names of diffusers' folders; the first place that is there counts.
    let parts: [(name: String, places: [Place])]

    package init(marks: [String], parts: [(name: String, places: [Place])]) {
        self.marks = marks
        self.parts = parts
    }

    /// The parts of a repository that is here, by name.
    /// - Returns: nil for a folder that is none, or that has a `model_index.json`, which says more.
    func parts(in folder: String) -> [String: String]? {
        func isThere(_ path: String) -> Bool { FileManager.default.fileExists(atPath: "\(folder)/\(path)") }
        guard marks.contains(where: isThere), !isThere("model_index.json") else { return nil }
        var found: [String: String] = [:]
        for (name, places) in parts {
            found[name] =
                places.lazy.compactMap { place in
                    switch place {
                    case .path(let path): isThere(path) ? "\(folder)/\(path)" : nil
                    case .root(let stem):
                        ["\(stem).safetensors", "\(stem).safetensors.index.json"].contains(where: isThere)
                            ? folder : nil
                    }
                }.first
        }
        return found
    }

    /// The same places as patterns of paths in a repository.
    var paths: [String] {
        parts.flatMap { part in
            part.places.flatMap { place in
                switch place {
                case .path(let path): [path]
                case .root(let stem): ["\(stem)*", "config.json"]
                }
            }
        }
    }
}

extension Families {
    /// The parts of a repository as its authors lay it out, by the names of diffusers' folders; nil for any other folder.
    package static func originalParts(in folder: String) -> [String: String]? {
        all.lazy.compactMap { $0.originalLayout?.parts(in: folder) }.first
    }

    /// Patterns of the paths that are read of such repositories.
    package static var originalPaths: [String] { Set(all.compactMap(\.originalLayout).flatMap(\.paths)).sorted() }
}
