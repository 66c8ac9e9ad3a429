import CKernels
import COpenBLAS

/// How products, attention and convolutions are computed. Inputs, outputs and sums are float32 either way.
package enum Precision: String, Sendable, CaseIterable, Codable {
    /// float32 throughout.
    case f32
    /// Operands rounded to bf16 where the processor multiplies those, else float32 kernels of our own.
    case bf16
    /// Products and convolutions with large weights, and queries times keys, in int8, both operands rounded in blocks of 256 with a
    /// scale each, where the processor has an instruction for it; all else as bf16.
    case int8
}

/// The instruction set levels that kernels are built for. Results agree bit for bit inside one level.
package struct InstructionSet: Sendable, Hashable, CustomStringConvertible {
    let level: phasor_isa

    /// What this processor has, or the lower level that the environment variable PHASOR_ISA names.
    package static var current: InstructionSet { InstructionSet(level: phasor_isa_level()) }

    /// Whether products in bf16 are rounded: a level without such instructions does them in float32.
    package var roundsToBfloat: Bool { ["avx512bf16", "amx", "neonbf16"].contains(description) }

    /// The levels above the current one, from the next on, each with the reason why it is not in use.
    package static var unused: [(level: InstructionSet, reason: String)] {
        (phasor_isa_level().rawValue...phasor_isa_last().rawValue).dropFirst().map { number in
            let level = phasor_isa(rawValue: number)
            let reason =
                switch phasor_isa_obstacle(level) {
                case PHASOR_OBSTACLE_SYSTEM:
                    "the system does not save its registers, or denies them to this process"
                case PHASOR_OBSTACLE_UNWANTED: "PHASOR_ISA names a lower level"
                case PHASOR_OBSTACLE_UNPROVEN: "its kernels do not compute what plain C does on this processor"
                default: "the processor lacks its instructions"
                }
            return (InstructionSet(level: level), reason)
        }
    }

    /// A warning where a higher level was wanted whose kernels differ from plain C on this machine, so that it is not in use.
    package static var warning: String? {
        let failed = unused.last { phasor_isa_obstacle($0.level.level) == PHASOR_OBSTACLE_UNPROVEN }
        return failed.map { "kernels \(current) serve instead of \($0.level): \($0.reason)" }
    }

    /// The current level and all below it.
    package static var available: [InstructionSet] {
        (0...phasor_isa_level().rawValue).map { InstructionSet(level: phasor_isa(rawValue: $0)) }
    }

    /// AMX where the processor lacks it, for tests: its kernels then run over a model of the instructions in plain C.
    package static var modelled: [InstructionSet] {
        #if arch(x86_64)
            phasor_isa_has_tiles() ? [] : [InstructionSet(level: PHASOR_ISA_AMX)]
        #else
            []
        #endif
    }

    /// No instructions beyond the baseline of the architecture.
    package static let plain = InstructionSet(level: PHASOR_ISA_PLAIN)

    /// Whether it has products of bytes on this processor.
    package var multipliesBytes: Bool { phasor_isa_has_int8(level) }

    package var description: String { String(cString: phasor_isa_name(level)) }

    package static func == (a: Self, b: Self) -> Bool { a.level.rawValue == b.level.rawValue }
    package func hash(into hasher: inout Hasher) { hasher.combine(level.rawValue) }
}

/// Where threads run and their memory lies; see `ProcessorTopology.Placement`.
package struct ThreadPlacement: Sendable, Equatable {
    /// The processors that each thread may run on. The first thread is whoever computes, and stays where it is.
    package let processors: [[Int]]
    /// The nodes that pages are spread over which a thread is the first to touch; none: the thread's own.
    package let memoryNodes: [Int]

    package init(processors: [[Int]], memoryNodes: [Int] = []) {
        self.processors = processors
        self.memoryNodes = memoryNodes
    }

    fileprivate func withKernel<Result>(_ body: (UnsafePointer<phasor_placement>) -> Result) -> Result {
        let words = ((processors.joined().max() ?? 0) / 64) + 1
        var masks = [UInt64](repeating: 0, count: processors.count * words)
        for (thread, processors) in processors.enumerated() {
            for processor in processors { masks[thread * words + processor / 64] |= 1 << UInt64(processor % 64) }
        }
        // Nodes beyond those have no place in the mask.
        let nodes = memoryNodes.filter { 0..<64 ~= $0 }.reduce(UInt64(0)) { $0 | 1 << UInt64($1) }
        return masks.withUnsafeBufferPointer { masks in
            var placement = phasor_placement(words: words, masks: masks.baseAddress, memory_nodes: nodes)
            return body(&placement)
        }
    }
}

