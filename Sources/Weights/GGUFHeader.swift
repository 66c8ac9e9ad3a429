import Foundation
import Tensor

/// The header of a GGUF file: version, typed metadata and what it says about each tensor.
///
/// Every length and count is held against the bytes that are left before anything is read or allocated, so a damaged
/// header fails at the byte where it is wrong.
struct GGUFHeader {
    struct TensorInfo {
        let name: String
        let type: ElementType
        /// Row-major, the last axis the fastest; the file has it the other way round.
        let shape: [Int]
        /// The distance from the start of the data.
        let offset: UInt64
    }

    let version: Int
    let metadata: [String: GGUFValue]
    let arrays: [String: GGUFArray]
    let tensors: [TensorInfo]
    /// Tensors begin at multiples of it.
    let alignment: Int
    /// Bytes of the header.
    let end: Int

    /// Enough for a vocabulary of a million entries.
    static let longest = 100_000_000
    private static let mostEntries: UInt64 = 1 << 16
    private static let mostAxes: UInt32 = 8
    private static let longestName: UInt64 = 1 << 16

    init(_ file: MappedFile) throws(WeightError) {
        var cursor = GGUFCursor(file)
        guard try cursor.bytes(4, "the magic").elementsEqual("GGUF".utf8) else {
            throw .malformed(file: file.path, reason: "bytes 0-3 are not \"GGUF\"")
        }
        let version = try cursor.integer(UInt32.self, "the version")
        guard version.byteSwapped != 2, version.byteSwapped != 3 else {
            throw .malformed(file: file.path, reason: "it is a big-endian GGUF file; only little-endian ones are read")
        }
        guard 2...3 ~= version else {
            throw .malformed(file: file.path, reason: "byte 4: GGUF version \(version); versions 2 and 3 are read")
        }
        self.version = Int(version)
        // The shortest tensor entry is a name's length, axes, type and offset; the shortest pair a length, type, byte.
        let tensorCount = try cursor.count("tensors", entryBytes: 24, most: Self.mostEntries)
        let metadataCount = try cursor.count("metadata entries", entryBytes: 13, most: Self.mostEntries)

        var metadata: [String: GGUFValue] = [:]
        var arrays: [String: GGUFArray] = [:]
        for index in 0..<metadataCount {
            let start = cursor.offset
            let key = try cursor.string("the key of metadata entry \(index)", longest: Self.longestName)
            let kind = try cursor.integer(UInt32.self, "the type of \"\(key)\"")
            let place = cursor.offset
            let value = try GGUFValue(kind: kind, key: key, from: &cursor)
            if case .array = value { arrays[key] = try GGUFArray(file, key: key, at: place, to: cursor.offset) }
            guard metadata.updateValue(value, forKey: key) == nil else {
                throw .malformed(file: file.path, reason: "byte \(start): metadata key \"\(key)\" occurs twice")
            }
        }
        self.metadata = metadata
        self.arrays = arrays
        alignment = try Self.alignment(metadata["general.alignment"], file: file.path)

        var names: Set<String> = []
        var tensors: [TensorInfo] = []
        for index in 0..<tensorCount {
            let start = cursor.offset
            let info = try Self.tensor(index, from: &cursor)
            guard names.insert(info.name).inserted else {
                throw .malformed(file: file.path, reason: "byte \(start): tensor \"\(info.name)\" occurs twice")
            }
            tensors.append(info)
        }
        self.tensors = tensors
        end = cursor.offset
    }

    private static func alignment(_ value: GGUFValue?, file: String) throws(WeightError) -> Int {
        guard let value else { return defaultAlignment }
        guard let number = value.integer, 1...65536 ~= number, number & (number - 1) == 0 else {
            throw .malformed(
                file: file,
                reason: "general.alignment is \(value.text ?? "no number"), expected a power of two to 65536")
        }
        return number
    }

