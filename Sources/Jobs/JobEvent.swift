/// Something that happened to a job, with the job as it was then.
package struct JobEvent: Sendable {
    package enum Name: String, Sendable, CaseIterable {
        case queued, step, preview, decoding, encoding, done, failed, cancelled

        package var isTerminal: Bool { self == .done || self == .failed || self == .cancelled }
    }

    /// A picture on the way: x0 as one step predicts it, decoded.
    package struct Preview: Sendable {
        /// Which image of `count`.
        package let image: Int
        /// 0, 1, ... within that image.
        package let index: Int
        /// The step it belongs to, from 1.
        package let step: Int
        /// A file in the format of the request.
        package let file: [UInt8]

        package init(image: Int, index: Int, step: Int, file: [UInt8]) {
            self.image = image
            self.index = index
            self.step = step
            self.file = file
        }
    }

    /// Increases from event to event of a job, also across restarts of the server.
    package let id: Int64
    package let name: Name
    package let job: Job
    /// The picture of a `preview`; nil for other events.
    package let preview: Preview?

    package init(id: Int64, name: Name, job: Job, preview: Preview?) {
        self.id = id
        self.name = name
        self.job = job
        self.preview = preview
    }

    /// How long the step of a `step` took; nil for other events, and before the first step is done.
    package var seconds: Double? { name == .step ? job.timings.steps.last?.seconds : nil }
}
