import Foundation
import Support

/// A folder of pictures in place of a manifest: a line for each.
package enum PictureFolder {
    private static let endings = ["png", "jpg", "jpeg", "webp"]

    /// The lines of a manifest, in JSON: the pictures of the folder by name, each to a file that is called after it. Files
    /// of other endings, hidden ones and subfolders are passed over.
    /// - Throws: `BatchError.unreadable` for a folder that cannot be read, or that has no pictures.
    package static func manifest(of folder: String) throws(BatchError) -> [UInt8] {
        let all: [String]
        do {
            all = try FileManager.default.contentsOfDirectory(atPath: folder)
        } catch {
            throw .unreadable(path: folder, reason: "it is no folder, or is closed")
        }
        let names = all.filter { name in
            name.utf8.first != UInt8(ascii: ".") && endings.contains((name as NSString).pathExtension.lowercased())
                && PathKind(of: "\(folder)/\(name)") != .folder
        }.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        guard !names.isEmpty else {
            throw .unreadable(path: folder, reason: "there is no PNG, JPEG or WebP file in it")
        }
        let stems = Dictionary(grouping: names) { plain(($0 as NSString).deletingPathExtension) }
        let lines = names.map { name in
            let stem = plain((name as NSString).deletingPathExtension)
            let file = stems[stem]?.count == 1 ? stem : plain(name)
            let members = [("image", name), ("file", file)].map { JSON.Member(name: $0, value: .string($1)) }
            return JSON.object(members).text + "\n"
        }
        return Array(lines.joined().utf8)
    }

    /// The name without characters that mean something in the name of a file that is made.
    private static func plain(_ name: String) -> String {
        let marks: Set<Unicode.Scalar> = ["{", "}", "."]
        return String(String.UnicodeScalarView(name.unicodeScalars.map { marks.contains($0) ? "-" : $0 }))
    }
}
