import CKernels
import Synchronization
import Tensor
import Testing

@Suite struct ThreadPoolTests {
    /// Counts how often each item ran, and whether a worker ever ran two at once.
    final class Ledger: Sendable {
        let runs: [Atomic<Int>.Box]
        let busy: [Atomic<Int>.Box]
        let clashes = Atomic(0)

        init(items: Int, workers: Int) {
            runs = (0..<items).map { _ in .init() }
            busy = (0..<workers).map { _ in .init() }
        }

        func run(on pool: OpaquePointer) {
            phasor_pool_run(
                pool, runs.count,
                { context, item, worker in
                    guard let context else { return }
                    let ledger = Unmanaged<Ledger>.fromOpaque(context).takeUnretainedValue()
                    if ledger.busy[Int(worker)].value.add(1, ordering: .sequentiallyConsistent).oldValue != 0 {
                        ledger.clashes.add(1, ordering: .relaxed)
                    }
                    ledger.runs[item].value.add(1, ordering: .relaxed)
                    ledger.busy[Int(worker)].value.subtract(1, ordering: .sequentiallyConsistent)
                }, Unmanaged.passUnretained(self).toOpaque())
        }

        var counts: [Int] { runs.map { $0.value.load(ordering: .relaxed) } }
    }

    @Test(arguments: [1, 2, 3, 8])
    func everyItemRunsOnce(threads: Int) throws {
        let pool = try #require(phasor_pool_create(Int32(threads)))
        defer { phasor_pool_destroy(pool) }
        #expect(phasor_pool_threads(pool) == Int32(threads))
        for items in [0, 1, 2, 3, 7, 64, 1000] {
            let ledger = Ledger(items: items, workers: threads)
            ledger.run(on: pool)
            #expect(ledger.counts == Array(repeating: 1, count: items))
            #expect(ledger.clashes.load(ordering: .relaxed) == 0)
        }
    }

    @Test func manySmallBatches() throws {
        let pool = try #require(phasor_pool_create(3))
        defer { phasor_pool_destroy(pool) }
        let ledger = Ledger(items: 5, workers: 3)
        for _ in 0..<20_000 { ledger.run(on: pool) }
        #expect(ledger.counts == Array(repeating: 20_000, count: 5))
        #expect(ledger.clashes.load(ordering: .relaxed) == 0)
    }

    @Test func twoCallersTakeTurns() async throws {
        let pool = try #require(phasor_pool_create(2))
        defer { phasor_pool_destroy(pool) }
        let shared = UInt(bitPattern: pool)
        let ledgers = (0..<2).map { _ in Ledger(items: 9, workers: 2) }
        await withTaskGroup(of: Void.self) { group in
            for ledger in ledgers {
                group.addTask {
                    guard let pool = OpaquePointer(bitPattern: shared) else { return }
                    for _ in 0..<3000 { ledger.run(on: pool) }
                }
            }
        }
        for ledger in ledgers {
            #expect(ledger.counts == Array(repeating: 3000, count: 9))
            #expect(ledger.clashes.load(ordering: .relaxed) == 0)
        }
    }

    /// A helper that wakes late, after its batch is over, must neither be waited for nor run stale work.
    @Test func poolsComeAndGo() throws {
        for round in 0..<300 {
            let pool = try #require(phasor_pool_create(4))
            let ledger = Ledger(items: round % 6, workers: 4)
            ledger.run(on: pool)
            phasor_pool_destroy(pool)
            #expect(ledger.counts == Array(repeating: 1, count: round % 6))
        }
    }

    @Test func computeHasAtLeastOneThread() {
        #expect(Compute(threads: 0).threads == 1)
        #expect(Compute(threads: -5).threads == 1)
        #expect(Compute(threads: 2).threads == 2)
    }
}

extension Atomic where Value == Int {
    /// An atomic that an array can hold.
    final class Box: Sendable {
        let value = Atomic<Int>(0)
    }
}
