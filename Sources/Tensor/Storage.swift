/// A 64-byte aligned block of float32 memory in an arena, where it makes room when its last tensor is gone.
package final class Storage: @unchecked Sendable {
    package let pointer: UnsafeMutablePointer<Float>
    /// Usable length in floats; at least what was asked for.
    package let capacity: Int
    private let arena: Arena

    package init(count: Int) {
        let scope = MemoryScope.current
        arena = scope.arena ?? .shared
        let bytes = Arena.rounded(max(count, 1) * MemoryLayout<Float>.stride)
        capacity = bytes / MemoryLayout<Float>.stride
        pointer = arena.take(bytes, lasting: scope.isLasting).bindMemory(to: Float.self, capacity: capacity)
    }

    deinit {
        arena.give(pointer, capacity * MemoryLayout<Float>.stride)
    }
}

/// Where tensors that are made now get their memory.
struct MemoryScope: Sendable {
    /// The arena of the memory; nil for the process's own.
    var arena: Arena?
    /// The memory outlives what is being computed.
    var isLasting = false
    /// Set where nothing is computed at all.
    var plan: MemoryPlan?

    @TaskLocal static var current = MemoryScope()
}

extension Tensor {
    /// Runs `body`, whose tensors stay when the step at hand is over: their memory lies apart from that of the step.
    package static func lasting<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
        var scope = MemoryScope.current
        scope.isLasting = true
        return try MemoryScope.with(scope, body)
    }
}

extension MemoryScope {
    static func with<R, E: Error>(_ scope: MemoryScope, _ body: () throws(E) -> R) throws(E) -> R {
        let result: Result<R, E> = $current.withValue(scope) {
            do throws(E) { return .success(try body()) } catch { return .failure(error) }
        }
        return try result.get()
    }
}
