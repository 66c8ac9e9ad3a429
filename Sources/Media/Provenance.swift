import Support

/// Says of a file, in XMP (ISO 16684-1), that a model made it and which: what laws on generated media and the sites
/// that show such pictures ask for. Programs that edit pictures keep it.
///
/// The properties are those of IPTC Photo Metadata 2025.1: `Iptc4xmpExt:DigitalSourceType`, `AISystemUsed` and
/// `AISystemVersionUsed`, beside `xmp:CreatorTool`.
package struct Provenance: Sendable, Equatable {
    /// The program: "Phasor 1.2.3".
    package var generator: String
    package var model: String

    /// The name and version of this program.
    package static let phasor = "Phasor \(Release.version)"

    package init(generator: String, model: String) {
        self.generator = generator
        self.model = model
    }

    /// <http://cv.iptc.org/newscodes/digitalsourcetype/>: made by a model that was trained on media.
    package static let digitalSourceType = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

    /// The packet, UTF-8. It holds no time: the same values give the same bytes.
    package var xmp: [UInt8] {
        Array(
            """
            <?xpacket begin="\u{FEFF}" id="W5M0MpCehiHzreSzNTczkc9d"?>
            <x:xmpmeta xmlns:x="adobe:ns:meta/">
             <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
              <rdf:Description rdf:about=""
                xmlns:xmp="http://ns.adobe.com/xap/1.0/"
                xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
               <Iptc4xmpExt:DigitalSourceType>\(Self.digitalSourceType)</Iptc4xmpExt:DigitalSourceType>
               <xmp:CreatorTool>\(Self.escaped(generator))</xmp:CreatorTool>
               <Iptc4xmpExt:AISystemUsed>\(Self.escaped(model))</Iptc4xmpExt:AISystemUsed>
               <Iptc4xmpExt:AISystemVersionUsed>\(Self.escaped(generator))</Iptc4xmpExt:AISystemVersionUsed>
              </rdf:Description>
             </rdf:RDF>
            </x:xmpmeta>
            <?xpacket end="r"?>
            """.utf8)
    }

    /// The packet as a box of an MP4 file, of the type that XMP has there (XMP specification, part 3, 1.2.7.1).
    var mp4Box: [UInt8] {
        let type: [UInt8] = [
            0xBE, 0x7A, 0xCF, 0xCB, 0x97, 0xA9, 0x42, 0xE8, 0x9C, 0x71, 0x99, 0x94, 0x91, 0xE3, 0xAF, 0xAC,
        ]
        let body = Array("uuid".utf8) + type + xmp
        return withUnsafeBytes(of: UInt32(body.count + 4).bigEndian) { Array($0) } + body
    }

    /// The text as XML; characters that XML 1.0 cannot hold become U+FFFD.
    private static func escaped(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result.append(contentsOf: "&amp;".unicodeScalars)
            case "<": result.append(contentsOf: "&lt;".unicodeScalars)
            case ">": result.append(contentsOf: "&gt;".unicodeScalars)
            case "\u{0}"..."\u{8}", "\u{B}", "\u{C}", "\u{E}"..."\u{1F}", "\u{FFFE}", "\u{FFFF}":
                result.append("\u{FFFD}")
            // XML readers take it for a line feed.
            case "\r": result.append(contentsOf: "&#13;".unicodeScalars)
            default: result.append(scalar)
            }
        }
        return String(result)
    }
}
