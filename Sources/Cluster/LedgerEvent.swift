import Foundation
import Jobs

/// An event of a job, as any machine reads it.
package struct LedgerEvent: Sendable, Equatable {
    /// A preview lies in the blob store.
    package struct Preview: Sendable, Equatable {
        /// Which image of `count`.
        package let image: Int
        /// 0, 1, ... within that image.
        package let index: Int
        /// The step it belongs to, from 1.
        package let step: Int
        package let blob: String

        package init(image: Int, index: Int, step: Int, blob: String) {
            (self.image, self.index, self.step, self.blob) = (image, index, step, blob)
        }
    }

    /// Increases from event to event of a job.
    package let id: Int64
    package let name: JobEvent.Name
    /// As it was then.
    package let job: Job
    package let preview: Preview?

    /// Events of a job that are kept, and how many of them may be previews: as many as `EventLog` keeps.
    static let capacity = EventLog.capacity
    static let previewCapacity = EventLog.previewCapacity
}

/// An event that a worker tells.
package struct WorkEvent: Sendable {
    /// As it is now.
    package let job: Job
    package let fence: Int64
    /// No end: that is written with the job's.
    package let name: JobEvent.Name
    package let preview: LedgerEvent.Preview?

    package init(_ name: JobEvent.Name, _ job: Job, fence: Int64, preview: LedgerEvent.Preview? = nil) {
        self.job = job
        self.fence = fence
        self.name = name
        self.preview = preview
    }
}

/// Where a running job is: what its row does not say.
struct LiveState: Codable {
    let step: Int
    let steps: Int
    let sigma: Float?
    let phase: String?
    let expert: String?
    let timings: Timings

    init(_ job: Job) {
        step = job.step
        steps = job.steps
        sigma = job.sigma
        phase = job.phase
        expert = job.expert
        timings = job.timings
    }

    /// Returns nil for what another version wrote.
    init?(json: String?) {
        guard let json, let state = try? JSONDecoder().decode(Self.self, from: Data(json.utf8)) else { return nil }
        self = state
    }

    func show(in job: inout Job) {
        job.step = step
        job.steps = steps
        job.sigma = sigma
        job.phase = phase
        job.expert = expert
        job.timings = timings
    }
}
