import Tensor
import TestSupport
import Testing

@Suite struct HeapTests {
    /// Takes and gives at random, and compares with a list of what is taken.
    @Test(arguments: 0..<20) func partsNeverOverlapAndHolesAreWhatIsLeft(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var heap = Heap()
        var taken: [Range<Int>] = []
        for _ in 0..<2000 {
            if taken.isEmpty || Int.random(in: 0..<9, using: &random) < 5 {
                let bytes = 64 * Int.random(in: 1...(Bool.random(using: &random) ? 8 : 400), using: &random)
                let holes = heap.holes.filter { $0.count >= bytes }
                let end = heap.extent
                guard let start = heap.take(bytes, limit: 1 << 20) else {
                    #expect(holes.isEmpty && end + bytes > 1 << 20)
                    continue
                }
                let smallest = holes.map(\.count).min()
                #expect(start == (holes.first { $0.count == smallest }?.lowerBound ?? end))
                taken.append(start..<start + bytes)
            } else {
                heap.give(taken.remove(at: Int.random(in: taken.indices, using: &random)))
            }
            var position = 0
            var left: [Range<Int>] = []
            for part in taken.sorted(by: { $0.lowerBound < $1.lowerBound }) {
                #expect(part.lowerBound >= position)
                if part.lowerBound > position { left.append(position..<part.lowerBound) }
                position = part.upperBound
            }
            #expect(heap.holes == left)
            #expect(heap.extent == position)
        }
        for part in taken.shuffled(using: &random) { heap.give(part) }
        #expect(heap.holes.isEmpty)
        #expect(heap.extent == 0)
    }
}
