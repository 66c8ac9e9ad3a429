import Blobs

/// Where a `JobStore` keeps jobs and their files, and for how long.
package struct StoreOptions: Sendable {
    /// Where jobs and artifacts live; created if missing.
    package var folder: String
    /// The state folder is closed to other accounts of the machine.
    package var isPrivate = true
    /// A file of the state folder that no job knows is removed at a start when it is older than this many seconds.
    package var strayGraceSeconds: Double = 3600
    /// Artifacts older than this many seconds are removed.
    package var retentionSeconds: Double = 7 * 86_400
    /// When the artifacts hold more bytes than this, the oldest are removed.
    package var retentionBytes = 20 << 30
    /// A job whose artifacts have expired, or that has none, is forgotten after this many seconds.
    package var historySeconds: Double = 60 * 86_400

    /// Where finished files are kept besides; the folder then holds copies of the latest. Nil for the folder alone.
    package var blobs: (any BlobStore)?
    /// Bytes of such copies; those that were written longest ago go first.
    package var cacheBytes = 20 << 30

    package init(folder: String) {
        self.folder = folder
    }
}
