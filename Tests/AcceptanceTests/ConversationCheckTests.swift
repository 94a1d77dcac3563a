import Foundation
import Testing

/// The checker of long runs, against records made by hand: it must see what it is there to see.
struct ConversationCheckTests {
    private static func record(_ lines: [String]) throws -> UpstreamRecord {
        try UpstreamRecord(Data(lines.map { $0 + "\n" }.joined().utf8))
    }

    private static func out(_ frame: String, connection: Int = 1, time: Double = 1) -> String {
        #"{"time":\#(time),"connection":\#(connection),"direction":"out","frame":\#(frame)}"#
    }

    private static func sent(_ frame: String, connection: Int = 1) -> String {
        #"{"time":1.5,"connection":\#(connection),"direction":"in","frame":\#(frame)}"#
    }

    private static func added(_ item: String, after previous: String? = nil) -> String {
        out(#"{"type":"conversation.item.added","previous_item_id":\#(previous.map { "\"\($0)\"" } ?? "null"),"item":\#(item)}"#)
    }

    private static func user(_ id: String, _ text: String) -> String {
        #"{"id":"\#(id)","type":"message","role":"user","content":[{"type":"input_text","text":"\#(text)"}]}"#
    }

    private static func items(_ json: [String]) throws -> [RecordedItem] {
        try json.map { try JSONDecoder().decode(RecordedItem.self, from: Data($0.utf8)) }
    }

    private static let created = out(#"{"type":"session.created","session":{"id":"sess_1"}}"#)

    @Test func aConversationIsRebuiltInItsOrder() throws {
        let record = try Self.record(
            [
                #"{"time":0.5,"connection":1,"mark":"opened"}"#, Self.created, Self.added(Self.user("a", "one")),
                Self.added(Self.user("c", "three"), after: "a"), Self.added(Self.user("b", "two"), after: "a"),
                Self.added(#"{"id":"m","type":"message","role":"assistant","status":"in_progress","content":[]}"#, after: "c"),
                Self.out(
                    #"{"type":"response.output_item.done","item":{"id":"m","type":"message","role":"assistant","content":[{"type":"text","text":"hi"}]}}"#
                ),
                Self.out(
                    #"{"type":"response.output_item.done","item":{"id":"elsewhere","type":"message","role":"assistant","content":[]}}"#),
                Self.added(Self.user("z", "gone"), after: "m"), Self.out(#"{"type":"conversation.item.deleted","item_id":"z"}"#),
                #"{"time":2.5,"mark":"refused"}"#, #"{"time":3,"connection":1,"mark":"reset"}"#,
                #"{"time":3.5,"connection":1,"mark":"gone"}"#,
                #"{"time":4,"connec"#,
            ].dropLast() + [#"{"time":4,"connection":2,"mark":"opened"}"#])
        let connection = try #require(record.connection(of: "sess_1"))
        #expect(connection.items.map(\.id) == ["a", "b", "c", "m"])
        #expect(connection.items.last?.content?.first?.words == "hi")
        #expect(connection.fault == "reset")
        #expect(connection.goneAt == 3.5)
        #expect(record.refusals == 1)
        #expect(record.connections.map(\.number) == [1, 2])
        // The line that is being written is not read.
        #expect(try UpstreamRecord(Data(#"{"time":0.5,"connection":1,"mark":"opened"}"#.utf8)).connections.isEmpty)
    }

    @Test(arguments: [("", 1), (#"{"time":3,"connection":1,"mark":"reset"}"#, 0)])
    func aFrameThatTheStreamDidNotShowIsSeen(end: String, count: Int) throws {
        func frame(_ id: String) -> String { Self.out(#"{"type":"x","event_id":"\#(id)"}"#) }
        let record = try Self.record([Self.created, frame("seeding"), frame("1"), frame("2"), frame("3")] + (end.isEmpty ? [] : [end]))
        #expect(record.unshown(["1", "2", "3"]) == [])
        #expect(record.unshown(["1", "3"]).count == 1)
        // A connection that broke may have taken its last frames with it.
        #expect(record.unshown(["1", "2"]).count == count)
        #expect(record.unshown([]) == [])
    }

    @Test func audioIsFoundWhereItWasCommittedFrom() throws {
        let millisecond = UpstreamRecord.bytesPerMillisecond
        let audio = Data((0..<400 * millisecond).map { UInt8(truncatingIfNeeded: $0 / 7) })
        func append(_ range: Range<Int>) -> String {
            Self.sent(#"{"type":"input_audio_buffer.append","audio":"\#(audio[range].base64EncodedString())"}"#)
        }
        func committed(_ id: String) -> String { Self.out(#"{"type":"input_audio_buffer.committed","item_id":"\#(id)"}"#) }
        let record = try Self.record([
            Self.created, append(0..<100 * millisecond), committed("manual"), append(100 * millisecond..<300 * millisecond),
            Self.out(#"{"type":"input_audio_buffer.speech_started","item_id":"turn","audio_start_ms":120}"#),
            append(300 * millisecond..<400 * millisecond),
            Self.out(#"{"type":"input_audio_buffer.speech_stopped","item_id":"turn","audio_end_ms":360}"#), committed("turn"),
            Self.sent(
                #"{"type":"conversation.item.create","item":{"id":"again","type":"message","role":"user","content":[{"type":"input_audio","audio":"AQI="}]}}"#
            ), Self.added(#"{"id":"again","type":"message","role":"user","content":[{"type":"input_audio"}]}"#),
        ])
        let connection = try #require(record.connections.first)
        #expect(connection.appended == audio)
        #expect(connection.audio["manual"] == audio[..<(100 * millisecond)])
        #expect(connection.audio["turn"] == audio[(120 * millisecond)..<(360 * millisecond)])
        #expect(connection.audio["again"] == Data([1, 2]))
        #expect(Set(connection.committed.keys) == ["manual", "turn"])
    }

    @Test func equalConversationsDifferInNothing() throws {
        let call = #"{"id":"f","type":"function_call","call_id":"call_1","name":"n","arguments":"{}"}"#
        let output = #"{"id":"o","type":"function_call_output","call_id":"call_1","output":"r"}"#
        let record = try Self.record([
            Self.created, Self.added(Self.user("a", "one")),
            Self.added(#"{"id":"s","type":"message","role":"user","content":[{"type":"input_audio","transcript":"spoken"}]}"#, after: "a"),
            Self.added(
                #"{"id":"m","type":"message","role":"assistant","content":[{"type":"output_text","text":"answered"}]}"#, after: "s"),
            Self.added(call, after: "m"), Self.added(output, after: "f"),
        ])
        let shown = try Self.items([
            Self.user("lost", "too old"), Self.user("a", "one"),
            #"{"id":"s","type":"message","role":"user","content":[{"type":"input_text","text":"spoken"}]}"#,
            // Sound is replayed as its words.
            #"{"id":"m","type":"message","role":"assistant","status":"completed","content":[{"type":"output_audio","transcript":"answered"}]}"#,
            call, output,
        ])
        let upstream = try #require(record.connections.first)
        #expect(ConversationCheck.differences(upstream: upstream, bridge: shown, lost: ["lost"]) == [])
        #expect(ConversationCheck.differences(upstream: upstream, bridge: shown, lost: []).count == 1)
    }

    @Test(arguments: [
        // What the bridge shows, and how many differences that is.
        ([user("a", "one"), user("b", "two")], 0), ([user("b", "two"), user("a", "one")], 1), ([user("a", "one")], 1),
        ([user("a", "one"), user("b", "two"), user("c", "three")], 1), ([user("a", "one"), user("b", "other")], 1),
        ([user("a", "one"), user("b", "two").replacing("user", with: "system")], 1),
        ([user("a", "one"), #"{"id":"b","type":"message","role":"user","content":[]}"#], 1),
        ([user("a", "one"), #"{"id":"b","type":"function_call","call_id":"c","name":"n","arguments":"{}"}"#], 6),
        // Sound without words is not the same as words.
        ([user("a", "one"), #"{"id":"b","type":"message","role":"user","content":[{"type":"input_audio"}]}"#], 2),
    ])
    func everyDifferenceIsSeen(shown: [String], count: Int) throws {
        let record = try Self.record([Self.created, Self.added(Self.user("a", "one")), Self.added(Self.user("b", "two"), after: "a")])
        let found = ConversationCheck.differences(
            upstream: try #require(record.connections.first), bridge: try Self.items(shown), lost: [])
        #expect(found.count == count, "\(found)")
        #expect(
            ConversationCheck.differences(upstream: record.connections[0], bridge: try Self.items(shown), lost: ["a"]).contains {
                $0.contains("said to be lost")
            })
    }

    @Test(arguments: [("one t", 0), ("", 0), ("one two three", 1), ("two", 1)])
    func whatWasCutMustNotComeBackWhole(words: String, count: Int) throws {
        let record = try Self.record([
            Self.created,
            Self.added(#"{"id":"m","type":"message","role":"assistant","content":[{"type":"output_text","text":"\#(words)"}]}"#),
        ])
        let shown = #"{"id":"m","type":"message","role":"assistant","content":[{"type":"output_audio","transcript":"one two three"}]}"#
        let found = ConversationCheck.differences(
            upstream: try #require(record.connections.first), bridge: try Self.items([shown]), lost: [], cut: ["m": "one two three"])
        #expect(found.count == count, "\(found)")
    }

    @Test func theServersOwnCutIsItsOwn() throws {
        let item = #"{"id":"m","type":"message","role":"assistant","content":[{"type":"output_audio","transcript":"one two three"}]}"#
        let record = try Self.record([
            Self.created, Self.added(item), Self.out(#"{"type":"conversation.item.truncated","item_id":"m"}"#),
        ])
        let found = ConversationCheck.differences(
            upstream: try #require(record.connections.first), bridge: try Self.items([item]), lost: [], cut: ["m": "one two three"])
        #expect(found == [])
    }
}
