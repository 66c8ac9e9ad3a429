import Foundation
import Pictures

/// What a file says of its picture or clip, beside it.
package struct FileNotes: Sendable, Equatable {
    /// The making of the file in words that other programs read: PNG's text `parameters`, Exif's UserComment in JPEG and WebP,
    /// the comment of an MP4.
    package var parameters: String?
    /// The same for this program to read again: PNG's text `phasor`, segments of their own in JPEG, a chunk of its own in
    /// WebP, the tag `VideoOptions.recordTag` of an MP4.
    package var record: String?
    /// The provenance, which stands beside them as XMP; nil leaves it out.
    package var provenance: Provenance?

    package init(parameters: String? = nil, record: String? = nil, provenance: Provenance? = nil) {
        self.parameters = parameters
        self.record = record
        self.provenance = provenance
    }

    static let parametersKeyword = "parameters"
    static let recordKeyword = "phasor"
}

// MARK: Writing

extension RGBImage {
    /// Returns the picture as a file.
    ///
    /// - Parameter quality: 1 to 100; of no effect on PNG.
    /// - Throws: as `PNG.encode`, `JPEG.encode` and `WebP.encode`.
    package func encoded(
        as format: PictureFormat, quality: Int = 100, _ notes: FileNotes = FileNotes()
    ) throws(MediaError) -> [UInt8] {
        switch format {
        case .png:
            let texts = [(FileNotes.parametersKeyword, notes.parameters), (FileNotes.recordKeyword, notes.record)]
            return try PNG.encode(
                self, text: texts.compactMap { keyword, text in text.map { (keyword, $0) } },
                provenance: notes.provenance)
        case .jpeg:
            return try JPEG.encode(
                self, quality: quality, comment: notes.parameters, record: notes.record, provenance: notes.provenance)
        case .webp:
            return try WebP.encode(
                self, quality: quality, comment: notes.parameters, record: notes.record, provenance: notes.provenance)
        }
    }
}

// MARK: Reading

extension FileNotes {
    /// Reads what a file says, but for the provenance, which other programs read.
    ///
    /// - Throws: `MediaError` for a file that cannot be read or is damaged.
    package init(path: String) throws(MediaError) {
        if FileType(path: path) == .mp4 {
            let tags = try VideoReader.tags(path: path)
            self.init(parameters: tags["comment"], record: tags[VideoOptions.recordTag])
            return
        }
        guard let file = FileManager.default.contents(atPath: path) else {
            throw .unreadable("\(path): \(String(cString: strerror(errno)))")
        }
        try self.init(ofPicture: Array(file))
    }

    /// Reads what the file of a picture says.
    ///
    /// - Throws: `png` and `unreadable` for what is no such file or is damaged.
    package init(ofPicture file: [UInt8]) throws(MediaError) {
        do throws(PictureError) {
            switch try PictureFormat(of: file) {
            case .png: break
            case .jpeg:
                self = JPEGNotes.read(file)
                return
            case .webp:
                self = try WebPNotes.read(file)
                return
            }
        } catch {
            throw .unreadable("\(error)")
        }
        let texts = try PNGText.read(file)
        self.init(parameters: texts[Self.parametersKeyword], record: texts[Self.recordKeyword])
    }
}

/// The segments before the picture of a JPEG file (ITU-T T.81, B.1.1).
enum JPEGNotes {
    /// The marker of an application segment that no other program uses; a text too long for one segment goes on in the next.
    static let recordMarker: UInt8 = 0xEF
    static let recordName = Array("phasor\0".utf8)
    static let exifName = Array("Exif\0\0".utf8)

    static func read(_ file: [UInt8]) -> FileNotes {
        var notes = FileNotes()
        var record: [UInt8] = []
        var offset = 2
        // A segment begins with FF, its marker and its length; the scan (DA) begins the picture.
        while offset + 4 <= file.count, file[offset] == 0xFF, file[offset + 1] != 0xDA {
            let (marker, length) = (file[offset + 1], Int(file[offset + 2]) << 8 | Int(file[offset + 3]))
            guard length >= 2, offset + 2 + length <= file.count else { break }
            let payload = file[offset + 4..<offset + 2 + length]
            if marker == 0xE1, payload.starts(with: exifName), notes.parameters == nil {
                notes.parameters = EXIF.comment(payload.dropFirst(exifName.count))
            } else if marker == recordMarker, payload.starts(with: recordName) {
                record += payload.dropFirst(recordName.count)
            }
            offset += 2 + length
        }
        if !record.isEmpty { notes.record = String(decoding: record, as: UTF8.self) }
        return notes
    }
}

enum WebPNotes {
    /// Readers pass over chunks that they do not know, and programs that write keep them (RFC 9649, section 2.7.1.6).
    static let recordChunk = "PHSR"

    static func read(_ file: [UInt8]) throws(PictureError) -> FileNotes {
        var notes = FileNotes()
        for (type, data) in try RIFF.chunks(of: file) {
            switch type {
            // Some programs put JPEG's name before the data.
            case "EXIF":
                notes.parameters = EXIF.comment(
                    data.starts(with: JPEGNotes.exifName) ? data.dropFirst(JPEGNotes.exifName.count) : data)
            case recordChunk: notes.record = String(decoding: data, as: UTF8.self)
            default: break
            }
        }
        return notes
    }
}
