/// Some of the jobs, newest or oldest first.
package struct JobPage: Sendable, Equatable {
    package let jobs: [Job]
    package let hasMore: Bool
    /// Ids of jobs that belong here, but that this version cannot read.
    package var unreadable: [String] = []

    package init(jobs: [Job], hasMore: Bool, unreadable: [String] = []) {
        self.jobs = jobs
        self.hasMore = hasMore
        self.unreadable = unreadable
    }
}
