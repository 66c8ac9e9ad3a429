/// Which job a worker of a cluster claims first: the order of `PostgresLedger.claiming`, as a function.
///
/// The database decides by its own statement; simulations decide by this, and a test holds the two together.
package enum ClaimOrder {
    /// The job at the head of the line of one part and one priority.
    package struct Head: Sendable, Equatable {
        package let part: Int
        /// 0 before 1.
        package let priority: Int
        /// Seconds of the database's clock at which the job came to the part.
        package let since: Double
        /// The job's place in the order in which jobs were accepted.
        package let sequence: Int

        package init(part: Int, priority: Int, since: Double, sequence: Int) {
            (self.part, self.priority, self.since, self.sequence) = (part, priority, since, sequence)
        }
    }

    /// Seconds after which a wait counts more than priority.
    package static let ageLimit = 600.0

    /// The job whose wait has passed the age limit most often; then that of the higher priority; then that of the part that
    /// the worker holds; then the oldest.
    package static func first(of heads: some Sequence<Head>, held: Int?, now: Double) -> Head? {
        heads.min { one, other in
            let overdue = (passed(one, now), passed(other, now))
            guard overdue.0 == overdue.1 else { return overdue.0 > overdue.1 }
            guard one.priority == other.priority else { return one.priority < other.priority }
            let isHeld = (one.part == held, other.part == held)
            guard isHeld.0 == isHeld.1 else { return isHeld.0 }
            return (one.since, one.sequence) < (other.since, other.sequence)
        }
    }

    private static func passed(_ head: Head, _ now: Double) -> Double {
        (max(0, now - head.since) / ageLimit).rounded(.down)
    }
}
