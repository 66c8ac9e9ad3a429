/// Strings as UTF-8, end to end in one array: 256,000 of them take a few megabytes and no allocation each.
package struct PackedStrings: Sendable {
    private(set) var bytes: [UInt8] = []
    /// Narrow, because a vocabulary is looked up all over: what a look-up waits for is the processor's cache.
    private var ends: [UInt32] = []

    package init() {}

    package var count: Int { ends.count }
    var indices: Range<Int> { ends.indices }

    /// Where in `bytes` a string lies.
    func range(of index: Int) -> Range<Int> { (index > 0 ? Int(ends[index - 1]) : 0)..<Int(ends[index]) }

    subscript(index: Int) -> ArraySlice<UInt8> { bytes[range(of: index)] }

    /// - Precondition: together they have less than 4 GB, as what is read from a file by `JSONFile.bytes` has.
    package mutating func append(_ string: some Collection<UInt8>) {
        bytes.append(contentsOf: string)
        ends.append(UInt32(bytes.count))
    }

    /// What a message says a string is.
    func text(of index: Int) -> String { String(decoding: self[index], as: UTF8.self) }
}
