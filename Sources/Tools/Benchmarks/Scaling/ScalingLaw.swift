/// A model of how long a pass takes with more threads than there are here. It is a model and no measurement.
///
/// A pass is turns of the threads, one after the other, and what one thread does between them. A turn with I items of equal
/// length takes n threads ceil(I / n) items' time, and a cost of its own that grows with the threads that enter it. Clock rates
/// that fall and caches that are shared when more cores work are not in it; neither is waiting for memory, but the rate at which
/// weights would have to be read is told.
package struct ScalingLaw {
    /// The seconds of each turn on one thread.
    let working: [Double]
    /// Seconds between turns.
    let serial: Double
    /// The bytes of weights that a pass reads.
    let bytes: Int
    private var turn = 0.0
    private var turnThreads = 1

    /// Seconds that each further thread adds to a turn: two counters that all threads change, 100 ns each. Assumed.
    static let entrance = 0.2e-6

    package init(working: [Double], serial: Double, bytes: Int) {
        self.working = working
        self.serial = serial
        self.bytes = bytes
    }

    /// The law with what a turn was measured to cost at a number of threads.
    package func withTurn(of seconds: Double, at threads: Int) -> ScalingLaw {
        var law = self
        law.turn = seconds
        law.turnThreads = threads
        return law
    }

    package struct Prediction: Codable, Sendable, Equatable {
        package let threads: Int
        package let seconds: Double
        /// Over one thread.
        package let speedup: Double
        /// GB/s of weights that would have to be read.
        package let weightRate: Double

        private enum CodingKeys: String, CodingKey {
            case threads, seconds, speedup
            case weightRate = "weights_gb_per_second"
        }
    }

    /// - Parameter items: of each turn with that many threads.
    package func prediction(threads: Int, items: [Int]) -> Prediction {
        var seconds = serial
        for (work, items) in zip(working, items) where items > 0 {
            let share = Double((items + threads - 1) / threads) / Double(items)
            seconds += work * share
            if threads > 1, items > 1 { seconds += max(0, turn + Self.entrance * Double(threads - turnThreads)) }
        }
        let alone = serial + working.reduce(0, +)
        return Prediction(
            threads: threads, seconds: seconds, speedup: alone / seconds, weightRate: Double(bytes) / seconds / 1e9)
    }
}
