import Benchmarks
import Testing

/// What a simulation of a cluster must give where it can be counted by hand.
@Suite struct ClusterSimulationTests {
    private let stages = [
        ClusterSimulation.Stage("high", seconds: 10, loadSeconds: 5),
        ClusterSimulation.Stage("low", seconds: 10, loadSeconds: 5),
    ]

    @Test func oneWorkerAndOneJobTakeWhatTheyTake() {
        let simulation = ClusterSimulation(stages: stages, workers: 1, jobs: 1, rate: 1)
        for claiming in ClusterSimulation.Claiming.allCases {
            let outcome = simulation.run(claiming)
            #expect(outcome.finished == 1 && outcome.switches == 2 && outcome.seconds == 30)
            #expect(outcome.medianWait == 10 && outcome.claims == (claiming == .byPart ? 2 : 1))
        }
    }

    @Test func everyJobEndsAndNoStageIsComputedTwice() {
        for (workers, load) in [(1, 0.5), (2, 0.9), (7, 1.5), (50, 1.0)] {
            for claiming in ClusterSimulation.Claiming.allCases {
                let simulation = ClusterSimulation(
                    stages: stages, workers: workers, jobs: 500, rate: load * Double(workers) / 20)
                let outcome = simulation.run(claiming)
                #expect(outcome.finished == 500)
                #expect(outcome.claims <= 1000)
                // As much work as there is takes at least so long.
                #expect(outcome.seconds * Double(workers) >= 500 * 20)
                #expect(outcome == simulation.run(claiming))
            }
        }
    }

    @Test func whereThereIsEnoughToDoAStageIsLoadedSeldom() {
        let simulation = ClusterSimulation(stages: stages, workers: 10, jobs: 2000, rate: 2)
        #expect(simulation.run(.wholeJobs).switchesPerJob == 2)
        #expect(simulation.run(.byPart).switchesPerJob < 0.6)
    }

    @Test func withIdleWorkersOneForEachStageNothingIsLoadedAgain() {
        let simulation = ClusterSimulation(stages: stages, workers: 2, jobs: 300, rate: 0.0005)
        let outcome = simulation.run(.byPart)
        #expect(outcome.switches <= 30)
        // Where both are often asked at once, whoever is free takes what waits.
        let busy = ClusterSimulation(stages: stages, workers: 2, jobs: 300, rate: 0.04).run(.byPart)
        #expect(busy.switches > outcome.switches && busy.medianWait <= 15)
    }
}
