import Foundation

/// How a batch ended: summary.json in its folder.
package struct BatchSummary: Codable, Sendable, Equatable {
    /// Files made by this run.
    package var made: Int
    /// Files that were whole before.
    package var kept: Int
    package var failed: [Failure]
    package var seconds: Double
    package var stages: [BatchProgress.Stage]

    package struct Failure: Codable, Sendable, Equatable {
        package let line: Int
        package let file: String
        package let reason: String
    }
}
