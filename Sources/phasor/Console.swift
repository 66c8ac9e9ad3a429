import ArgumentParser
import Foundation
import Support
import Synchronization

/// Where a command speaks: results on standard output, everything else on standard error.
///
/// What cannot be written is dropped: a full disk under a log, or a reader that has left, ends no computation.
struct Console: Sendable {
    enum Verbosity: Int, Sendable { case quiet, normal, verbose }

    enum Format: String, ExpressibleByArgument, CaseIterable, Sendable {
        /// Sentences.
        case text
        /// An object a line: `time`, `level`, `message`, and fields of their own for progress.
        case json
    }

    var verbosity = Verbosity.normal
    var format = Format.text
    /// Whether a picture or clip goes to standard output; results then stand on standard error.
    var keepsOutputClean = false

    /// That of the command that runs.
    static var current: Console {
        get { shared.withLock { $0 } }
        set { shared.withLock { $0 = newValue } }
    }

    private static let shared = Mutex(Console())

    // MARK: Speaking

    /// What was asked for.
    func result(_ text: String) {
        guard verbosity > .quiet else { return }
        if keepsOutputClean || format == .json {
            write(text, level: "info")
        } else {
            print(text)
        }
    }

    /// What is of use to know on the way.
    func note(_ text: String) {
        if verbosity > .quiet { write(text, level: "info") }
    }

    /// What `--verbose` adds.
    func detail(_ text: String) {
        if verbosity > .normal { write(text, level: "debug") }
    }

    /// What went wrong, and may not be kept from anybody.
    func complain(_ text: String) { write(text, level: "error") }

    /// What ended the command.
    func fail(_ text: String) {
        guard format == .text else { return complain(text) }
        StandardError.write((StandardError.isColoured ? "\u{1B}[1;31mError:\u{1B}[0m " : "Error: ") + text + "\n")
    }

    /// How far something is. `text` is the sentence.
    func progress(_ text: String, done: Int, of count: Int, secondsLeft: Double?) {
        guard verbosity > .quiet else { return }
        switch format {
        case .text: write(text, level: "info")
        case .json:
            var fields: [(String, Field)] = [("done", .number(Double(done))), ("of", .number(Double(count)))]
            if let secondsLeft { fields.append(("eta_seconds", .number((secondsLeft * 10).rounded() / 10))) }
            writeJSON(text, level: "info", fields)
        }
    }

    private func write(_ text: String, level: String) {
        switch format {
        case .text: StandardError.write(text + "\n")
        case .json: writeJSON(text, level: level, [])
        }
    }

    enum Field: Encodable {
        case text(String)
        case number(Double)

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .text(let text): try container.encode(text)
            case .number(let number): try container.encode(number)
            }
        }
    }

    private func writeJSON(_ text: String, level: String, _ more: [(String, Field)]) {
        StandardError.write(Self.jsonLine(text, level: level, more))
    }

    /// Returns a line of `--log-format json`, with its end.
    static func jsonLine(_ text: String, level: String, _ more: [(String, Field)]) -> String {
        let time = Date().ISO8601Format(.iso8601.year().month().day().time(includingFractionalSeconds: true)) + "Z"
        var fields = Dictionary(more, uniquingKeysWith: { first, _ in first })
        (fields["time"], fields["level"], fields["message"]) = (.text(time), .text(level), .text(text))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        // Texts and finite numbers always have a JSON.
        guard let data = try? encoder.encode(fields) else { return "" }
        return String(decoding: data, as: UTF8.self) + "\n"
    }
}

extension Console.Verbosity: Comparable {
    static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// Standard error, by way of `LogWriter`.
enum StandardError {
    /// Whether the reader, who once took nothing for `patience`, is still behind.
    private static let isStalled = Mutex(false)
    /// Seconds to wait for a reader.
    private static let patience = 1.0

    /// Waits until the text is written, so that it keeps its place among what goes to standard output. A reader who does not
    /// read is waited for once.
    static func write(_ text: String) {
        LogWriter.standardError.write(Array(text.utf8))
        isStalled.withLock { $0 = !LogWriter.standardError.flush(within: $0 ? 0 : patience) }
    }

    /// Whether somebody watches who can be shown a line that changes: a terminal that takes controls.
    static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 && environment("TERM") != "dumb" }

    /// Whether colours are welcome (https://no-color.org).
    static var isColoured: Bool { isTerminal && environment("NO_COLOR") == nil }

    /// Returns nil also for an empty one.
    private static func environment(_ name: String) -> String? {
        ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }
}

/// Options of every command that says something on the way.
struct SpeechOptions: ParsableArguments {
    @Flag(name: .shortAndLong, help: "Say nothing but what went wrong.")
    var quiet = false

    @Flag(name: .shortAndLong, help: "Say more: what was opened, and every step.")
    var verbose = false

    @Option(help: "How to speak on standard error: text, or json for an object a line.")
    var logFormat = Console.Format.text

    func validate() throws {
        guard !quiet || !verbose else { throw ValidationError("--quiet and --verbose exclude each other: give one") }
    }

    var console: Console {
        Console(verbosity: quiet ? .quiet : verbose ? .verbose : .normal, format: logFormat)
    }
}

/// A command with `SpeechOptions`.
protocol SpeakingCommand: ParsableCommand {
    var speech: SpeechOptions { get }
    /// Whether standard output is for data, so that nothing else may stand there.
    var isOutputData: Bool { get }
}

extension SpeakingCommand {
    var isOutputData: Bool { false }

    var console: Console {
        var console = speech.console
        console.keepsOutputClean = isOutputData
        return console
    }
}
