import Tensor

/// A long array of a GGUF file's metadata, such as a vocabulary: where it lies in the file. Nothing of it is read before it
/// is asked for.
package struct GGUFArray: Sendable {
    package let count: Int
    private let kind: GGUFValue.Kind
    private let key: String
    private let file: MappedFile
    /// The bytes of the elements in the file.
    private let range: Range<Int>
    private var start: Int { range.lowerBound }

    /// The array's bytes in the file.
    package var stored: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: file.bytes[range]) }

    /// - Parameters:
    ///   - offset: of the array's element type.
    ///   - end: of its last element.
    init(_ file: MappedFile, key: String, at offset: Int, to end: Int) throws(WeightError) {
        var cursor = GGUFCursor(file, at: offset)
        let number = try cursor.integer(UInt32.self, "the element type of \"\(key)\"")
        guard let kind = GGUFValue.Kind(rawValue: number), kind != .array else {
            throw cursor.fault("\"\(key)\" is an array of type \(number), which is not read")
        }
        self.kind = kind
        self.key = key
        self.file = file
        count = try cursor.count("elements of \"\(key)\"", entryBytes: kind.size, most: .max)
        range = cursor.offset..<max(end, cursor.offset)
    }

    /// Calls `body` with the bytes of each string.
    /// - Throws: `.malformed` where the array holds something else.
    package func forEachString(_ body: (UnsafeRawBufferPointer) -> Void) throws(WeightError) {
        guard kind == .string else { throw fault("strings") }
        var cursor = GGUFCursor(file, at: start)
        for _ in 0..<count {
            let length = try cursor.integer(UInt64.self, "a string of \"\(key)\"")
            body(try cursor.bytes(length, "a string of \"\(key)\""))
        }
    }

    package func floats() throws(WeightError) -> [Float] {
        guard kind == .float32 else { throw fault("float32 numbers") }
        var cursor = GGUFCursor(file, at: start)
        var values: [Float] = []
        values.reserveCapacity(count)
        for _ in 0..<count { values.append(Float(bitPattern: try cursor.integer(UInt32.self, "\"\(key)\""))) }
        return values
    }

    package func integers() throws(WeightError) -> [Int] {
        guard kind == .int32 || kind == .uint32 else { throw fault("32-bit integers") }
        var cursor = GGUFCursor(file, at: start)
        var values: [Int] = []
        values.reserveCapacity(count)
        for _ in 0..<count { values.append(Int(try cursor.integer(Int32.self, "\"\(key)\""))) }
        return values
    }

    package func bytes() throws(WeightError) -> [UInt8] {
        guard kind == .uint8 || kind == .int8 else { throw fault("bytes") }
        var cursor = GGUFCursor(file, at: start)
        return [UInt8](try cursor.bytes(UInt64(count), "\"\(key)\""))
    }

    private func fault(_ expected: String) -> WeightError {
        .malformed(file: file.path, reason: "\"\(key)\" is an array of \(kind), expected \(expected)")
    }
}
