import Testing

@testable import Realtime

@Suite struct JSONTests {
    @Test(arguments: [
        #"{}"#, #" [ ] "#, #"{"a":1,"b":[true,false,null],"c":{"d":"e"}}"#, #"-0.5e+10"#, #""\u00e9\ud83d\ude00\n\"""#, "\"äöü€😀\"", "0",
    ])
    func acceptsWhatTheGrammarAllows(text: String) throws {
        let json = try JSON.parse(text)
        #expect(String(decoding: json.lexeme, as: UTF8.self) == text.trimmingSpaces)
    }

    @Test(arguments: [
        ("", JSONError.Reason.unexpectedEnd), ("{", .unexpectedEnd), (#"{"a"}"#, .unexpectedByte), (#"{"a":1,}"#, .unexpectedByte),
        ("[1,]", .unexpectedByte), ("01", .badNumber), ("1.", .badNumber), ("-", .badNumber), ("1e", .badNumber), ("tru", .unexpectedEnd),
        ("trux", .unexpectedByte), (#""\x""#, .badEscape), (#""\u12g4""#, .badEscape), ("\"a\nb\"", .controlCharacter),
        ("1 2", .trailingBytes),
        (#"{"a":1,"a":2}"#, .duplicateName("a")), (#"{"a":1,"\u0061":2}"#, .duplicateName("a")), ("\"aaaaaaaaaaaa", .unexpectedEnd),
        ("nul", .unexpectedEnd), ("'a'", .unexpectedByte), ("{a:1}", .unexpectedByte), ("\"12345678\u{1}\"", .controlCharacter),
    ])
    func refusesWhatItForbids(text: String, reason: JSONError.Reason) {
        #expect { try JSON.parse(text) } throws: { ($0 as? JSONError)?.reason == reason }
    }

    @Test func refusesInvalidUTF8() {
        let bytes: [UInt8] = [0x22, 0xC3, 0x28, 0x22]
        #expect(throws: JSONError(reason: .invalidUTF8, offset: 0)) { try JSON.parse(bytes) }
    }

    @Test func depthIsBounded() throws {
        let deep = { String(repeating: "[", count: $0) + String(repeating: "]", count: $0) }
        _ = try JSON.parse(deep(64))
        #expect(throws: JSONError.self) { try JSON.parse(deep(65)) }
        // Must not overflow the stack either.
        #expect(throws: JSONError.self) { try JSON.parse(deep(1_000_000)) }
    }

    @Test func theNumberOfValuesIsBounded() {
        let many = { "[" + String(repeating: "0,", count: $0 - 2) + "0]" }
        #expect(throws: Never.self) { try JSON.parse(many(1 << 20)) }
        #expect { try JSON.parse(many(1 << 20 + 1)) } throws: { ($0 as? JSONError)?.reason == .tooManyValues }
    }

    @Test func duplicatesAreFoundAmongMany() {
        let names = (0..<1_000).map { "\"k\($0)\":0" }
        #expect(throws: Never.self) { try JSON.parse("{" + names.joined(separator: ",") + "}") }
        #expect(throws: JSONError.self) { try JSON.parse("{" + (names + [names[7]]).joined(separator: ",") + "}") }
    }

    @Test(arguments: [
        (#""AA//""#, "AA//"), (#""AA\/\u002f""#, "AA//"), (#""""#, ""), ("\"é\"", "é"), (#""\ud83d\ude00\n""#, "\u{1F600}\n"),
    ])
    func aStringsBytesAreItsTextDecoded(text: String, bytes: String) throws {
        #expect(try JSON.parse(text).stringBytes.map(Array.init) == Array(bytes.utf8))
        #expect(try JSON.parse("[1,\(text)]")[1]?.stringBytes.map(Array.init) == Array(bytes.utf8))
        #expect(try JSON.parse("[1,\(text)]").stringBytes == nil)
    }

    @Test func readsMembersElementsAndScalars() throws {
        let json = try JSON.parse(#"{"type":"x","n":12,"f":1.50,"t":true,"list":[1,{"k":"v"}],"s":"a\"\u00e9\ud83d\ude00","nil":null}"#)
        #expect(json["type"]?.string == "x")
        #expect(json["n"]?.int == 12)
        #expect(json["f"]?.double == 1.5)
        #expect(json["f"].map { String(decoding: $0.lexeme, as: UTF8.self) } == "1.50")
        #expect(json["t"]?.bool == true)
        #expect(json["list"]?[1]?["k"]?.string == "v")
        #expect(json["list"]?.elements.count == 2)
        #expect(json["s"]?.string == "a\"é😀")
        #expect(json["nil"]?.isNull == true)
        #expect(json["absent"] == nil)
        #expect(json.members.map(\.name) == ["type", "n", "f", "t", "list", "s", "nil"])
    }

    /// The fast path looks at eight bytes at a time: every length and every position of the interesting byte must agree with it.
    @Test func stringsOfEveryLengthAndSpecialPosition() throws {
        for length in 0..<40 {
            let plain = String(repeating: "a", count: length)
            #expect(try JSON.parse("\"\(plain)\"").string == plain)
            for position in 0..<length {
                for (spelt, meant) in [("\\\"", "\""), ("\\\\", "\\"), ("é", "é"), ("\u{7f}", "\u{7f}")] {
                    let before = String(repeating: "b", count: position)
                    let after = String(repeating: "c", count: length - position)
                    #expect(try JSON.parse("\"\(before)\(spelt)\(after)\"").string == before + meant + after)
                }
            }
        }
    }

    @Test func writesWhatItReads() throws {
        let value: JSONValue = ["a": 1, "b": [true, nil, "x\"\\\n\u{1}é"], "c": .raw(Array(#"{"n":1.00}"#.utf8))]
        let text = String(decoding: value.bytes, as: UTF8.self)
        #expect(text == #"{"a":1,"b":[true,null,"x\"\\\n\u0001é"],"c":{"n":1.00}}"#)
        #expect(try JSON.parse(text)["b"]?[2]?.string == "x\"\\\n\u{1}é")
    }

    @Test(arguments: [
        (["a"], [:], #"{"b" : 2.00, "c":3}"#), (["b"], [:], #"{ "a": 1,"c":3}"#), (["c"], [:], #"{ "a": 1, "b" : 2.00}"#),
        (["a", "b", "c"], [:], "{}"), (["a", "b", "c"], ["z": "9"], #"{"z":9}"#), ([], ["z": "9"], #"{ "a": 1, "b" : 2.00, "c":3,"z":9}"#),
        (["a", "b"], ["c": "4"], #"{"c":4}"#), (["c"], ["b": "7", "d": "8"], #"{ "a": 1, "b" : 7,"d":8}"#),
        (["nope"], [:], #"{ "a": 1, "b" : 2.00, "c":3}"#),
    ])
    func splicesKeepUntouchedBytes(remove: [String], set: [String: String], expected: String) throws {
        let json = try JSON.parse(#"{ "a": 1, "b" : 2.00, "c":3}"#)
        var splice = JSONSplice(json)
        for name in remove { splice.remove(name, from: json) }
        for (name, value) in set.sorted(by: { $0.key < $1.key }) { splice.set(name, of: json, to: Array(value.utf8)) }
        #expect(String(decoding: splice.bytes, as: UTF8.self) == expected)
    }

    @Test func splicesNestedObjects() throws {
        let json = try JSON.parse(
            #"{"type":"response.created","response":{"id":"r","metadata":{"realtime_bridge":"t","mine":"x"}},"e":1.0}"#)
        let metadata = try #require(json["response"]?["metadata"])
        var splice = JSONSplice(json)
        splice.remove("realtime_bridge", from: metadata)
        splice.set("event_id", of: json, to: Array(#""event_1""#.utf8))
        #expect(
            String(decoding: splice.bytes, as: UTF8.self)
                == #"{"type":"response.created","response":{"id":"r","metadata":{"mine":"x"}},"e":1.0,"event_id":"event_1"}"#)
    }
}

extension String {
    fileprivate var trimmingSpaces: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
