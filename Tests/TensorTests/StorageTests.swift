import Foundation
import Tensor
import TestSupport
import Testing

@Suite struct StorageTests {
    @Test(arguments: [0, 1, 1000, 1024, 1025, 4097, 100_000, 1 << 20])
    func capacityHoldsTheCountWithLittleWaste(count: Int) {
        let storage = Storage(count: count)
        #expect(storage.capacity >= count)
        #expect(storage.capacity <= max(16, count + 15))
        #expect(UInt(bitPattern: storage.pointer) % 64 == 0)
        storage.pointer.update(repeating: 3, count: storage.capacity)
        #expect(storage.pointer[max(count - 1, 0)] == 3)
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
}

@Suite struct ArenaTests {
    private let megabyte = 1 << 20

    @Test func useIsCounted() {
        let arena = Arena(reserving: 1 << 30)
        arena.using {
            var first = Optional(Storage(count: 5_000_000))
            let second = Storage(count: 1_000_000)
            #expect(arena.use.inUse == 24_000_000)
            first = nil
            #expect(first == nil)
            #expect(arena.use.inUse == 4_000_000)
            #expect(arena.use.extent == 24_000_000)
            #expect(arena.use.idle == 20_000_000)
            let grown = arena.growth {
                // One fits into the hole, the next one does not.
                let third = Storage(count: 4_000_000)
                let fourth = Storage(count: 2_000_000)
                return third.capacity + fourth.capacity
            }
            #expect(grown.bytes == 8_000_000)
            #expect(second.capacity == 1_000_000)
        }
        #expect(arena.use.inUse == 0)
        #expect(arena.use.extent == 0)
        #expect(arena.use.peak == 44_000_000 - 16_000_000)
        #expect(arena.use.peakExtent == 32_000_000)
    }

    /// What lasts lies apart: what a step holds around it becomes one piece again.
    @Test func whatLastsLeavesNoHoles() {
        let arena = Arena(reserving: 1 << 30)
        arena.using {
            var kept: [Tensor] = []
            for _ in 0..<20 {
                let large = Tensor(uninitialized: [megabyte])
                kept.append(Tensor.lasting(large.slice(0..<megabyte / 4).copy))
            }
            #expect(arena.use.peakExtent == 4 * megabyte + 20 * megabyte)
        }
        #expect(arena.use.inUse == 0)
    }

    /// A range that is too small, and one that no system has.
    @Test(arguments: [1 << 20, Int.max / 2]) func withoutRoomMemoryIsAllocatedPieceByPiece(bytes: Int) {
        let arena = Arena(reserving: bytes)
        arena.using {
            let tensors = (0..<4).map { Tensor(repeating: Float($0), shape: [megabyte]) }
            let small = (0..<4).map { Tensor(repeating: Float($0), shape: [10]) }
            for (index, tensor) in (tensors + small).enumerated() {
                #expect(tensor.array.allSatisfy { $0 == Float(index % 4) })
            }
            withExtendedLifetime((tensors, small)) { #expect(arena.use.inUse == 16 * megabyte + 4 * 64) }
        }
        #expect(arena.use.inUse == 0)
        #expect(arena.use.extent == 0)
    }

    /// The system puts zeros where pages were given back.
    @Test func idlePagesAreGivenBack() {
        let arena = Arena(reserving: 1 << 30)
        arena.using {
            let stays = Tensor(repeating: 7, shape: [megabyte])
            func leftOver() -> Set<Float> { Set(Tensor(uninitialized: [8 * megabyte]).array) }
            do { _ = Tensor(repeating: 5, shape: [8 * megabyte]) }
            #expect(leftOver() == [5])
            arena.giveBack()
            #expect(arena.use.idle == 0)
            #expect(leftOver() == [0])
            #expect(stays.array.allSatisfy { $0 == 7 })
        }
    }

    /// Linux counts the pages that it may take when it is short of memory.
    @Test func idlePagesAreOffered() throws {
        let arena = Arena(reserving: 1 << 30)
        func offered() throws -> Int {
            let text = try String(contentsOfFile: "/proc/self/smaps_rollup", encoding: .utf8)
            let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("LazyFree:") })
            return try #require(Int(line.split(separator: " ")[1])) << 10
        }
        try arena.using {
            let stays = Tensor(repeating: 7, shape: [megabyte])
            do { _ = Tensor(repeating: 5, shape: [8 * megabyte]) }
            let before = try offered()
            arena.offer()
            #expect(try offered() - before >= 30 * megabyte)
            #expect(arena.use.idle == 32 * megabyte)
            #expect(stays.array.allSatisfy { $0 == 7 })
            let again = Tensor(repeating: 6, shape: [8 * megabyte])
            #expect(try offered() - before < megabyte)
            #expect(again.array.allSatisfy { $0 == 6 })
        }
    }

    @Test func threadsShareIt() {
        let arena = Arena(reserving: 1 << 30)
        DispatchQueue.concurrentPerform(iterations: 8) { thread in
            arena.using {
                var random = SplitMix64(seed: UInt64(thread))
                var held: [(tensor: Tensor, value: Float)] = []
                for turn in 0..<400 {
                    let value = Float(thread * 1000 + turn)
                    let count = Int.random(in: 1...40_000, using: &random)
                    held.append((Tensor(repeating: value, shape: [count]), value))
                    guard held.count > 12 else { continue }
                    let (tensor, written) = held.remove(at: Int.random(in: held.indices, using: &random))
                    #expect(tensor.array.allSatisfy { $0 == written })
                }
            }
        }
        #expect(arena.use.inUse == 0)
        #expect(arena.use.extent == 0)
    }

    /// Kernels let go of their scratch memory.
    @Test(arguments: InstructionSet.available, Precision.allCases)
    func nothingStaysAfterAKernel(instructions: InstructionSet, precision: Precision) {
        let compute = Compute(threads: 2, precision: precision, instructions: instructions)
        let x = Tensor(zeros: [64, 128])
        let layer = Linear(weight: Weight(name: "w", Tensor(zeros: [128, 128])), bias: Tensor(zeros: [128]))
        let convolution = Convolution(weight: Weight(name: "c", Tensor(zeros: [8, 8, 3, 3])), bias: nil)
        let image = Tensor(zeros: [1, 16, 16, 8])
        _ = compute.convolve(image, convolution, ConvolutionPlan(padding: 1))
        let arena = Arena(reserving: 1 << 30)
        arena.using {
            _ = compute.linear(x, layer, addingTo: GatedResidual(x))
            _ = compute.attention(q: x, k: x, v: x, heads: 2)
            _ = compute.convolve(image, convolution, ConvolutionPlan(padding: 1))
            _ = compute.rmsNorm(x, weight: Tensor(zeros: [128]), eps: 1e-6)
        }
        #expect(arena.use.peak > 0)
        #expect(arena.use.inUse == 0)
    }
}
