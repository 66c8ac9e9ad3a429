/// Text as a part of an address: all bytes but the unreserved ones (RFC 3986, section 2.3) as `%` and two digits.
package enum PercentEncoding {
    /// - Parameter keepsSlashes: for a path of several segments.
    package static func text(_ text: String, keepsSlashes: Bool = false) -> String {
        var encoded = ""
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
                UInt8(ascii: "~"):
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            case UInt8(ascii: "/") where keepsSlashes: encoded += "/"
            default: encoded += "%" + Hexadecimal.text([byte]).uppercased()
            }
        }
        return encoded
    }
}
