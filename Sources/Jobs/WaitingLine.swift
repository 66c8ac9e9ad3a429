/// How many jobs may have begun. What they hold between steps is small (latents and embeddings), but not nothing.
package struct Admission: Sendable {
    /// How many jobs of each priority may run, so that no priority waits until the jobs of another are finished.
    package let runsPerPriority: Int
    /// How many jobs of one API key may run; nil for as many as there is room for.
    package let runsPerOwner: Int?

    package init(runsPerPriority: Int, runsPerOwner: Int? = nil) {
        self.runsPerPriority = runsPerPriority
        self.runsPerOwner = runsPerOwner
    }
}

/// The jobs that have not begun: interactive ones before batch ones, and of each priority the owners take turns. A job
/// comes after as many turns as its owner has jobs of its priority that run or wait before it; of one turn, and of one
/// owner, the job that was accepted first is first.
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

    /// How many of an owner wait.
    func count(of owner: String?) -> Int {
        places.values.reduce(0) { $0 + $1.count { $0.owner == owner } }
    }

    /// Takes out the jobs that may begin beside those that run.
    mutating func take(_ admission: Admission, running: [Job]) -> [String] {
        var taken: [String] = []
        var owned = Dictionary(running.compactMap(\.owner).map { ($0, 1) }, uniquingKeysWith: +)
        for priority in Priority.allCases {
            var room = admission.runsPerPriority - running.count { $0.priority == priority }
            guard room > 0 else { continue }
            for place in order(of: priority, running: running) where room > 0 {
                if let owner = place.owner {
                    if let most = admission.runsPerOwner, owned[owner, default: 0] >= most { continue }
                    owned[owner, default: 0] += 1
                }
                taken.append(place.id)
                room -= 1
            }
            let ids = Set(taken)
            places[priority]?.removeAll { ids.contains($0.id) }
        }
        return taken
    }

    /// The ids of the first few.
    func first(_ count: Int, running: [Job]) -> [String] {
        Array(Priority.allCases.flatMap { order(of: $0, running: running) }.prefix(count).map(\.id))
    }

    /// How many are before a job; nil if it is not here.
    func position(of job: Job, running: [Job]) -> Int? {
        var before = 0
        for priority in Priority.allCases {
            if priority == job.priority {
                let index = order(of: priority, running: running).firstIndex { $0.id == job.id }
                return index.map { before + $0 }
            }
            before += places[priority]?.count ?? 0
        }
        return nil
    }

    private func order(of priority: Priority, running: [Job]) -> [Place] {
        let line = places[priority] ?? []
        guard let first = line.first, line.contains(where: { $0.owner != first.owner }) else { return line }
        var turns = Dictionary(
            running.filter { $0.priority == priority }.map { ($0.owner, 1) }, uniquingKeysWith: +)
        let ranked = line.enumerated().map { index, place in
            defer { turns[place.owner, default: 0] += 1 }
            return (turn: turns[place.owner, default: 0], index: index, place: place)
        }
        return ranked.sorted { ($0.turn, $0.index) < ($1.turn, $1.index) }.map(\.place)
    }
}