    private static func tensor(_ index: Int, from cursor: inout GGUFCursor) throws(WeightError) -> TensorInfo {
        let name = try cursor.string("the name of tensor \(index)", longest: longestName)
        let axes = try cursor.integer(UInt32.self, "the number of axes of \"\(name)\"")
        guard axes <= mostAxes else {
            throw cursor.fault("\"\(name)\" has \(axes) axes, at most \(mostAxes) are read")
        }
        var shape: [Int] = []
        for _ in 0..<axes {
            let extent = try cursor.integer(UInt64.self, "the shape of \"\(name)\"")
            guard let extent = Int(exactly: extent) else { throw cursor.fault("\"\(name)\": shape is too large") }
            shape.append(extent)
        }
        shape.reverse()
        let kind = try cursor.integer(UInt32.self, "the type of \"\(name)\"")
        guard let type = ElementType(gguf: kind) else {
            let known = ElementType.allCases.filter { $0.gguf != nil }.map { $0.rawValue.uppercased() }
            throw cursor.fault(
                "\"\(name)\" has type \(ElementType.ggufName(kind)), which is not read; read are "
                    + known.joined(separator: ", "))
        }
        return TensorInfo(
            name: name, type: type, shape: shape, offset: try cursor.integer(UInt64.self, "the offset of \"\(name)\""))
    }
}

/// Reads the little-endian fields of a header one after the other, never past its end.
struct GGUFCursor {
    let file: MappedFile
    private(set) var offset: Int
    private let limit: Int

    /// - Precondition: `offset` is one that a cursor over the same file had.
    init(_ file: MappedFile, at offset: Int = 0) {
        self.file = file
        self.offset = offset
        limit = min(file.bytes.count, GGUFHeader.longest)
    }

    var remaining: Int { limit - offset }

    /// An error at the byte before which reading has stopped.
    func fault(_ reason: String) -> WeightError { .malformed(file: file.path, reason: "byte \(offset): \(reason)") }

    mutating func bytes(_ count: UInt64, _ what: @autoclosure () -> String) throws(WeightError)
        -> UnsafeRawBufferPointer
    {
        guard count <= UInt64(remaining) else {
            let end = limit < file.bytes.count ? "the \(limit) bytes a header may have" : "the file's end"
            throw fault("\(what()) takes \(count) bytes, there are \(remaining) to \(end)")
        }
        let part = UnsafeRawBufferPointer(rebasing: file.bytes[offset..<offset + Int(count)])
        offset += Int(count)
        return part
    }

    mutating func integer<I: FixedWidthInteger>(_: I.Type, _ what: @autoclosure () -> String) throws(WeightError) -> I {
        I(littleEndian: try bytes(UInt64(MemoryLayout<I>.size), what()).loadUnaligned(as: I.self))
    }

    /// A number of entries of at least `entryBytes` each, which must fit what is left.
    mutating func count(_ what: String, entryBytes: Int, most: UInt64) throws(WeightError) -> Int {
        let start = offset
        let count = try integer(UInt64.self, "the number of \(what)")
        guard count <= most, count <= UInt64(remaining / entryBytes) else {
            throw .malformed(
                file: file.path,
                reason:
                    "byte \(start): announces \(count) \(what), at most \(min(most, UInt64(remaining / entryBytes))) "
                    + "are possible")
        }
        return Int(count)
    }

    mutating func string(_ what: @autoclosure () -> String, longest: UInt64 = .max) throws(WeightError) -> String {
        let start = offset
        let length = try integer(UInt64.self, "the length of \(what())")
        guard length <= longest else {
            throw .malformed(
                file: file.path, reason: "byte \(start): \(what()) is \(length) bytes long, at most \(longest) are read"
            )
        }
        let part = try bytes(length, what())
        guard let text = String(validating: part, as: UTF8.self) else {
            throw .malformed(file: file.path, reason: "byte \(start): \(what()) is not UTF-8")
        }
        return text
    }
}
