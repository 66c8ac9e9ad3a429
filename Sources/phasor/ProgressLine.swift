import Foundation

/// One line on standard error that is written over and over; silent where nobody watches.
final class ProgressLine {
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private static let cells = 24

    func show(step: Int, of steps: Int, _ text: String) {
        let done = Self.cells * step / max(steps, 1)
        let bar = String(repeating: "#", count: done) + String(repeating: "-", count: Self.cells - done)
        show("[\(bar)] step \(step)/\(steps)  \(text)")
    }

    func show(_ text: String) {
        guard isTerminal else { return }
        FileHandle.standardError.write(Data("\r\u{1B}[K\(text)".utf8))
    }

    func finish() { show("") }
}
