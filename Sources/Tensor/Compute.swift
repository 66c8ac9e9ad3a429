import CKernels
import COpenBLAS

/// Where operations run: a thread pool, and the operations as methods (one file a kind).
///
/// Results do not depend on the number of threads: work is cut into items of a fixed size, and each output element is
/// reduced inside one item in one order.
package final class Compute: @unchecked Sendable {
    private let pool: OpaquePointer
    package let threads: Int

    /// - Parameter threads: workers, the caller included; fewer are used where the system gives fewer.
    package init(threads: Int) {
        openblas_set_num_threads(1)
        guard let pool = phasor_pool_create(Int32(clamping: max(threads, 1))) else {
            fatalError("out of memory while making the thread pool")
        }
        self.pool = pool
        self.threads = Int(phasor_pool_threads(pool))
    }

    deinit {
        phasor_pool_destroy(pool)
    }

    /// Runs `body(item, worker)` for items `0..<count` on the pool and waits; `worker` is below `threads` and never
    /// runs two items at once.
    func parallel(_ count: Int, _ body: (_ item: Int, _ worker: Int) -> Void) {
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

    /// The pool, for C kernels that cut their work themselves.
    func withPool(_ body: (OpaquePointer) -> Void) {
        body(pool)
    }
}
