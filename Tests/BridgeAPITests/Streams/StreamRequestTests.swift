import EventLog
import HTTPServer
import Realtime
import Testing

@testable import BridgeAPI

struct StreamRequestTests {
    private static func parse(
        _ query: [(name: String, value: String)], format: StreamRequest.Format = .eventStream, headers: HTTPHeaders = [:]
    ) throws(StreamRequestError) -> StreamRequest {
        try StreamRequest(format: format, query: query, headers: headers)
    }

    @Test func nothingSaidIsTheWholeSession() throws {
        let request = try Self.parse([])
        #expect(request == StreamRequest(format: .eventStream))
        #expect(request.cursor == .beginning && request.heartbeat == .seconds(15) && request.filter.isOpen && !request.isReconnect)
    }

    @Test func everythingSaid() throws {
        let request = try Self.parse([
            ("after", "2.51"), ("types", "response.*,error"), ("exclude", "response.audio.delta"), ("response_id", "resp_1"),
            ("until", "response.done"), ("envelope", "message"), ("heartbeat", "5"), ("dialect", "ga"), ("ticket", "not ours"),
        ])
        #expect(request.cursor == .after(FrameID(EventPosition(epoch: 2, seq: 51))))
        #expect(request.filter.types == TypePatterns("response.*,error"))
        #expect(request.filter.exclude == TypePatterns("response.audio.delta"))
        #expect(request.filter.responseID == Array("resp_1".utf8))
        #expect(request.until == TypePatterns("response.done"))
        #expect(request.envelopeMessage && request.heartbeat == .seconds(5) && !request.isReconnect)
        let page = try Self.parse([("limit", "100"), ("wait", "60")], format: .page)
        #expect(page.limit == 100 && page.wait == .seconds(60))
    }

    @Test(
        arguments: [
            // Header, query, cursor, whether it is a reconnect.
            ("1.7", [("after", "1.3")], StreamRequest.Cursor.after(FrameID(EventPosition(epoch: 1, seq: 7))), true),
            ("1.7", [("from", "now")], .after(FrameID(EventPosition(epoch: 1, seq: 7))), true),
            ("", [("last_event_id", "1.3")], .after(FrameID(EventPosition(epoch: 1, seq: 3))), true),
            ("", [("after", "1.3")], .after(FrameID(EventPosition(epoch: 1, seq: 3))), false),
            ("", [("after", "1.3"), ("from", "now")], .after(FrameID(EventPosition(epoch: 1, seq: 3))), false),
            ("", [("from", "now")], .now, false),
            ("", [("from", "start")], .beginning, false),
            ("", [("after", "")], .beginning, false),
            ("1.7-1", [], .after(FrameID(EventPosition(epoch: 1, seq: 7), remaining: 1)), true),
            ("1.7-0", [], .unknown, true),
            ("1.7-", [], .unknown, true),
            ("1.7-01", [], .unknown, true),
            ("1.7-10", [], .unknown, true),
            ("1.7--1", [], .unknown, true),
            ("1.7-1-1", [], .unknown, true),
            ("garbage", [], .unknown, true),
            ("01.7", [], .unknown, true),
            ("1.7 ", [], .unknown, true),
            ("", [("after", "1.-7")], .unknown, false),
        ] as [(String, [(String, String)], StreamRequest.Cursor, Bool)])
    func theCursorThatCounts(header: String, query: [(String, String)], cursor: StreamRequest.Cursor, isReconnect: Bool) throws {
        let request = try Self.parse(query.map { (name: $0.0, value: $0.1) }, headers: ["Last-Event-ID": header])
        #expect(request.cursor == cursor)
        #expect(request.isReconnect == isReconnect)
    }

    @Test(arguments: [
        ("heartbeat", "4"), ("heartbeat", "61"), ("heartbeat", "x"), ("from", "end"), ("types", ""), ("exclude", "a**"), ("until", ","),
        ("response_id", ""), ("envelope", "none"), ("limit", "20"), ("wait", "1"),
    ])
    func refusedInAStream(name: String, value: String) throws {
        #expect { try Self.parse([(name, value)]) } throws: { ($0 as? StreamRequestError)?.parameter == name }
    }

    @Test(arguments: [("limit", "0"), ("limit", "101"), ("wait", "61"), ("wait", "-1"), ("until", "a"), ("envelope", "message")])
    func refusedInAPage(name: String, value: String) throws {
        #expect { try Self.parse([(name, value)], format: .page) } throws: { ($0 as? StreamRequestError)?.parameter == name }
    }

    @Test func refusedTwice() throws {
        #expect { try Self.parse([("types", "a"), ("types", "b")]) } throws: { ($0 as? StreamRequestError)?.parameter == "types" }
        #expect { try Self.parse([("after", "1.1"), ("last_event_id", "1.1")]) } throws: {
            ($0 as? StreamRequestError)?.parameter == "after"
        }
    }
}
