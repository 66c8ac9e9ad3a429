import Tensor

/// The ceilings of a machine, measured.
package struct MachinePeaks: Codable, Sendable {
    package let instructions: String
    package let threads: Int
    /// GF/s of independent multiply-adds in registers.
    package let bf16: Double
    package let f32: Double
    /// The same of bytes, in GOP/s; nil where the processor has no instruction for them.
    package let int8: Double?
    /// GB/s of reading memory that is in no cache.
    package let memoryRead: Double

    package init(_ compute: Compute, clock: BenchmarkClock = .wall) {
        func best(_ rate: () -> Double) -> Double { (0..<5).map { _ in rate() }.max() ?? 0 }
        instructions = compute.instructions.description
        threads = compute.threads
        // Threads that have just started may share a core for a while.
        let start = ContinuousClock.now
        while ContinuousClock.now - start < .milliseconds(500) { _ = compute.peakMultiplyRate(.f32, clock: clock) }
        bf16 = best { compute.peakMultiplyRate(.bf16, clock: clock) }
        f32 = best { compute.peakMultiplyRate(.f32, clock: clock) }
        int8 = compute.instructions.multipliesBytes ? best { compute.peakMultiplyRate(.int8, clock: clock) } : nil
        memoryRead = best { compute.peakReadRate(clock: clock) }
    }

    /// The peak of the operands that a precision multiplies.
    func peak(_ precision: Precision) -> Double {
        switch precision {
        case .f32: f32
        case .bf16: bf16
        case .int8: int8 ?? bf16
        }
    }

    private enum CodingKeys: String, CodingKey {
        case instructions, threads
        case bf16 = "bf16_gflops"
        case f32 = "f32_gflops"
        case int8 = "int8_gops"
        case memoryRead = "memory_read_gb_per_second"
    }
}
