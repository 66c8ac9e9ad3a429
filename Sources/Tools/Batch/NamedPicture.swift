import Jobs
import Support

/// A picture that a line starts from or looks at. Of its bytes only the digest is kept until they are needed.
struct NamedPicture: Sendable, Equatable {
    /// The manifest's column.
    let field: String
    let path: String
    /// SHA-256; empty for a file that cannot be read.
    let digest: String
    /// Upright; nil for a file that cannot be read.
    let size: PixelSize?
    /// Why the file gives no picture, with column and path; nil if it gives one.
    let fault: String?

    init(field: String, path: String) {
        (self.field, self.path) = (field, path)
        do throws(PictureFile.Unreadable) {
            let file = try PictureFile(path: path)
            digest = file.digest
            size = file.size
            fault = nil
        } catch {
            (digest, size) = ("", nil)
            fault = "\(field): \(path): \(error)"
        }
    }

    /// The picture with its bytes.
    /// - Throws: `BatchError.picture` for a file that has gone or was changed since the manifest was read.
    func file() throws(BatchError) -> PictureFile {
        let file: PictureFile
        do throws(PictureFile.Unreadable) {
            file = try PictureFile(path: path)
        } catch {
            throw .picture("\(field): \(path): \(error)")
        }
        guard file.digest == digest else {
            throw .picture("\(field): \(path): it was changed after the manifest was read")
        }
        return file
    }
}

/// The pictures of a manifest. Each is looked at once, however many lines start from it.
struct NamedPictures {
    /// Where relative paths begin.
    let folder: String
    private var known: [String: NamedPicture] = [:]

    init(folder: String) { self.folder = folder }

    /// - Returns: nil where the line names none.
    mutating func take(_ field: RequestField, of line: inout ManifestLine) -> NamedPicture? {
        guard let name = field.name(for: .manifest), let path = line.string(name) else { return nil }
        return picture(name, path, of: &line)
    }

    /// - Returns: nothing where the line names none, or where anything is wrong with the list.
    mutating func takeAll(_ field: RequestField, of line: inout ManifestLine) -> [NamedPicture] {
        guard let name = field.name(for: .manifest), let paths = line.paths(name) else { return [] }
        guard paths.count <= RequestFields.mostPictures else {
            line.fault(name, "\(paths.count) given; at most \(RequestFields.mostPictures) are taken")
            return []
        }
        return paths.compactMap { picture(name, $0, of: &line) }
    }

    private mutating func picture(_ name: String, _ text: String, of line: inout ManifestLine) -> NamedPicture? {
        guard !text.isEmpty, !text.utf8.contains(0) else {
            line.fault(name, "it is no path of a file")
            return nil
        }
        let path = folder == "." || text.utf8.first == UInt8(ascii: "/") ? text : "\(folder)/\(text)"
        let key = "\(name) \(path)"
        let picture = known[key] ?? NamedPicture(field: name, path: path)
        known[key] = picture
        return picture
    }
}
