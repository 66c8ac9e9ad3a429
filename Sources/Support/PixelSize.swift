/// A size in pixels, written WIDTHxHEIGHT: `832x480`.
package struct PixelSize: Sendable, Hashable, CustomStringConvertible {
    package var width: Int
    package var height: Int

    package init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }

    /// Returns nil unless both sides are one to nine digits and nothing else: no sign, no blank. The letter between
    /// them is x or X.
    package init?(_ text: some StringProtocol) {
        let sides = text.utf8.split(omittingEmptySubsequences: false) { $0 | 0x20 == UInt8(ascii: "x") }
        guard sides.count == 2, let width = Self.digits(sides[0]), let height = Self.digits(sides[1]) else {
            return nil
        }
        self.init(width: width, height: height)
    }

    package var description: String { "\(width)x\(height)" }

    private static func digits(_ text: some Collection<UInt8>) -> Int? {
        guard (1...9).contains(text.count), text.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return text.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }
}

extension PixelSize: Codable {
    /// - Throws: `DecodingError` for a text that is no size.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let size = PixelSize(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "is not WIDTHxHEIGHT")
        }
        self = size
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
