import Foundation

/// One line on standard error that is written over and over; silent where nobody watches.
final class ProgressLine {
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private static let cells = 24

    func show(step: Int, of steps: Int, _ text: String) { show(done: step, of: steps, text, unit: "step ") }

    func show(done: Int, of count: Int, _ text: String, unit: String = "") {
        let cells = Self.cells * done / max(count, 1)
        let bar = String(repeating: "#", count: cells) + String(repeating: "-", count: Self.cells - cells)
        show("[\(bar)] \(unit)\(done)/\(count)  \(text)")
    }

    func show(_ text: String) {
        guard isTerminal else { return }
        FileHandle.standardError.write(Data("\r\u{1B}[K\(text)".utf8))
    }

    func finish() { show("") }
}
