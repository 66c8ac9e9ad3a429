import Jobs
import Pipelines
import TestSupport
import Testing

/// The policy in virtual time.
@Suite(.timeLimit(.minutes(5)))
struct PhaseScheduleTests {
    private typealias Task = VirtualServer.Task
    private typealias Leg = VirtualServer.Leg

    /// Arrivals of all kinds: trickling, in bursts, mixed in length and priority.
    private static func pattern(_ random: inout SplitMix64) -> [Task] {
        let count = Int.random(in: 1...24, using: &random)
        let pause: Double = [0.0, 0.5, 3.0, 12.0, 40.0].randomElement(using: &random) ?? 0
        let burst = Int.random(in: 1...6, using: &random)
        let batchShare: Double = [0.0, 0.3, 0.7].randomElement(using: &random) ?? 0
        let teacherShare: Double = [0.0, 0.0, 0.3].randomElement(using: &random) ?? 0
        var now = 0.0
        return (0..<count).map { index in
            if index % burst == 0 { now += Double.random(in: 0...2, using: &random) * pause * Double(burst) }
            return Task(
                arrival: now, priority: Double.random(in: 0..<1, using: &random) < batchShare ? .batch : .interactive,
                size: Bool.random(using: &random) ? 1 : 3,
                course: Double.random(in: 0..<1, using: &random) < teacherShare
                    ? VirtualServer.slow : VirtualServer.student)
        }
    }

    @Test(arguments: [1, 2, 8, 16])
    func aBurstChangesEachExpertOnce(count: Int) {
        let tasks = [Task](repeating: Task(arrival: 0, course: VirtualServer.student), count: count)
        let server = VirtualServer()
        let shared = server.run(tasks, PhaseSchedule(batchPixels: 4))
        #expect(shared.expertReads == 2 && shared.reads == 4)
        let fifo = server.run(tasks, FirstComeFirstServed())
        #expect(fifo.expertReads == 2 * count && fifo.reads == 4 * count)
        // Six seconds of computing each, four for a read.
        let (computing, reading) = (6.0 * Double(count), 16.0)
        #expect(fifo.seconds == computing + Double(count) * reading)
        #expect(shared.seconds == computing + reading)
        // Four pictures share an evaluation; prompts and files are one by one.
        let evaluations = 2 * count + 4 * ((count + 3) / 4)
        #expect(shared.evaluations == evaluations)
    }

