import EventLog
import Testing

@testable import BridgeAPI

/// Byte for byte what streams are made of.
struct StreamEncoderTests {
    @Test(arguments: [
        // An event as API.md shows it.
        (
            "response.text.delta", #"{"type":"response.text.delta"}"#,
            "event: response.text.delta\ndata: {\"type\":\"response.text.delta\"}\n"
        ),
        // Every kind of line break ends a data line.
        ("a", "{\n}", "event: a\ndata: {\ndata: }\n"),
        ("a", "{\r}", "event: a\ndata: {\ndata: }\n"),
        ("a", "{\r\n}", "event: a\ndata: {\ndata: }\n"),
        ("a", "{\r\n\r}", "event: a\ndata: {\ndata: \ndata: }\n"),
        ("a", "{}\n", "event: a\ndata: {}\ndata: \n"),
        ("a", "\n{}", "event: a\ndata: \ndata: {}\n"),
        // Types that would end their line, or are no name, are left out.
        ("", "{}", "data: {}\n"),
        ("a b", "{}", "data: {}\n"),
        ("a\nid: 9.9", "{}", "data: {}\n"),
        ("ä", "{}", "data: {}\n"),
        (String(repeating: "x", count: 64), "{}", "event: \(String(repeating: "x", count: 64))\ndata: {}\n"),
        (String(repeating: "x", count: 65), "{}", "data: {}\n"),
        ("A-z_0.9", "{}", "event: A-z_0.9\ndata: {}\n"),
    ])
    func events(type: String, frame: String, expected: String) {
        let bytes = StreamEncoder.serverSentEvent(id: "1.42", type: type, frame: Array(frame.utf8))
        #expect(String(decoding: bytes, as: UTF8.self) == "id: 1.42\n\(expected)\n")
    }

    @Test func notes() {
        #expect(StreamEncoder.priming(retryMilliseconds: 1000, id: "1.42") == Array("retry: 1000\nid: 1.42\n\n".utf8))
        #expect(StreamEncoder.cursor(FrameID(EventPosition(epoch: 2, seq: 7))) == Array("id: 2.7\n\n".utf8))
        #expect(StreamEncoder.heartbeat == Array(": keep-alive\n\n".utf8))
        #expect(StreamEncoder.retry(milliseconds: 5) == Array("retry: 5\n\n".utf8))
    }

    @Test(arguments: [
        (#"{"a":1}"#, #"{"id":"1.1","created_at":7,"event":{"a":1}}"#),
        ("{\n\"a\":\r\n1\r}", #"{"id":"1.1","created_at":7,"event":{ "a": 1 }}"#),
    ])
    func entries(frame: String, expected: String) {
        let bytes = StreamEncoder.entry(id: "1.1", createdAt: 7, frame: Array(frame.utf8))
        #expect(String(decoding: bytes, as: UTF8.self) == expected)
    }

    @Test func whatTheBridgePutIntoARequestIsNotShown() async throws {
        let session = try await TestSession()
        await session.append(
            #"{"type":"error","error":{"message":"m","event_id":"event_rb0000000000000001.mine"}}"#)
        guard case .events(let events) = session.history.window(after: 0, maximumBytes: 1) else {
            throw TestProblem(description: "no event")
        }
        let expected = #"{"type":"error","error":{"message":"m","event_id":"mine"}}"#
        func shown(_ rendering: EventRendering) -> [String] {
            session.view().frames(of: events[0], rendering).map { String(decoding: $0, as: UTF8.self) }
        }
        #expect(shown(.eventStream) == ["id: 1.1\nevent: error\ndata: \(expected)\n\n"])
        #expect(shown(.message) == ["id: 1.1\ndata: \(expected)\n\n"])
        #expect(shown(.entry) == [#"{"id":"1.1","created_at":1700000000,"event":\#(expected)}"#])
    }

    @Test(arguments: [
        ("response.*,error", ["response.done", "response.", "error"], ["responses", "errors", "session.created"]),
        ("*", ["", "anything"], []),
        ("a", ["a"], ["", "ab"]),
        ("*.delta", ["response.text.delta", ".delta"], ["delta", "response.text.done"]),
        ("response.*.delta", ["response.text.delta", "response..delta"], ["response.delta", "error"]),
    ])
    func patterns(list: String, matching: [String], others: [String]) throws {
        let patterns = try #require(TypePatterns(list))
        for type in matching { #expect(patterns.matches(EventHead(type: type, responseID: "r").type), "\(type)") }
        for type in others { #expect(!patterns.matches(EventHead(type: type, responseID: "r").type), "\(type)") }
    }

    @Test(arguments: ["", ",", "a,", "a*b*", "**", "a**", Array(repeating: "a", count: 65).joined(separator: ",")])
    func badPatterns(list: String) {
        #expect(TypePatterns(list) == nil)
    }

    @Test func filters() throws {
        var filter = EventFilter()
        #expect(filter.isOpen)
        filter.responseID = Array("resp_1".utf8)
        filter.exclude = TypePatterns("response.audio.*")
        #expect(filter.shows(EventHead(type: "response.done", responseID: "resp_1")))
        #expect(!filter.shows(EventHead(type: "response.done", responseID: "resp_12")))
        #expect(!filter.shows(EventHead(type: "response.audio.delta", responseID: "resp_1")))
        #expect(!filter.shows(EventHead(type: "error", responseID: nil)))
        filter.types = TypePatterns("error")
        #expect(!filter.shows(EventHead(type: "response.done", responseID: "resp_1")))
        #expect(filter.shows(EventHead(type: "bridge.session.closed", responseID: nil)))
    }

    @Test func headsGoThroughTheirBytes() {
        let head = EventHead(rendered: EventHead(type: String(repeating: "t", count: 300), responseID: "resp_ä").bytes)
        #expect(head.type.elementsEqual(String(repeating: "t", count: 300).utf8))
        #expect(head.responseID.elementsEqual("resp_ä".utf8))
        #expect(EventHead(type: "", responseID: nil).type.isEmpty)
    }
}
