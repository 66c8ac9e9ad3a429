import Tensor
import Testing

/// The free list is the process's: these tests measure what they themselves hold, one after the other.
@Suite(.serialized) struct StorageTests {
    @Test(arguments: [0, 1, 1000, 1024, 1025, 4097, 100_000, 1 << 20])
    func capacityHoldsTheCountWithLittleWaste(count: Int) {
        let storage = Storage(count: count)
        #expect(storage.capacity >= count)
        #expect(storage.capacity <= max(1024, count + count / 4))
        #expect(UInt(bitPattern: storage.pointer) % 64 == 0)
        storage.pointer.update(repeating: 3, count: storage.capacity)
        #expect(storage.pointer[max(count - 1, 0)] == 3)
    }

    /// A size nobody else uses comes back at the address it had.
    @Test func buffersAreRecycled() {
        let count = 7_654_321
        var first = Optional(Storage(count: count))
        let address = first.map { UInt(bitPattern: $0.pointer) }
        first = nil
        let second = Storage(count: count)
        #expect(UInt(bitPattern: second.pointer) == address)
        let third = Storage(count: count)
        #expect(UInt(bitPattern: third.pointer) != address)
    }

    @Test func slicesKeepTheirStorageAlive() {
        var whole = Optional(Tensor((0..<3_333_333).map(Float.init), shape: [3, 1_111_111]))
        let slice = whole?.slice(1..<2)
        whole = nil
        let other = Tensor(repeating: -1, shape: [3, 1_111_111])
        #expect(slice?.array.first == 1_111_111)
        #expect(slice?.array.last == 2_222_221)
        #expect(other.array.first == -1)
    }

    @Test func useIsCounted() {
        let bytes = 5_000_000 * 4
        let before = StoragePool.shared.use.inUse
        let held = Storage(count: 5_000_000)
        let during = StoragePool.shared.use
        // Other suites run beside this one: theirs are smaller than the slack left here.
        #expect(during.inUse - before > bytes / 2)
        #expect(during.peak >= during.inUse)
        #expect(held.capacity >= 5_000_000)
    }

    /// A hundred sizes, one after the other, are 2.4 GB in all; few of them may lie idle afterwards.
    @Test func sizesThatAreNotAskedForAgainDoNotPileUp() {
        for index in 0..<100 { _ = Storage(count: 1_000_000 + index * 100_000) }
        #expect(StoragePool.shared.use.idle <= StoragePool.shared.idleLimit)
        #expect(StoragePool.shared.idleLimit < 2_000_000_000)
    }
}