/// Where operations run: a thread pool, and the operations as methods (one file a kind).
///
/// Results do not depend on the number of threads: work is cut into items of a fixed size, and each output element is
/// reduced inside one item in one order.
package final class Compute: @unchecked Sendable {
    private let pool: OpaquePointer
    /// The value that made the thread pool and will end it; nil if this value did.
    private let owner: Compute?
    package let threads: Int
    package let precision: Precision
    package let instructions: InstructionSet
    /// What multiplies in products, attention and convolutions.
    let engine: OpaquePointer
    /// What multiplies in products and convolutions with large weights, and queries with keys.
    let int8Engine: OpaquePointer?

    /// - Parameters:
    ///   - threads: workers, the caller included; fewer are used where the system gives fewer.
    ///   - instructions: a level below the current one, to compare levels with each other.
    ///   - placement: of at least that many threads; nil leaves them to the system.
    package init(
        threads: Int, precision: Precision = .f32, instructions: InstructionSet = .current,
        placement: ThreadPlacement? = nil
    ) {
        let threads = Int32(clamping: max(threads, 1))
        precondition(placement.map { $0.processors.count >= threads } ?? true, "threads without a place")
        let made =
            placement?.withKernel { phasor_pool_create(threads, $0) } ?? phasor_pool_create(threads, nil)
        guard let pool = made else { fatalError("out of memory while making the thread pool") }
        openblas_set_num_threads(1)
        self.pool = pool
        owner = nil
        self.precision = precision
        self.instructions = instructions
        engine = phasor_engine_for(instructions.level, precision != .f32)
        int8Engine = Self.int8Engine(precision, instructions)
        self.threads = Int(phasor_pool_threads(pool))
    }

    private init(sharing owner: Compute, precision: Precision) {
        self.owner = owner
        pool = owner.pool
        threads = owner.threads
        instructions = owner.instructions
        self.precision = precision
        engine = phasor_engine_for(instructions.level, precision != .f32)
        int8Engine = Self.int8Engine(precision, instructions)
    }

    /// The same threads at another precision; the two do not compute at once.
    package func with(_ precision: Precision) -> Compute {
        precision == self.precision ? self : Compute(sharing: self, precision: precision)
    }

    /// The int8 engine of the instruction set. The result is nil where the processor has no instruction for int8,
    /// because the plain twin loses to float32 in time as in precision. Where the processor has one, the lower levels
    /// run the twin, to be compared.
    private static func int8Engine(_ precision: Precision, _ instructions: InstructionSet) -> OpaquePointer? {
        precision == .int8 && phasor_isa_has_int8(phasor_isa_level()) ? phasor_engine_int8(instructions.level) : nil
    }

    /// The arithmetic for products that are not worth int8: those whose time does not count, because they have a row
    /// for each picture or run once for each prompt. In int8 that is bf16, elsewhere it is this value.
    package var unquantized: Compute { precision == .int8 ? with(.bf16) : self }

    /// What results follow from to the bit: the kernels' revision, the instruction set, the precision, and what multiplies int8
    /// where a level has it in several ways.
    package var arithmetic: String {
        var bytes = ""
        if precision == .int8 { bytes = int8Engine == nil ? " absent" : phasor_isa_has_int8_dots() ? "" : " in pairs" }
        return "kernels \(Self.kernelRevision), \(instructions) \(precision.rawValue)\(bytes)"
    }

    /// Goes up with every change of what a kernel rounds or in which order it adds: what was begun by other kernels begins anew.
    private static let kernelRevision = 5

    deinit {
        if owner == nil { phasor_pool_destroy(pool) }
    }

    /// Runs `body(item, worker)` for items `0..<count` on the pool and waits; `worker` is below `threads` and never
    /// runs two items at once.
    package func parallel(_ count: Int, _ body: (_ item: Int, _ worker: Int) -> Void) {
        if MemoryPlan.isUnderway { return }
        withoutActuallyEscaping(body) { body in
            var task = Task(body: body)
            withUnsafeMutablePointer(to: &task) { pointer in
                phasor_pool_run(
                    pool, count,
                    { context, item, worker in
                        context?.assumingMemoryBound(to: Task.self).pointee.body(item, Int(worker))
                    }, pointer)
            }
        }
    }

    private struct Task {
        let body: (Int, Int) -> Void
    }

    /// Runs `body(range)` over `0..<count` cut into pieces of `grain`.
    func parallel(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
        parallel((count + grain - 1) / grain) { item, _ in
            body(item * grain..<min(count, (item + 1) * grain))
        }
    }

    /// Seconds of batches so far, from their beginnings to their ends; of all threads on their items; and how many batches.
    package var times: (batches: Double, working: Double, count: Int) {
        let times = phasor_pool_time(pool)
        return (Double(times.batches) / 1e9, Double(times.working) / 1e9, Int(times.count))
    }

    /// The batches of `body`: how many items each had, and its seconds.
    /// - Parameter capacity: the most that are noted.
    package func noting(capacity: Int, _ body: () -> Void) -> [(items: Int, seconds: Double)] {
        let notes = UnsafeMutableBufferPointer<phasor_batch>.allocate(capacity: capacity)
        defer { notes.deallocate() }
        _ = phasor_pool_note(pool, notes.baseAddress, capacity)
        body()
        return notes.prefix(phasor_pool_note(pool, nil, 0)).map { ($0.items, Double($0.nanoseconds) / 1e9) }
    }

    /// The pool, for C kernels that cut their work themselves.
    func withPool(_ body: (OpaquePointer) -> Void) {
        if !MemoryPlan.isUnderway { body(pool) }
    }
}
