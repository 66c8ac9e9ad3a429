/// Numbers as Linux lists processors and memory nodes: `0-3,8`.
package enum ProcessorList {
    /// The most that a list may have; Linux is built for 8,192 at most.
    private static let most = 1 << 16

    /// - Returns: nil for what is no such list, and for an empty one.
    package static func parse(_ text: some StringProtocol) -> [Int]? {
        var numbers: [Int] = []
        for range in text.split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
            let ends = range.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard ends.count <= 2, let first = ends.first ?? nil, let last = ends.last ?? nil, first >= 0,
                first <= last, last < most
            else { return nil }
            numbers += first...last
        }
        return numbers.isEmpty ? nil : numbers
    }

    /// - Parameter numbers: in ascending order.
    package static func text(_ numbers: [Int]) -> String {
        var ranges: [ClosedRange<Int>] = []
        for number in numbers {
            if let last = ranges.last, last.upperBound + 1 == number {
                ranges[ranges.count - 1] = last.lowerBound...number
            } else {
                ranges.append(number...number)
            }
        }
        return ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            .joined(separator: ",")
    }
}
