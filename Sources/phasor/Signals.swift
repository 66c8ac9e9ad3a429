import Dispatch
import Foundation
import Synchronization

/// SIGTERM and SIGINT: the first is waited for, the second ends the process.
struct Signals {
    private let stream: AsyncStream<Void>
    private let sources: [any DispatchSourceSignal]
    private let seen = Count()

    /// Whether one has come, waited for or not.
    var hasCome: Bool { seen.value.load(ordering: .relaxed) > 0 }

    init() {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
        self.stream = stream
        let seen = seen
        let queue = DispatchQueue(label: "phasor.signals")
        sources = [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler {
                if seen.value.add(1, ordering: .relaxed).newValue > 1 { _exit(128 + number) }
                continuation.yield()
            }
            source.resume()
            return source
        }
    }

    func first() async {
        for await _ in stream { return }
    }

    private final class Count: Sendable {
        let value = Atomic(0)
    }
}
