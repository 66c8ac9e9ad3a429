/// The merges of byte-pair encoding (Sennrich et al. 2016): the neighbours of the lowest merge rank become one symbol, again and
/// again.
struct PairMerging: Sendable {
    private struct Merge {
        let rank: Int32
        let id: Int32
    }
    /// The merges by the two ids, the left one in the upper half.
    private let merges: [UInt64: Merge]

    init(vocabulary: PieceTable, merges pairs: BytePairMerges) throws(BytePairModel.Mismatch) {
        let symbols = pairs.symbols
        var merges: [UInt64: Merge] = [:]
        merges.reserveCapacity(pairs.count)
        for rank in 0..<pairs.count {
            let (left, right) = (symbols.range(of: 2 * rank), symbols.range(of: 2 * rank + 1))
            guard let leftID = vocabulary.id(of: symbols.bytes, left),
                let rightID = vocabulary.id(of: symbols.bytes, right),
                let id = vocabulary.id(of: symbols.bytes, left.lowerBound..<right.upperBound)
            else {
                throw BytePairModel.Mismatch(
                    field: "merges[\(rank)]",
                    reason: "\"\(symbols.text(of: 2 * rank)) \(symbols.text(of: 2 * rank + 1))\" or what they make "
                        + "is not in the vocabulary")
            }
            let key = UInt64(leftID) << 32 | UInt64(rightID)
            // Of a pair that is given twice the first rank counts.
            if let first = merges.updateValue(Merge(rank: Int32(rank), id: Int32(id)), forKey: key) {
                merges[key] = first
            }
        }
        self.merges = merges
    }

    private struct Symbol {
        var id: Int32
        var previous: Int
        var next: Int
        /// Whether it was merged into its left neighbour.
        var isGone = false
    }

    /// Neighbours that may merge, the lowest rank first and then the leftmost.
    private struct Candidate: Comparable {
        let rank: Int32
        let left: Int
        /// The ids when it was found; symbols have changed since if they are others.
        let key: UInt64
        let merged: Int32

        static func < (a: Self, b: Self) -> Bool { (a.rank, a.left) < (b.rank, b.left) }
    }

    /// Appends what becomes of the symbols with these ids, in n log n time: a prompt may be one long word.
    func merge(_ initial: [Int32], into ids: inout [Int]) {
        var symbols = initial.enumerated().map { index, id in
            Symbol(id: id, previous: index - 1, next: index + 1 == initial.count ? -1 : index + 1)
        }
        var queue = MinimumHeap<Candidate>()
        func key(_ left: Int) -> UInt64? {
            guard left >= 0, symbols[left].next >= 0 else { return nil }
            return UInt64(symbols[left].id) << 32 | UInt64(symbols[symbols[left].next].id)
        }
        func offer(_ left: Int) {
            guard let key = key(left), let merge = merges[key] else { return }
            queue.insert(Candidate(rank: merge.rank, left: left, key: key, merged: merge.id))
        }
        for index in symbols.indices { offer(index) }
        while let candidate = queue.popFirst() {
            let left = candidate.left
            guard !symbols[left].isGone, key(left) == candidate.key else { continue }
            let right = symbols[left].next
            symbols[right].isGone = true
            symbols[left].id = candidate.merged
            symbols[left].next = symbols[right].next
            if symbols[right].next >= 0 { symbols[symbols[right].next].previous = left }
            offer(symbols[left].previous)
            offer(left)
        }
        for symbol in symbols where !symbol.isGone { ids.append(Int(symbol.id)) }
    }
}

/// A binary heap that gives back its smallest element.
struct MinimumHeap<Element: Comparable> {
    private var elements: [Element] = []

    mutating func insert(_ element: Element) {
        elements.append(element)
        var index = elements.count - 1
        while index > 0, elements[index] < elements[(index - 1) / 2] {
            elements.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    mutating func popFirst() -> Element? {
        guard let first = elements.first, let last = elements.popLast() else { return nil }
        guard !elements.isEmpty else { return first }
        elements[0] = last
        var index = 0
        while true {
            var smallest = index
            for child in [2 * index + 1, 2 * index + 2] where child < elements.count {
                if elements[child] < elements[smallest] { smallest = child }
            }
            guard smallest != index else { return first }
            elements.swapAt(index, smallest)
            index = smallest
        }
    }
}
