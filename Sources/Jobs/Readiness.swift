/// Whether the engine would take a job now.
package enum Readiness: Sendable, Equatable {
    case ready
    /// Not now, for this reason.
    case notReady(String)
}
