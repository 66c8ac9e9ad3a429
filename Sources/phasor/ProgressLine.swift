import Foundation
import Synchronization

/// How far something is, on standard error: a line that is written over and over on a terminal; elsewhere a line every ten
/// seconds, so that a log tells how far it is and when it ends.
final class ProgressLine: Sendable {
    private struct State {
        var estimate = ProgressEstimate()
        var lastLine = ContinuousClock.now
        var isShown = false
    }

    private let console = Console.current
    private let isTerminal: Bool
    private let state = Mutex(State())

    private static let cells = 24
    /// The time between two lines where nobody watches.
    private static let pause = Duration.seconds(10)

    init() {
        isTerminal = StandardError.isTerminal && console.format == .text
    }

    /// That the step of that number begins; the steps before it are done.
    func show(step: Int, of steps: Int, _ text: String) {
        console.detail("step \(step)/\(steps)  \(text)")
        show("step \(step)/\(steps)", done: step - 1, of: steps, text)
    }

    /// - Parameter secondsLeft: where the caller knows better than what the pace until now says.
    func show(done: Int, of count: Int, _ text: String, secondsLeft: Double? = nil) {
        show("\(done)/\(count)", done: done, of: count, text, secondsLeft: secondsLeft)
    }

    private func show(_ place: String, done: Int, of count: Int, _ text: String, secondsLeft known: Double? = nil) {
        guard console.verbosity > .quiet else { return }
        state.withLock { state in
            let measured = state.estimate.secondsLeft(done: done, of: count, now: .now)
            let left = known ?? measured
            let words = [place, left.map { "eta \(TimeText.of(seconds: $0))" }, text].compactMap(\.self)
            let sentence = words.filter { !$0.isEmpty }.joined(separator: "  ")
            if isTerminal {
                let filled = Self.cells * min(max(done, 0), count) / max(count, 1)
                let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: Self.cells - filled)
                Self.draw("[\(bar)] \(sentence)", &state)
            } else if Self.isDue(&state) {
                console.progress(sentence, done: done, of: count, secondsLeft: left)
            }
        }
    }

    /// Something that has no count.
    func show(_ text: String) {
        guard console.verbosity > .quiet else { return }
        state.withLock { state in
            if isTerminal {
                Self.draw(text, &state)
            } else if Self.isDue(&state) {
                console.note(text)
            }
        }
    }

    /// Takes the line away.
    func finish() {
        state.withLock { state in
            if state.isShown { StandardError.write("\r\u{1B}[K") }
            state.isShown = false
        }
    }

    private static func isDue(_ state: inout State) -> Bool {
        guard state.lastLine.duration(to: .now) >= pause else { return false }
        state.lastLine = .now
        return true
    }

    /// Draws a line that is never wider than the terminal, because a line that breaks cannot be written over.
    private static func draw(_ text: String, _ state: inout State) {
        state.isShown = true
        StandardError.write("\r\u{1B}[K" + String(text.prefix(columns - 1)))
    }

    private static var columns: Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 1 else { return 80 }
        return Int(size.ws_col)
    }
}
