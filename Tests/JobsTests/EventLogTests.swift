import Foundation
import Jobs
import Testing

@Suite(.timeLimit(.minutes(2))) struct EventLogTests {
    private static let job = Job(
        id: "image_0123456789abcdef0123456789abcdef",
        request: GenerationRequest(
            kind: .image, prompt: "a", model: "m", width: 64, height: 48, frames: 1, seed: 1),
        priority: .interactive, owner: nil, steps: 4, createdAt: Date(timeIntervalSince1970: 1))

    /// A task that is cancelled holds a lock of the runtime, for which whoever tells its stream something waits.
    @Test func `Readers that are cancelled while events are told stop nobody`() async {
        for _ in 0..<300 {
            let log = EventLog()
            let readers = (0..<8).map { _ in
                Task { for await _ in log.subscribe(after: nil) {} }
            }
            let teller = Task.detached { for _ in 0..<200 { log.append(.step, Self.job) } }
            for reader in readers {
                await Task.yield()
                reader.cancel()
            }
            await teller.value
            for reader in readers { await reader.value }
        }
    }

    @Test func `A reader hears what comes after it, to the end`() async {
        let log = EventLog()
        log.append(.queued, Self.job)
        let stream = log.subscribe(after: nil)
        for name in [JobEvent.Name.step, .step, .done] { log.append(name, Self.job) }
        var heard: [JobEvent] = []
        for await event in stream { heard.append(event) }
        #expect(heard.map(\.name) == [.queued, .step, .step, .done])
        #expect(zip(heard, heard.dropFirst()).allSatisfy { $0.id < $1.id })
        for await event in log.subscribe(after: heard.last?.id) { Issue.record("\(event.name)") }
    }
}
