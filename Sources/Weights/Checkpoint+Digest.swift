import Support
import Tensor

extension Checkpoint {
    /// Which weights these are, told by their content and not by where they lie: SHA-256, in hexadecimal, over every
    /// tensor's key, type, shape and bytes, and over the configuration that came with them.
    ///
    /// A tensor of more than 16 KB is told by four blocks of 4 KB at equal distances, because reading a 28 GB expert as
    /// a whole would take longer than running it. Files under other names or shards in other sizes have the same digest.
    package var contentDigest: String {
        var hash = SHA256()
        for (key, weight) in tensors.sorted(by: { $0.key < $1.key }) {
            hash.update(Array("\(key) \(weight.type.rawValue) \(weight.shape)\n".utf8))
            let bytes = weight.bytes
            if bytes.count <= 4 * Self.block {
                hash.update(bytes)
            } else {
                for index in 0..<4 {
                    let start = (bytes.count - Self.block) / 3 * index
                    hash.update(UnsafeRawBufferPointer(rebasing: bytes[start..<start + Self.block]))
                }
            }
        }
        if let configuration { hash.update(configuration.json) }
        return Hexadecimal.text(hash.finish())
    }

    private static let block = 4 << 10
}
