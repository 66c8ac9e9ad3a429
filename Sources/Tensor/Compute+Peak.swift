import CKernels
import Foundation

/// What this machine can do at most, measured on the same pool and at the same instruction set level as the kernels.
extension Compute {
    /// Rate of independent multiply-adds in registers, in GF/s: with the operands of `precision` where the processor has an
    /// instruction for them, else with the next wider ones. Takes a few hundredths of a second.
    package func peakMultiplyRate(_ precision: Precision, clock: BenchmarkClock) -> Double {
        let level = instructions.level
        let operands =
            switch precision {
            case .f32: PHASOR_OPERANDS_F32
            case .bf16: PHASOR_OPERANDS_BF16
            case .int8: PHASOR_OPERANDS_INT8
            }
        let rounds = 500_000
        // More items than threads: a thread that is descheduled does not hold up the whole measurement.
        let items = 4 * threads
        let done = Tensor(zeros: [items])
        let time = measure(clock) {
            parallel(items) { item, _ in
                done.pointer[item] = Float(phasor_peak_multiply(level, operands, rounds))
            }
        }
        return done.array.reduce(0) { $0 + Double($1) } / time
    }

    /// Rate of reading memory that is in no cache, in GB/s.
    package func peakReadRate(clock: BenchmarkClock) -> Double {
        let piece = 1 << 21
        let memory = Tensor(repeating: 1, shape: [64 * piece])
        let time = measure(clock) {
            parallel(64) { item, _ in
                var result: UInt = 0
                phasor_peak_read(memory.pointer + item * piece, piece * MemoryLayout<Float>.stride, &result)
            }
        }
        return Double(memory.count * MemoryLayout<Float>.stride) / time
    }

    /// Nanoseconds that `body` takes.
    package func measure(_ clock: BenchmarkClock, _ body: () -> Void) -> Double {
        let start = now(clock)
        body()
        return now(clock) - start
    }

    private func now(_ clock: BenchmarkClock) -> Double { clock.seconds(threads: threads) * 1e9 }
}

/// What a rate is taken over.
package enum BenchmarkClock: String, Sendable, CaseIterable {
    case wall
    /// Processor time of this process over its threads: what a rate would be if nobody else used the machine. Time
    /// that threads sleep, waiting for each other, does not count.
    case processor

    /// Seconds since some moment in the past.
    package func seconds(threads: Int) -> Double {
        var time = timespec()
        clock_gettime(self == .wall ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID, &time)
        let seconds = Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
        return self == .wall ? seconds : seconds / Double(threads)
    }
}
