import CKernels
import Foundation
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
        let pool = try #require(phasor_pool_create(Int32(threads), nil))
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
        let pool = try #require(phasor_pool_create(3, nil))
        defer { phasor_pool_destroy(pool) }
        let ledger = Ledger(items: 5, workers: 3)
        for _ in 0..<20_000 { ledger.run(on: pool) }
        #expect(ledger.counts == Array(repeating: 20_000, count: 5))
        #expect(ledger.clashes.load(ordering: .relaxed) == 0)
    }

    @Test func twoCallersTakeTurns() async throws {
        let pool = try #require(phasor_pool_create(2, nil))
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
            let pool = try #require(phasor_pool_create(4, nil))
            let ledger = Ledger(items: round % 6, workers: 4)
            ledger.run(on: pool)
            phasor_pool_destroy(pool)
            #expect(ledger.counts == Array(repeating: 1, count: round % 6))
        }
    }

    /// A line of `/proc/thread-self/status`.
    private static func allowedProcessors() -> String? {
        let status = try? String(contentsOfFile: "/proc/thread-self/status", encoding: .utf8)
        let line = status?.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
        return line?.split(separator: "\t").last.map(String.init)
    }

    /// Every thread but the first runs where it was put, and what it touches first is spread over the nodes.
    @Test(arguments: [true, false])
    func threadsRunWhereTheyArePut(first: Bool) throws {
        let ends = try #require(Self.allowedProcessors()).split { !$0.isNumber }.compactMap { Int($0) }
        let wanted = try #require(first ? ends.first : ends.last)
        let compute = Compute(threads: 2, placement: ThreadPlacement(processors: [ends, [wanted]], memoryNodes: [0]))
        try #require(compute.threads == 2)
        let seen = Mutex<[Int: (processors: String?, policy: String?)]>([:])
        // Until the helper came in time for an item.
        for _ in 0..<10_000 where seen.withLock({ $0[1] == nil }) {
            compute.parallel(8) { _, worker in
                let maps = try? String(contentsOfFile: "/proc/thread-self/numa_maps", encoding: .utf8)
                let processors = Self.allowedProcessors()
                seen.withLock { $0[worker] = (processors, maps) }
                // The caller may have the processor that the helper is bound to.
                if worker == 0 { usleep(500) }
            }
        }
        let helper = try #require(seen.withLock { $0[1] })
        #expect(helper.processors == "\(wanted)")
        // A kernel without memory nodes has no such file.
        if let policy = helper.policy { #expect(policy.contains(" interleave:0 ")) }
        if let policy = seen.withLock({ $0[0] })?.policy { #expect(!policy.contains(" interleave:")) }
    }

    @Test func aPlaceThatIsNotThereIsLeftToTheSystem() {
        let compute = Compute(threads: 3, placement: ThreadPlacement(processors: [[0], [4000], []]))
        #expect(compute.threads == 3)
    }

    /// Time on items is no more than what all threads had, and no less than what the items slept.
    @Test(arguments: [1, 2])
    func timesAreCounted(threads: Int) {
        let compute = Compute(threads: threads)
        let before = compute.times
        let notes = compute.noting(capacity: 2) {
            for items in [4, 1, 3] { compute.parallel(items) { _, _ in usleep(2000) } }
        }
        let times = compute.times
        #expect(times.count - before.count == 3)
        #expect(notes.map(\.items) == [4, 1])
        #expect(times.working - before.working >= 8 * 0.002)
        #expect(times.working - before.working <= Double(threads) * (times.batches - before.batches))
        #expect(notes.reduce(0) { $0 + $1.seconds } <= times.batches - before.batches)
        #expect(notes[1].seconds >= 0.002)
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
