/// How many jobs may have begun. What they hold between steps is small (latents and embeddings), but not nothing.
package struct Admission: Sendable {
    /// Of each priority, so that one never waits until jobs of another are finished.
    package let runsPerPriority: Int
    /// Of one API key; nil for as many as there is room for.
    package let runsPerOwner: Int?

    package init(runsPerPriority: Int, runsPerOwner: Int? = nil) {
        self.runsPerPriority = runsPerPriority
        self.runsPerOwner = runsPerOwner
    }
}

/// The jobs that have not begun: interactive ones before batch ones, else in the order in which they were accepted.
struct WaitingLine: Sendable {
    private struct Place {
        let id: String
        let sequence: Int64
        let owner: String?
    }

    private var places: [Priority: [Place]] = [:]

    var count: Int { places.values.reduce(0) { $0 + $1.count } }

    mutating func insert(_ job: Job, sequence: Int64) {
        let line = places[job.priority, default: []]
        // Almost always at the end.
        let index = line.lastIndex { $0.sequence < sequence }.map { $0 + 1 } ?? 0
        places[job.priority, default: []].insert(
            Place(id: job.id, sequence: sequence, owner: job.owner), at: index)
    }

    /// - Returns: whether it was there.
    mutating func remove(_ job: Job) -> Bool {
        guard let index = places[job.priority]?.firstIndex(where: { $0.id == job.id }) else { return false }
        places[job.priority]?.remove(at: index)
        return true
    }

    /// Takes out the jobs that may begin beside those that run.
    mutating func take(_ admission: Admission, running: [Job]) -> [String] {
        var taken: [String] = []
        var owned = Dictionary(running.compactMap(\.owner).map { ($0, 1) }, uniquingKeysWith: +)
        for priority in Priority.allCases {
            var room = admission.runsPerPriority - running.filter { $0.priority == priority }.count
            var index = 0
            while room > 0, let place = places[priority]?[safe: index] {
                if let owner = place.owner, let most = admission.runsPerOwner, owned[owner, default: 0] >= most {
                    index += 1
                    continue
                }
                if let owner = place.owner { owned[owner, default: 0] += 1 }
                places[priority]?.remove(at: index)
                taken.append(place.id)
                room -= 1
            }
        }
        return taken
    }

    /// The ids of the first few.
    func first(_ count: Int) -> [String] {
        Array(Priority.allCases.lazy.flatMap { places[$0] ?? [] }.prefix(count).map(\.id))
    }

    /// How many are before a job; nil if it is not here.
    func position(of job: Job) -> Int? {
        var before = 0
        for priority in Priority.allCases {
            let line = places[priority] ?? []
            if priority == job.priority { return line.firstIndex { $0.id == job.id }.map { before + $0 } }
            before += line.count
        }
        return nil
    }
}

extension Array {
    fileprivate subscript(safe index: Int) -> Element? { indices.contains(index) ? self[index] : nil }
}
