import Foundation

/// What tells a weight file from another by its bytes, not by where it lies: its name, its length and samples of it.
///
/// The first 64 KB, which hold a safetensors or GGUF header of all but the largest models, and 64 blocks of 4 KB at
/// equal distances. Reading a 28 GB expert as a whole would take longer than running it.
package struct FileSample {
    package let bytes: [UInt8]

    private static let head = 64 << 10
    private static let block = 4 << 10
    private static let blocks = 64

    /// - Throws: `WeightError.unreadable`.
    package init(path: String) throws(WeightError) {
        do {
            let file = try FileHandle(forReadingFrom: URL(filePath: path))
            defer { try? file.close() }
            let length = try file.seekToEnd()
            try file.seek(toOffset: 0)
            var bytes = Array("\(URL(filePath: path).lastPathComponent) \(length)\n".utf8)
            bytes += try file.read(upToCount: Self.head) ?? Data()
            if length > UInt64(Self.head + Self.blocks * Self.block) {
                for index in 1...Self.blocks {
                    try file.seek(toOffset: (length - UInt64(Self.block)) / UInt64(Self.blocks) * UInt64(index))
                    bytes += try file.read(upToCount: Self.block) ?? Data()
                }
            } else {
                bytes += try file.readToEnd() ?? Data()
            }
            self.bytes = bytes
        } catch {
            throw .unreadable(file: path, reason: error.localizedDescription)
        }
    }
}
