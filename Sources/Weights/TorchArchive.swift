import Foundation

/// The zip archive that PyTorch writes (.pth, .pt, .ckpt, .bin since version 1.6): its entries are stored as they are, so
/// that their bytes can be used where they lie. Format: PKWARE's APPNOTE, sections 4.3 and 4.5.3 (Zip64).
///
/// Every offset and length is held against the file before it is followed.
package struct TorchArchive {
    static let signature: [UInt8] = Array("PK\u{3}\u{4}".utf8)

    /// Where the bytes of each entry lie in the file.
    package let entries: [String: Range<Int>]
    /// Entries whose bytes cannot be used as they are; PyTorch makes such of programs only.
    let packed: Set<String>

    private static let mostEntries = 1 << 17
    private static let longestName = 1024
    /// The longest record at the end with the comment behind it.
    private static let longestTail = 22 + 0xFFFF

    private let bytes: UnsafeRawBufferPointer
    private let path: String

    /// - Throws: `WeightError` that names the entry or byte at fault.
    package init(_ bytes: UnsafeRawBufferPointer, path: String) throws(WeightError) {
        self.bytes = bytes
        self.path = path
        let directory = try Self.directory(bytes, path)
        guard directory.count <= Self.mostEntries else {
            throw .malformed(file: path, reason: "the archive announces \(directory.count) entries")
        }
        var entries: [String: Range<Int>] = [:]
        var packed: Set<String> = []
        var offset = directory.start
        for _ in 0..<directory.count {
            let entry = try Self.entry(at: offset, bytes, path)
            if !entry.isStored {
                packed.insert(entry.name)
            } else if entries.updateValue(entry.range, forKey: entry.name) != nil {
                throw .malformed(file: path, reason: "the archive has two entries \"\(entry.name)\"")
            }
            offset = entry.next
        }
        self.entries = entries
        self.packed = packed
    }

    private static func fault(_ path: String, _ reason: String) -> WeightError {
        .malformed(file: path, reason: "the PyTorch archive (zip) is damaged or cut off: \(reason)")
    }

    /// Little-endian numbers at `offset`; nil beyond the end.
    private static func number<I: FixedWidthInteger & UnsignedInteger>(
        _: I.Type, _ bytes: UnsafeRawBufferPointer, _ offset: Int
    ) -> Int? {
        guard offset >= 0, offset <= bytes.count - MemoryLayout<I>.size else { return nil }
        return Int(exactly: I(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: I.self)))
    }

    /// The number of entries and where their directory begins.
    private static func directory(
        _ bytes: UnsafeRawBufferPointer, _ path: String
    ) throws(WeightError) -> (count: Int, start: Int) {
        let last = bytes.count - 22
        var end = last
        while end >= 0, end >= bytes.count - longestTail, number(UInt32.self, bytes, end) != 0x0605_4b50 { end -= 1 }
        guard end >= 0, number(UInt32.self, bytes, end) == 0x0605_4b50,
            let count = number(UInt16.self, bytes, end + 10), let start = number(UInt32.self, bytes, end + 16)
        else { throw fault(path, "it has no directory at its end") }
        guard count == 0xFFFF || start == 0xFFFF_FFFF || number(UInt32.self, bytes, end - 20) == 0x0706_4b50 else {
            return (count, start)
        }
        guard number(UInt32.self, bytes, end - 20) == 0x0706_4b50, let wide = number(UInt64.self, bytes, end - 12),
            number(UInt32.self, bytes, wide) == 0x0606_4b50, let count = number(UInt64.self, bytes, wide + 32),
            let start = number(UInt64.self, bytes, wide + 48)
        else { throw fault(path, "its Zip64 directory is not where it should be") }
        return (count, start)
    }

    private static func entry(
        at offset: Int, _ bytes: UnsafeRawBufferPointer, _ path: String
    ) throws(WeightError) -> (name: String, range: Range<Int>, isStored: Bool, next: Int) {
        guard number(UInt32.self, bytes, offset) == 0x0201_4b50, let flags = number(UInt16.self, bytes, offset + 8),
            let method = number(UInt16.self, bytes, offset + 10), var packed = number(UInt32.self, bytes, offset + 20),
            var size = number(UInt32.self, bytes, offset + 24),
            let nameLength = number(UInt16.self, bytes, offset + 28),
            let extraLength = number(UInt16.self, bytes, offset + 30),
            let commentLength = number(UInt16.self, bytes, offset + 32),
            var local = number(UInt32.self, bytes, offset + 42),
            offset + 46 + nameLength + extraLength + commentLength <= bytes.count, nameLength <= longestName,
            let name = String(validating: bytes[offset + 46..<offset + 46 + nameLength], as: UTF8.self)
        else { throw fault(path, "an entry of its directory, at byte \(offset), is not whole") }
        // Lengths and offsets that do not fit 32 bits stand in an extra field, in this order.
        var extra = offset + 46 + nameLength
        let extraEnd = extra + extraLength
        while extra + 4 <= extraEnd, let kind = number(UInt16.self, bytes, extra),
            let length = number(UInt16.self, bytes, extra + 2), extra + 4 + length <= extraEnd
        {
            if kind == 1 {
                var place = extra + 4
                func wide(_ value: Int) -> Int? {
                    guard value == 0xFFFF_FFFF else { return value }
                    defer { place += 8 }
                    return place + 8 <= extra + 4 + length ? number(UInt64.self, bytes, place) : nil
                }
                guard let wideSize = wide(size), let widePacked = wide(packed), let wideLocal = wide(local) else {
                    throw fault(path, "the lengths of \"\(name)\" are not whole")
                }
                (size, packed, local) = (wideSize, widePacked, wideLocal)
                break
            }
            extra += 4 + length
        }
        let next = offset + 46 + nameLength + extraLength + commentLength
        guard method == 0, packed == size, flags & 1 == 0 else { return (name, 0..<0, false, next) }
        guard number(UInt32.self, bytes, local) == 0x0403_4b50, let localName = number(UInt16.self, bytes, local + 26),
            let localExtra = number(UInt16.self, bytes, local + 28)
        else { throw fault(path, "\"\(name)\" is not where its directory says") }
        let start = local + 30 + localName + localExtra
        guard start <= bytes.count, size <= bytes.count - start else {
            throw fault(path, "\"\(name)\" takes \(size) bytes from byte \(start), the file has \(bytes.count)")
        }
        return (name, start..<start + size, true, next)
    }
}
