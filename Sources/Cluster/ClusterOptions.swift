import Jobs

/// How a process takes part in a cluster.
package struct ClusterOptions: Sendable {
    /// The schema of the tables in the database.
    package var schema = "phasor"
    /// Seconds that a claim is good for without a heartbeat; heartbeats come at a third of it.
    package var leaseSeconds = 30.0
    /// Jobs that a worker holds at most: what it computes, and what follows at once.
    package var heldJobs = 4
    /// The parts that a worker does; nil for all of its models.
    package var parts: Set<PartLine.Place>?
    /// Jobs that may wait in the whole cluster; one more is refused.
    package var queueCapacity = 100_000
    /// How much of the line one owner's jobs may fill.
    package var queueShare = QueueShare.whole
    /// Seconds that an address of the object store opens a finished file for whoever asked a front for it; nil: the front
    /// gives the file itself.
    package var linkSeconds: Int?
    /// Whether this process removes what retention gives up; a batch does not.
    package var retains = true
    /// Bytes of copies that a front keeps of artifacts, and of pictures.
    package var cacheBytes = 20 << 30

    package init() {}
}
