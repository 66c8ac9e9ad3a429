import Foundation
import Models
import Pipelines

/// What the compute thread keeps and asks for: the folders it writes in, and the records of the jobs that it has begun.
package protocol WorkStore: Sendable {
    /// Finished files, and those that are being written.
    var artifacts: FileFolder { get }
    /// Runs between two steps, by job.
    var checkpoints: FileFolder { get }
    /// Embeddings of prompts.
    var prompts: FileFolder { get }
    /// Whether runs may go on in another process. Then `reach` is told where they are, and their checkpoints hold the
    /// embeddings too, so that whoever goes on from one needs no text encoder.
    var handsOver: Bool { get }

    /// Whether runs come here for a part. Weights of others are not brought into memory.
    func computes(_ place: PartLine.Place) -> Bool

    /// Notes that jobs have begun.
    /// - Throws: `ServingError.storage`.
    func markRunning(_ ids: [String], at date: Date) throws

    /// The pictures of a job, decoded.
    /// - Throws: `ServingError.storage` for a file that is gone or was changed.
    func givenPictures(of job: Job) throws -> GivenPictures

    /// Puts files that were published where they outlive this machine, if there is such a place.
    /// - Throws: `ServingError.storage`.
    func upload(_ names: [String]) throws

    /// When retention will remove the artifacts of a job; nil while it has none.
    func expiry(of job: Job) -> Date?

    /// Writes the end of a job, and its artifacts if it has any; their files must be published and uploaded.
    /// - Throws: `Interruption.cancelled` for one that has succeeded too late; `Interruption.shutDown` for one that another
    ///   process has now, after `JobQueue.letGo`; `ServingError.storage`.
    func finish(_ job: Job) throws

    /// A run has come to another stage than the last that was noted.
    /// - Throws: `ServingError.storage`; what `save` throws.
    func reach(_ stop: Stop) throws -> Onward

    /// The process ends; the run is in its checkpoint, if it has one.
    func suspend(_ job: String)

    /// Removes what is too old. Called about once a minute.
    /// - Throws: `ServingError.storage`.
    func retain(now: Date) throws
}

/// A run between two stages, as `WorkStore.reach` sees it.
package struct Stop {
    package let job: String
    /// The part that the run needs next.
    package let place: PartLine.Place
    /// What may share an evaluation; nil for a stage that is not shared.
    package let shape: String?
    /// Whether the part is in memory.
    package let isResident: Bool
    /// Writes the run's checkpoint. It does nothing for a run of which nothing has been computed.
    /// - Returns: whether there is a checkpoint.
    package let save: () throws -> Bool

    package init(
        job: String, place: PartLine.Place, shape: String?, isResident: Bool, save: @escaping () throws -> Bool
    ) {
        (self.job, self.place, self.shape, self.isResident, self.save) = (job, place, shape, isResident, save)
    }
}

/// Where a run goes on.
package enum Onward: Sendable {
    case here
    /// Some process will take it up from its checkpoint; this one lets go of it.
    case elsewhere
}

/// One machine keeps its runs until their end.
extension JobStore: WorkStore {
    package var handsOver: Bool { false }

    package func computes(_ place: PartLine.Place) -> Bool { true }

    package func reach(_ stop: Stop) -> Onward { .here }

    package func suspend(_ job: String) {}
}
