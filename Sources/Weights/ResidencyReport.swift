/// What a `Residency` has counted since it began.
package struct ResidencyTally: Sendable {
    /// First passes after another resident computed.
    package struct Switches: Sendable {
        package var count = 0
        /// The share of `stallSeconds` within these passes.
        package var stallSeconds = 0.0
    }

    /// Time that computing waited for weights which were not there yet.
    package var stallSeconds = 0.0
    /// The switches by the resident that was switched to.
    package var switches: [Int: Switches] = [:]
    /// Bytes that were brought in, from the disk or the page cache, and the time it took.
    package var bytesRead = 0
    package var readSeconds = 0.0
    /// Bytes of weights that were there when they were asked for, and that were not.
    package var bytesMet = 0
    package var bytesMissed = 0
    /// The most bytes of weights that were in memory.
    package var peakBytes = 0
}

/// What a `Residency` holds at one moment.
package struct ResidencyReport: Sendable {
    package struct Resident: Sendable {
        package let model: String
        package let part: String
        package let state: ResidentState
        /// Bytes that a pass reads, each counted once, and those of them that are in memory.
        package let bytes: Int
        package let bytesHere: Int
        package let switches: ResidencyTally.Switches
    }

    package let budget: Int
    /// Bytes that weights may take now.
    package let room: Int
    package let tally: ResidencyTally
    package let residents: [Resident]

    /// Whether the weights of all models fit beside what else is in memory.
    package var hasRoomForAll: Bool { residents.reduce(0) { $0 + $1.bytes } <= room }
}
