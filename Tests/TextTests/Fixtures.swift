import Foundation

/// Where the golden values lie: `Tests/Fixtures` of this repository.
enum Fixtures {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Fixtures")
    static let wan = root.appending(path: "wan22-tiny")

    static func json<Value: Decodable>(_ type: Value.Type, _ path: String) throws -> Value {
        try JSONDecoder().decode(type, from: Data(contentsOf: root.appending(path: path)))
    }
}

/// The code points, for comparisons: Swift's `==` on strings holds canonically equivalent ones for equal.
func codePoints(_ text: String) -> [UInt32] { text.unicodeScalars.map(\.value) }
