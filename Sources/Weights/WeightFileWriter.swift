import Foundation
import Support
import Tensor

/// Writes a weight file tensor by tensor: the header at once, from what is to come, then the tensors' bytes in order.
/// The file is written aside, synced and renamed, so that it appears once and whole or not at all.
package final class WeightFileWriter {
    package enum Format: String, Sendable {
        case gguf, safetensors
    }

    package struct Entry: Sendable {
        package let name: String
        package let type: ElementType
        package let shape: [Int]

        package init(name: String, type: ElementType, shape: [Int]) {
            self.name = name
            self.type = type
            self.shape = shape
        }

        package var byteCount: Int { type.bytes(of: shape.reduce(1, *)) }
    }

    /// The entries in the order in which their bytes are to be appended.
    package let entries: [Entry]
    private let path: String
    private let partial: String
    private let alignment: Int
    private var descriptor: Int32
    private var index = 0
    /// Bytes of `entries[index]` that are written.
    private var written = 0
    private var offset = 0

    /// - Parameter metadata: texts by key; `general.architecture` tells GGUF readers the family.
    /// - Throws: `WeightError.unwritable` with the system's reason, or for a type that the format does not have.
    package init(
        path: String, format: Format, entries: [Entry], metadata: [String: String] = [:]
    ) throws(WeightError) {
        let header: Data
        switch format {
        case .gguf:
            self.entries = entries
            alignment = GGUFHeader.defaultAlignment
            header = try GGUFHeader.bytes(entries, metadata: metadata, file: path)
        case .safetensors:
            // Wide elements first: each begins at a multiple of its own size, as the format's own writer has it.
            self.entries = entries.sorted { ($1.type.size, $0.name) < ($0.type.size, $1.name) }
            alignment = 1
            header = try Safetensors.headerBytes(self.entries, metadata: metadata, file: path)
        }
        self.path = path
        partial = AtomicFile.aside(path)
        descriptor = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .unwritable(file: path, reason: String(cString: strerror(errno))) }
        try write([UInt8](header))
        skipEmpty()
    }

    /// What is not finished leaves nothing behind.
    deinit {
        guard descriptor >= 0 else { return }
        close(descriptor)
        unlink(partial)
    }

    /// The next bytes of the tensor that is being written; they may come in parts.
    /// - Precondition: they do not go beyond the tensor's end.
    package func append(_ bytes: UnsafeRawBufferPointer) throws(WeightError) {
        precondition(index < entries.count && written + bytes.count <= entries[index].byteCount, "too many bytes")
        try write(bytes)
        written += bytes.count
        guard written == entries[index].byteCount else { return }
        index += 1
        written = 0
        try write([UInt8](repeating: 0, count: offset.aligned(to: alignment) - offset))
        skipEmpty()
    }

    package func append(_ bytes: [UInt8]) throws(WeightError) {
        try bytes.withUnsafeBufferPointer { bytes throws(WeightError) in try append(UnsafeRawBufferPointer(bytes)) }
    }

    /// Gives the file its name.
    /// - Precondition: every entry is written.
    package func finish() throws(WeightError) {
        precondition(index == entries.count, "\(entries.count - index) tensors are not written")
        try writing { () throws(FileFault) in
            guard fsync(descriptor) == 0 else { throw FileFault("syncing", partial) }
            try AtomicFile.publish(partial, as: path)
        }
        close(descriptor)
        descriptor = -1
    }

    private func skipEmpty() {
        while index < entries.count, entries[index].byteCount == 0 { index += 1 }
    }

    private func write(_ bytes: [UInt8]) throws(WeightError) {
        try bytes.withUnsafeBufferPointer { bytes throws(WeightError) in try write(UnsafeRawBufferPointer(bytes)) }
    }

    private func write(_ bytes: UnsafeRawBufferPointer) throws(WeightError) {
        try writing { () throws(FileFault) in try SystemFile.write(bytes, to: descriptor, path: path) }
        offset += bytes.count
    }

    private func writing(_ body: () throws(FileFault) -> Void) throws(WeightError) {
        do {
            try body()
        } catch {
            throw .unwritable(file: path, reason: error.reason)
        }
    }
}

extension Safetensors {
    static func headerBytes(
        _ entries: [WeightFileWriter.Entry], metadata: [String: String], file: String
    ) throws(WeightError) -> Data {
        var fields: [String: Any] = metadata.isEmpty ? [:] : ["__metadata__": metadata]
        var offset = 0
        for entry in entries {
            guard entry.type.blockElements == 1 else {
                throw .unwritable(file: file, reason: "safetensors has no type \(entry.type.rawValue)")
            }
            fields[entry.name] = [
                "dtype": entry.type.rawValue.uppercased(), "shape": entry.shape,
                "data_offsets": [offset, offset + entry.byteCount],
            ]
            offset += entry.byteCount
        }
        guard var header = try? JSONSerialization.data(withJSONObject: fields, options: [.sortedKeys]) else {
            throw .unwritable(file: file, reason: "the names of its tensors are no JSON")
        }
        // The data begins at a multiple of eight bytes, as the format recommends.
        header.append(Data(repeating: UInt8(ascii: " "), count: header.count.aligned(to: 8) - header.count))
        return withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) } + header
    }
}

extension GGUFHeader {
    static let defaultAlignment = 32

    /// A version 3 header. Tensors of more than four axes are flattened and their shape put into the metadata, since
    /// most readers know no more than four.
    static func bytes(
        _ entries: [WeightFileWriter.Entry], metadata: [String: String], file: String
    ) throws(WeightError) -> Data {
        var out = Data("GGUF".utf8)
        func put<I: FixedWidthInteger>(_ value: I) {
            withUnsafeBytes(of: value.littleEndian) { out.append(contentsOf: $0) }
        }
        func put(_ text: String) {
            put(UInt64(text.utf8.count))
            out.append(contentsOf: text.utf8)
        }
        let flattened = entries.filter { $0.shape.count > 4 }
        put(UInt32(3))
        put(UInt64(entries.count))
        put(UInt64(metadata.count + flattened.count + 1))
        for (key, text) in metadata.sorted(by: { $0.key < $1.key }) {
            put(key)
            put(GGUFValue.Kind.string.rawValue)
            put(text)
        }
        put("general.quantization_version")
        put(GGUFValue.Kind.uint32.rawValue)
        put(UInt32(2))
        for entry in flattened {
            put("comfy.gguf.orig_shape.\(entry.name)")
            put(GGUFValue.Kind.array.rawValue)
            put(GGUFValue.Kind.int32.rawValue)
            put(UInt64(entry.shape.count))
            for extent in entry.shape { put(Int32(clamping: extent)) }
        }
        var offset = 0
        for entry in entries {
            guard let number = entry.type.gguf else {
                throw .unwritable(file: file, reason: "GGUF has no type \(entry.type.rawValue) (\"\(entry.name)\")")
            }
            let shape =
                entry.shape.count > 4 ? [entry.shape[0], entry.shape.dropFirst().reduce(1, *)] : entry.shape
            put(entry.name)
            put(UInt32(shape.count))
            for extent in shape.reversed() { put(UInt64(extent)) }
            put(number)
            put(UInt64(offset))
            offset = (offset + entry.byteCount).aligned(to: defaultAlignment)
        }
        out.append(Data(repeating: 0, count: out.count.aligned(to: defaultAlignment) - out.count))
        return out
    }
}
