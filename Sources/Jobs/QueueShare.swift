/// How much of the queue the waiting jobs of one owner may fill, so that others find room.
package enum QueueShare: Sendable, Equatable {
    case whole
    /// Fewer places than are free: one owner gets half of the queue, two that fill it a third each, and whoever comes
    /// next always finds a place (the dynamic threshold of Choudhury and Hahne, 1998, with alpha 1).
    case fair
    case atMost(Int)

    /// Whether an owner with so many waiting jobs may have one more.
    package func admits(waiting: Int, free: Int) -> Bool {
        switch self {
        case .whole: true
        case .fair: waiting < free
        case .atMost(let count): waiting < count
        }
    }
}
