import Testing

@testable import Realtime

@Suite struct CorrelationTests {
    private func stamped(_ response: String) throws -> JSON {
        try JSON.parse(CorrelationToken.stamp(JSON.parse(response), token: "t1"))
    }

    @Test(arguments: [
        (#"{}"#, #"{"metadata":{"realtime_bridge":"t1"}}"#),
        (#"{"metadata":null,"x":1.0}"#, #"{"metadata":{"realtime_bridge":"t1"},"x":1.0}"#),
        (#"{"metadata":{}}"#, #"{"metadata":{"realtime_bridge":"t1"}}"#),
        (#"{"metadata":{"a":"b"}}"#, #"{"metadata":{"a":"b","realtime_bridge":"t1"}}"#),
    ])
    func putsOnePairIntoMetadata(response: String, expected: String) throws {
        #expect(try String(decoding: stamped(response).source, as: UTF8.self) == expected)
    }

    @Test(arguments: [
        (#"{"metadata":[]}"#, CorrelationToken.Refusal.metadataIsNoObject), (#"{"metadata":{"realtime_bridge":"x"}}"#, .reservedKey),
    ])
    func refusesWhatItCannotStamp(response: String, refusal: CorrelationToken.Refusal) {
        #expect(throws: refusal) { try stamped(response) }
    }

    @Test func theSixteenthPairTravelsInTheTokenAndComesBack() throws {
        let pairs = (1...16).map { "\"k\($0)\":\"v|\($0)\"" }.joined(separator: ",")
        let sent = try stamped("{\"metadata\":{\(pairs)}}")
        let metadata = try #require(sent["metadata"])
        #expect(metadata.members.count == 16)
        #expect(CorrelationToken.read(from: sent) == "t1")
        let event = try #require(ServerEvent(Array("{\"type\":\"response.created\",\"response\":".utf8) + sent.source + [0x7D]))
        let seen = try JSON.parse(Self.shown(event))
        let restored = try #require(seen["response"]?["metadata"])
        #expect(restored.members.count == 16)
        for number in 1...16 { #expect(restored["k\(number)"]?.string == "v|\(number)") }
    }

    @Test func sixteenLongPairsLeaveNoRoom() {
        let pairs = (1...16).map { "\"k\($0)\":\"\(String(repeating: "v", count: 512))\"" }.joined(separator: ",")
        #expect(throws: CorrelationToken.Refusal.noRoom) { try stamped("{\"metadata\":{\(pairs)}}") }
    }

    @Test(arguments: [17, 200])
    func morePairsThanUpstreamTakesAreCountedWithoutTheBridges(count: Int) {
        let pairs = (1...count).map { "\"k\($0)\":\"v\"" }.joined(separator: ",")
        #expect(throws: CorrelationToken.Refusal.tooManyPairs(count)) { try stamped("{\"metadata\":{\(pairs)}}") }
    }

    @Test(arguments: [
        (
            #"{"type":"response.done","response":{"id":"r","metadata":{"realtime_bridge":"t"},"n":1.00}}"#,
            #"{"type":"response.done","response":{"id":"r","metadata":null,"n":1.00}}"#
        ),
        (
            #"{"type":"response.done","response":{"id":"r","metadata":{"a":"b", "realtime_bridge":"t"}}}"#,
            #"{"type":"response.done","response":{"id":"r","metadata":{"a":"b"}}}"#
        ),
        (
            #"{"type":"response.done", "response":{"id":"r","metadata":{"a":"b"}}}"#,
            #"{"type":"response.done", "response":{"id":"r","metadata":{"a":"b"}}}"#
        ),
        (
            #"{"type":"error","error":{"event_id":"event_rb0123456789abcdef.mine","code":1e2}}"#,
            #"{"type":"error","error":{"event_id":"mine","code":1e2}}"#
        ),
        (
            #"{"type":"error","error":{"event_id":"event_rb0123456789abcdef"}}"#,
            #"{"type":"error","error":{"event_id":"event_rb0123456789abcdef"}}"#
        ),
        (#"{"type":"response.text.delta","delta":"realtime_bridge"}"#, #"{"type":"response.text.delta","delta":"realtime_bridge"}"#),
    ])
    func clientsSeeTheirOwnAndUntouchedBytesOtherwise(frame: String, seen: String) throws {
        let event = try #require(ServerEvent(Array(frame.utf8)))
        #expect(String(decoding: Self.shown(event), as: UTF8.self) == seen)
    }

    private static func shown(_ event: ServerEvent) -> [UInt8] {
        DialectView(of: .beta, in: .beta).frames(of: event).first?.bytes ?? []
    }

    @Test func eventIDsCarryTheCallers() {
        #expect(BridgeEventID.make(random: 0xABC, callers: nil) == "event_rb0000000000000abc")
        #expect(BridgeEventID.callers(in: BridgeEventID.make(random: 1, callers: "a.b")) == "a.b")
        #expect(BridgeEventID.callers(in: BridgeEventID.make(random: .max, callers: nil)) == nil)
        #expect(BridgeEventID.callers(in: "event_other.a") == nil)
    }

    @Test(arguments: [
        ("", nil), ("AAAA", nil), ("AA==", nil), ("AAA=", nil), ("AAA", 3), ("A=AA", 1), ("AA-_", 2), ("A===", 1), ("AA\n=", 2),
    ])
    func base64FaultsAreFound(text: String, fault: Int?) {
        let bytes = Array(text.utf8)
        #expect(Base64.firstFault(in: bytes[...]) == fault)
    }

    @Test(arguments: [("", 0), ("AAAA", 3), ("AAA=", 2), ("AA==", 1), ("AAAAAA==", 4)])
    func base64LengthsAreCounted(text: String, count: Int) {
        #expect(Base64.decodedCount(Array(text.utf8)[...]) == count)
    }
}
