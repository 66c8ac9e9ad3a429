import Support
import Tensor

extension Checkpoint {
    /// Which weights these are, told by their content and not by where they lie: SHA-256, in hexadecimal, over every
    /// tensor's key, type, shape, bytes and factors, over the configuration that came with them, and over what else in the
    /// file decides a result: PEFT's settings and a tokenizer.
    ///
    /// A tensor of more than 16 KB is told by four blocks of 4 KB at equal distances, because reading a 28 GB expert as
    /// a whole would take longer than running it. Files under other names or shards in other sizes have the same digest.
    package var contentDigest: String {
        var hash = SHA256()
        // A page fault in each block would read as far ahead as the disk is set to: nearly everything, on some.
        Self.request(tensors.values.lazy.flatMap { Self.blocks(of: $0.bytes) })
        for (key, weight) in tensors.sorted(by: { $0.key < $1.key }) {
            hash.update(Array("\(key) \(weight.type.rawValue) \(weight.shape)\n".utf8))
            for block in Self.blocks(of: weight.bytes) { hash.update(block) }
            if let scales = weight.scales { scales.withUnsafe { hash.update(UnsafeRawBufferPointer($0)) } }
        }
        if let configuration { hash.update(configuration.json) }
        for (key, text) in metadata.sorted(by: { $0.key < $1.key })
        where key == "lora_adapter_metadata" || key.hasPrefix("tokenizer.") {
            hash.update(Array("\(key) \(text)\n".utf8))
        }
        for (key, model) in tokenizerModels.sorted(by: { $0.key < $1.key }) {
            hash.update(Array("\(key)\n".utf8))
            hash.update(model.bytes)
        }
        for (key, array) in arrays.sorted(by: { $0.key < $1.key }) where key.hasPrefix("tokenizer.") {
            hash.update(Array("\(key) \(array.count)\n".utf8))
            hash.update(array.stored)
        }
        return Hexadecimal.text(hash.finish())
    }

    private static let block = 4 << 10

    /// What tells a tensor's bytes.
    private static func blocks(of bytes: UnsafeRawBufferPointer) -> [UnsafeRawBufferPointer] {
        guard bytes.count > 4 * block else { return [bytes] }
        return (0..<4).map { index in
            let start = (bytes.count - block) / 3 * index
            return UnsafeRawBufferPointer(rebasing: bytes[start..<start + block])
        }
    }
}
