/// One event of a `text/event-stream` (WHATWG HTML, 9.2), as the lines that are sent.
package struct ServerSentEvent: Sendable, Equatable {
    package var event: String?
    package var id: String?
    package var data: String

    package init(event: String? = nil, id: String? = nil, data: String) {
        self.event = event
        self.id = id
        self.data = data
    }

    /// `event:`, `id:` and a `data:` line for each line of the data, then the empty line that dispatches the event.
    package var encoded: String {
        var text = ""
        if let event { text += "event: \(Self.lines(of: event).joined(separator: " "))\n" }
        if let id { text += "id: \(Self.lines(of: id).joined(separator: " "))\n" }
        for line in Self.lines(of: data) { text += "data: \(line)\n" }
        return text + "\n"
    }

    /// A comment, which clients ignore: keeps proxies from closing a quiet stream, and finds clients that are gone.
    package static func comment(_ text: String) -> String {
        lines(of: text).map { ": \($0)\n" }.joined() + "\n"
    }

    /// CR LF, LF and CR all end a line of the format, so none may stay inside one.
    private static func lines(of text: String) -> [Substring] {
        text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" || $0 == "\r" }
    }
}
