import Foundation

/// Where the golden values lie: `Tests/Fixtures` of this repository.
package enum Fixtures {
    package static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Fixtures")
    package static let wan = root.appending(path: "wan22-tiny")

    package static func json<Value: Decodable>(_ type: Value.Type, _ path: String) throws -> Value {
        try JSONDecoder().decode(type, from: Data(contentsOf: root.appending(path: path)))
    }
}

/// The code points, for comparisons: Swift's `==` on strings holds canonically equivalent ones for equal.
package func codePoints(_ text: String) -> [UInt32] { text.unicodeScalars.map(\.value) }

/// A folder that is gone after `body`.
package func withTemporaryFolder(_ body: (URL) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "phasor-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder)
}
