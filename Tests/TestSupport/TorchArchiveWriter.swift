import Foundation
import Tensor
import Weights

/// Files as `torch.save` writes them.
package enum TorchArchiveWriter {
    /// A state dict of float32 and bfloat16 tensors.
    package static func file(_ tensors: [String: Weight]) -> [UInt8] {
        var pickle: [UInt8] = [0x80, 2] + Array("}(".utf8)
        var entries: [(name: String, content: [UInt8])] = []
        for (index, (key, weight)) in tensors.sorted(by: { $0.key < $1.key }).enumerated() {
            let type = weight.type == .bf16 ? "BFloat16Storage" : "FloatStorage"
            let strides = weight.shape.indices.map { weight.shape[($0 + 1)...].reduce(1, *) }
            pickle += text(key) + Array("ctorch._utils\n_rebuild_tensor_v2\n((".utf8) + text("storage")
            pickle += Array("ctorch\n\(type)\n".utf8) + text("\(index)") + text("cpu") + number(weight.count)
            pickle += Array("tQ".utf8) + number(0) + tuple(weight.shape) + tuple(strides) + [0x89] + Array("}tR".utf8)
            entries.append(("archive/data/\(index)", [UInt8](weight.bytes)))
        }
        return archive([("archive/data.pkl", pickle + Array("u.".utf8))] + entries)
    }

    private static func text(_ text: String) -> [UInt8] {
        [UInt8(ascii: "X")] + word(text.utf8.count) + Array(text.utf8)
    }

    private static func number(_ value: Int) -> [UInt8] { [UInt8(ascii: "J")] + word(value) }

    private static func tuple(_ values: [Int]) -> [UInt8] {
        [UInt8(ascii: "(")] + values.flatMap(number) + [UInt8(ascii: "t")]
    }

    private static func word(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(value >> (8 * $0) & 255) } }

    /// A zip archive of stored entries, without checksums, which no reader of tensors looks at.
    package static func archive(_ entries: [(name: String, content: [UInt8])]) -> [UInt8] {
        func half(_ value: Int) -> [UInt8] { [UInt8(value & 255), UInt8(value >> 8 & 255)] }
        var out: [UInt8] = []
        var directory: [UInt8] = []
        for (name, content) in entries {
            let sizes = word(0) + word(content.count) + word(content.count) + half(name.utf8.count) + half(0)
            directory += word(0x0201_4b50) + half(0) + half(0) + half(0) + half(0) + word(0) + sizes
            directory += half(0) + half(0) + half(0) + word(0) + word(out.count) + Array(name.utf8)
            out += word(0x0403_4b50) + half(0) + half(0) + half(0) + word(0) + sizes + Array(name.utf8) + content
        }
        let start = out.count
        return out + directory + word(0x0605_4b50) + half(0) + half(0) + half(entries.count) + half(entries.count)
            + word(directory.count) + word(start) + half(0)
    }
}
