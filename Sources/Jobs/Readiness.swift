/// Whether the engine would take a job now.
package enum Readiness: Sendable, Equatable {
    case ready
    /// The engine takes no job now, for this reason.
    case notReady(String)
}