    @Test func withEverythingInMemoryWhoHasLeastLeftGoesFirst() {
        var server = VirtualServer()
        server.capacity = nil
        let tasks = (0..<6).map { Task(arrival: Double($0) * 2.5, course: VirtualServer.student) }
        let fifo = server.run(tasks, FirstComeFirstServed())
        let shared = server.run(tasks, PhaseSchedule(batchPixels: 1))
        #expect(shared.seconds == fifo.seconds)
        #expect(shared.ends == shared.ends.sorted())
        // Prompts go first, one second each.
        for (one, other) in zip(shared.ends, fifo.ends) { #expect(one <= other + 5) }
    }

    @Test func nobodyStarvesInThousandsOfPatterns() {
        var random = SplitMix64(seed: 1)
        let server = VirtualServer()
        var overdue = 0
        for _ in 0..<2000 {
            let tasks = Self.pattern(&random)
            let patience = Int.random(in: 4...64, using: &random)
            let outcome = server.run(tasks, PhaseSchedule(batchPixels: 4, patience: patience))
            #expect(outcome.ends.allSatisfy { $0.isFinite })
            // At most 24 runs, 22 evaluations each, and five sets of weights.
            let longest = tasks.map { $0.course.reduce(0) { $0 + $1.evaluations } }.max() ?? 0
            let bound = patience + (5 + 1) * min(tasks.count, 2 * server.active) * longest
            #expect(outcome.longestWait <= bound)
            overdue += outcome.longestWait > patience ? 1 : 0
        }
        // The limit was at work.
        #expect(overdue > 100)
    }

    /// Pictures come in without end, each before the expert would become free.
    private static func stream(_ count: Int) -> [Task] {
        let expert = [Leg(weights: VirtualServer.high, evaluations: 2)]
        return (0..<count).map { Task(arrival: Double($0) * 1.5, course: expert) }
            + [Task(arrival: 10, course: [Leg(weights: VirtualServer.low, evaluations: 1)])]
    }

    @Test func aStreamToOneExpertKeepsNobodyFromTheOther() {
        let server = VirtualServer()
        let tasks = Self.stream(400)
        let patient = server.run(tasks, PhaseSchedule(batchPixels: 1, patience: 20))
        // 20 evaluations, and what the members of the visit still need.
        #expect((21...20 + 2 * server.active).contains(patient.longestWait))
        // Without patience the other is not served before the stream ends.
        let endless = server.run(tasks, PhaseSchedule(batchPixels: 1, patience: .max, ageLimit: .infinity))
        #expect(endless.longestWait > 400)
        // The age limit alone does it too: 30 s, what the members need, and the change.
        let aged = server.run(tasks, PhaseSchedule(batchPixels: 1, patience: .max, ageLimit: 30))
        let bound = 30 + 2 * Double(server.active) + 4 + 1
        #expect(aged.longestWaitSeconds <= bound)
    }

    @Test func batchRunsAreServedUnderASteadyLoadOfInteractiveOnes() {
        var tasks = (0..<300).map { Task(arrival: Double($0) * 6.5, course: VirtualServer.student) }
        tasks.append(Task(arrival: 0, priority: .batch, course: VirtualServer.student))
        var server = VirtualServer()
        server.readSeconds = 0.5
        let outcome = server.run(tasks, PhaseSchedule(batchPixels: 1, patience: 40))
        let last = outcome.ends.last ?? .infinity
        // It needs 6 evaluations, each of which comes after 40 others at the latest; the load lasts 1950 s.
        #expect(last < 540)
        let never = server.run(tasks, PhaseSchedule(batchPixels: 1, patience: .max, ageLimit: .infinity))
        #expect((never.ends.last ?? 0) > 1000)
    }

    @Test func anInteractiveRunGoesBeforeBatchRunsAtTheNextStep() {
        var tasks = [Task](repeating: Task(arrival: 0, priority: .batch, size: 4, course: VirtualServer.slow), count: 8)
        tasks.append(Task(arrival: 30.5, course: VirtualServer.student))
        let outcome = VirtualServer().run(tasks, PhaseSchedule(batchPixels: 4))
        // What is being computed is finished: 4 s. Then four reads and six evaluations.
        let bound = 30.5 + 4 + 4 * 4 + 6
        #expect((outcome.ends.last ?? .infinity) <= bound)
        let fifo = VirtualServer().run(tasks, FirstComeFirstServed())
        #expect((fifo.ends.last ?? 0) > 600)
    }

    @Test func aLoRAIsChangedBeforeHeavyWeightsAre() {
        func weights(_ base: String, _ expert: String) -> StageWeights {
            StageWeights(model: "m", stage: .steps, part: .expert(expert), base: .expert(base))
        }
        func run(_ arrival: Int64, _ weights: StageWeights) -> WaitingRun? {
            WaitingRun(
                id: "\(arrival)", course: [weights], shape: [[1]], pixels: 1, priority: .interactive, arrival: arrival)
        }
        var policy = PhaseSchedule(batchPixels: 1)
        var waiting = [
            run(1, weights("base", "a")), run(2, weights("other", "other")), run(3, weights("base", "b")),
            run(4, weights("base", "a")),
        ].compactMap { $0 }
        var order: [String] = []
        while let decision = policy.decide(waiting, at: 0, isResident: { _ in false }) {
            order += decision.runs
            waiting.removeAll { decision.runs.contains($0.id) }
        }
        #expect(order == ["1", "4", "3", "2"])
    }

    // MARK: Against the best possible

    /// The fewest reads with one set of weights in memory, by trying every order that never idles: one evaluation takes
    /// one second, reading none.
    private static func fewestReads(_ tasks: [Task]) -> Int {
        let lengths = tasks.map { $0.course.reduce(0) { $0 + $1.evaluations } }
        func weights(_ task: Int, _ done: Int) -> StageWeights? {
            var rest = done
            for leg in tasks[task].course {
                if rest < leg.evaluations { return leg.weights }
                rest -= leg.evaluations
            }
            return nil
        }
        struct State: Hashable {
            var done: [Int]
            var seconds: Int
            var hot: StageWeights?
        }
        // Breadth first by seconds: fewest reads to each state.
        var level: [State: Int] = [State(done: tasks.map { _ in 0 }, seconds: 0, hot: nil): 0]
        while true {
            if level.keys.allSatisfy({ $0.done == lengths }) { return level.values.min() ?? 0 }
            var next: [State: Int] = [:]
            for (state, reads) in level {
                let ready = tasks.indices.filter {
                    tasks[$0].arrival <= Double(state.seconds) && state.done[$0] < lengths[$0]
                }
                if ready.isEmpty {
                    let after = State(done: state.done, seconds: state.seconds + 1, hot: state.hot)
                    next[after] = min(next[after] ?? .max, reads)
                }
                for task in ready {
                    guard let needed = weights(task, state.done[task]) else { continue }
                    var after = State(done: state.done, seconds: state.seconds + 1, hot: needed)
                    after.done[task] += 1
                    let cost = reads + (needed == state.hot ? 0 : 1)
                    next[after] = min(next[after] ?? .max, cost)
                }
            }
            level = next
        }
    }

    private static let twoPhases = [
        Leg(weights: VirtualServer.text, evaluations: 1), Leg(weights: VirtualServer.high, evaluations: 2),
        Leg(weights: VirtualServer.low, evaluations: 2),
    ]
    private static let onePhase = [
        Leg(weights: VirtualServer.text, evaluations: 1), Leg(weights: VirtualServer.teacher, evaluations: 3),
        Leg(weights: VirtualServer.vae, evaluations: 1),
    ]

    @Test func changesAreWithinOneAndAHalfTimesTheFewestPossible() {
        var random = SplitMix64(seed: 2)
        var server = VirtualServer()
        server.readSeconds = 0
        var (total, best, fifo) = (0, 0, 0)
        for _ in 0..<500 {
            let span = [0, 4, 10, 16].randomElement(using: &random) ?? 0
            let tasks = (0..<Int.random(in: 2...4, using: &random)).map { _ in
                let course = Bool.random(using: &random) ? Self.twoPhases : Self.onePhase
                return Task(arrival: Double(Int.random(in: 0...span, using: &random)), course: course)
            }
            let fewest = Self.fewestReads(tasks)
            let reads = server.run(tasks, PhaseSchedule(batchPixels: 1)).reads
            #expect(reads >= fewest)
            #expect(2 * reads <= 3 * fewest)
            total += reads
            best += fewest
            fifo += server.run(tasks, FirstComeFirstServed()).reads
        }
        #expect(Double(total) <= 1.1 * Double(best))
        #expect(fifo > total)
    }

    @Test func throughputIsNotBelowFirstComeFirstServed() {
        var random = SplitMix64(seed: 3)
        let server = VirtualServer()
        var (shared, fifo) = (0.0, 0.0)
        for _ in 0..<1000 {
            let tasks = Self.pattern(&random)
            let one = server.run(tasks, PhaseSchedule(batchPixels: 4))
            let other = server.run(tasks, FirstComeFirstServed())
            // Who comes last may have just missed its expert; it costs one round of reads at most.
            #expect(one.seconds <= other.seconds + 5 * server.readSeconds)
            shared += one.seconds
            fifo += other.seconds
            #expect(one.reads <= other.reads + 5)
        }
        // 29 % less with these patterns.
        #expect(shared < 0.75 * fifo)
    }
}
