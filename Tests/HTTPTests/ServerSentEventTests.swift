import HTTP
import Testing

@Suite struct ServerSentEventTests {
    @Test func encodes() {
        let event = ServerSentEvent(event: "step", id: "7", data: "{\"a\":1}")
        #expect(event.encoded == "event: step\nid: 7\ndata: {\"a\":1}\n\n")
        #expect(ServerSentEvent(data: "").encoded == "data: \n\n")
        #expect(ServerSentEvent.comment("keep-alive") == ": keep-alive\n\n")
    }

    /// Data from outside cannot begin an event of its own.
    @Test func keepsLinesInData() {
        let event = ServerSentEvent(event: "a\nevent: b", id: "1\r\nid: 2", data: "x\ny\r\nz\r\revent: c")
        #expect(
            event.encoded
                == "event: a event: b\nid: 1 id: 2\ndata: x\ndata: y\ndata: z\ndata: \ndata: event: c\n\n")
        #expect(ServerSentEvent.comment("a\nb") == ": a\n: b\n\n")
    }
}
