import Tensor

/// Kernels at the shapes of the models that Phasor runs, as shares of what the machine can do.
///
/// Each run of a kernel lies between two measurements of the peak, and its share is taken against those: on a machine
/// that others use too, rates change from second to second and only such neighbours compare.
package struct KernelBenchmark: Sendable {
    package struct Result: Codable, Sendable {
        package let name: String
        package let shape: String
        /// What its products are computed in.
        let precision: Precision
        /// Medians over the runs.
        package let gflops: Double
        package let shareOfPeak: Double

        private enum CodingKeys: String, CodingKey {
            case name, shape, precision, gflops
            case shareOfPeak = "share_of_peak"
        }
    }

    /// What a run of the benchmark found.
    package struct Report: Codable, Sendable {
        package let machine: MachinePeaks
        package let kernels: [Result]

        package init(machine: MachinePeaks, kernels: [Result]) {
            self.machine = machine
            self.kernels = kernels
        }

        /// The results as Markdown, for docs/kernels.md: shares of the best peak of the run, and of the peaks measured
        /// beside each kernel.
        package var table: String {
            let lines = kernels.map { kernel in
                let peak = machine.peak(kernel.precision)
                let figures = String(
                    format: "%.0f | %.0f %% | %.0f %%", kernel.gflops, kernel.gflops / peak * 100,
                    kernel.shareOfPeak * 100)
                return "| \(kernel.name) | \(kernel.shape) | \(figures) |"
            }
            return """
                | kernel | shape | GF/s | of best peak | of neighbours |
                | --- | --- | --- | --- | --- |
                \(lines.joined(separator: "\n"))
                """
        }
    }

    /// One kernel at one shape, its inputs made when it is about to run.
    package struct Subject: Sendable {
        package let name: String
        package let shape: String
        /// Floating point operations of one run.
        let work: Double
        /// What its products are computed in, and whose peak counts.
        let precision: Precision
        /// Makes the inputs and returns what to time.
        let prepare: @Sendable (Compute) -> () -> Void
    }

    let rounds: Int
    let clock: BenchmarkClock
    private let exact: Compute

    /// - Parameter rounds: runs of each kernel.
    package init(_ compute: Compute, rounds: Int = 5, clock: BenchmarkClock = .wall) {
        self.clock = clock
        self.rounds = rounds
        exact = compute.with(.f32)
    }

    /// The peaks of this machine.
    package func peaks() -> MachinePeaks { MachinePeaks(exact, clock: clock) }

    package func run(_ subject: Subject) -> Result {
        let compute = exact.with(subject.precision)
        let body = subject.prepare(compute)
        body()  // caches, page faults, scratch memory
        var rates: [Double] = []
        var shares: [Double] = []
        var before = compute.peakMultiplyRate(subject.precision, clock: clock)
        for _ in 0..<rounds {
            let rate = subject.work / compute.measure(clock, body)
            let after = compute.peakMultiplyRate(subject.precision, clock: clock)
            rates.append(rate)
            shares.append(rate / ((before + after) / 2))
            before = after
        }
        return Result(
            name: subject.name, shape: subject.shape, precision: subject.precision, gflops: median(rates),
            shareOfPeak: median(shares))
    }

    private func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        return sorted.isEmpty ? 0 : sorted[sorted.count / 2]
    }
}
