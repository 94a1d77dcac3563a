import Audio
import Realtime
import Testing

@testable import BridgeAPI

/// Which bytes a machine gives of which events, and where it ends.
@Suite struct ProducedMachineTests {
    /// `A3` is three bytes of part A, `A.` its end, `!` the end of the response, `x` a failed one, `A|20` a cut of its item.
    private static func event(_ text: Substring) throws -> ProducedEvent {
        switch text.first {
        case "!"?: return .responseDone(hasFailed: false)
        case "x"?: return .responseDone(hasFailed: true)
        case "-"?: return .other
        default: break
        }
        let part = ProducedPart(item: String(text.prefix(1)), index: 0)
        let rest = text.dropFirst()
        if rest == "." { return .partDone(part) }
        if rest == "," { return .itemDone(part.item) }
        if rest.first == "|" { return .truncated(part.item, milliseconds: try #require(Int(rest.dropFirst()))) }
        let bytes = Base64.encoded(sound(try #require(Int(rest)))[...])
        return .delta(part, ProducedDelta(bytes[...], .speech))
    }

    /// What is written, as `A3`, and how it ends. Reads like the runners do, asking for each event by its number.
    private static func run(
        _ script: String, item: String? = nil, through last: Int? = nil, cuts: [String: Int] = [:], bytes: Range<Int>? = nil,
        failsWithResponse: Bool = true
    ) throws -> (written: [String], ending: ProducedMachine.Step, reads: Int) {
        let events = script.split(separator: " ")
        var machine = ProducedMachine(
            after: 0, through: last, of: ProducedSelection(content: .speech, response: "r", item: item),
            // A byte is a millisecond.
            format: SoundFormat(.muLaw, rate: 1_000), cuts: cuts, failsWithResponse: failsWithResponse)
        if let bytes { machine = machine.giving(bytes, cutting: cuts) }
        var written: [String] = []
        var reads = 0
        while true {
            let step = machine.next()
            guard case .event(let seq) = step, seq < events.count else { return (written, step, reads) }
            reads += 1
            let event = try Self.event(events[seq])
            if case .write(let range) = machine.offered(seq + 1, event), case .delta(let part, _) = event {
                written.append(range.lowerBound == 0 ? "\(part.item)\(range.count)" : "\(part.item)\(range)")
            }
        }
    }

    @Test(
        arguments: [
            // As servers send it: one part after the other.
            ("A3 - A2 A. A, B4 B. B, !", "A3 A2 B4", 9),
            // Without the ends of parts.
            ("A3 A2 B4 !", "A3 A2 B4", 6),
            ("!", "", 1),
            ("- - !", "", 3),
            // Two at once: each whole, in the order they began.
            ("A1 B2 A3 B4 A. B. !", "A1 A3 B2 B4", 11),
            ("A1 B2 C3 A4 A. C5 B6 B. C. !", "A1 A4 B2 B6 C3 C5", 24),
            // What comes after a part's end is not lost.
            ("A1 A. A2 !", "A1 A2", 4), ("A1 A. B2 A3 B. !", "A1 B2 A3", 9),
        ] as [(String, String, Int)])
    func partsAreGivenWholeInTheOrderTheyBegan(script: String, written: String, reads: Int) throws {
        let run = try Self.run(script)
        #expect(run.written.joined(separator: " ") == written)
        #expect(run.ending == .finish)
        #expect(run.reads <= reads, "what is not mixed is read once")
    }

    @Test func aServerThatMixesWithoutEndIsFollowedAsItSends() throws {
        let script = (0..<2_000).map { "\(["A", "B", "C"][$0 % 3])1 \(["A", "B", "C"][$0 % 3])." }.joined(separator: " ") + " !"
        let mixed = (0..<1_000).map { "\(["A", "B"][$0 % 2])1" }.joined(separator: " ") + " !"
        let returning = (0..<300).map { _ in "A1 B1 A. B." }.joined(separator: " ") + " !"
        for text in [script, mixed, returning] {
            let run = try Self.run(text)
            let expected = text.split(separator: " ").count { $0.hasSuffix("1") }
            #expect(run.written.count == expected && run.ending == .finish)
            #expect(run.reads < 70 * text.split(separator: " ").count)
        }
    }

    @Test(
        arguments: [
            ("A3 A3 A3 !", ["A": 5], "A3 A2"), ("A3 A3 !", ["A": 0], ""), ("A3 A3 B3 !", ["A": 4], "A3 A1 B3"),
            ("A3 A3 !", ["A": 100], "A3 A3"), ("A3 A3 !", ["B": 1], "A3 A3"),
            // Cut while it is spoken: what was given is given.
            ("A3 A|2 A3 !", [:], "A3"), ("A3 A|4 A3 A3 !", [:], "A3 A1"), ("A3 A|4 A|9 A3 !", [:], "A3 A1"),
            ("A|4 A3 A3 !", [:], "A3 A1"), ("A3 A|-5 A3 !", [:], "A3"), ("A3 A|9223372036854775807 A3 !", [:], "A3 A3"),
        ] as [(String, [String: Int], String)])
    func anItemEndsWhereItWasCut(script: String, cuts: [String: Int], written: String) throws {
        let run = try Self.run(script, cuts: cuts)
        #expect(run.written.joined(separator: " ") == written)
        #expect(run.ending == .finish)
    }

    @Test(
        arguments: [
            (0..<9, "A3 A3 A3"), (0..<1, "A1"), (1..<3, "A1..<3"), (2..<7, "A2..<3 A3 A1"), (3..<6, "A3"), (8..<9, "A2..<3"), (0..<0, ""),
        ] as [(Range<Int>, String)])
    func aRangeIsCutOutOfTheDeltas(bytes: Range<Int>, written: String) throws {
        #expect(try Self.run("A3 A3 - A3 A. !", bytes: bytes).written.joined(separator: " ") == written)
        #expect(try Self.run("A3 A3 - A3 A. !", bytes: bytes).ending == .finish)
    }

    @Test func anEndIsWaitedForUntilItIsKnown() throws {
        #expect(try Self.run("A3 A.").ending == .event(after: 2))
        #expect(try Self.run("A3 A. !").ending == .finish)
        // Known before: nothing behind it is looked at.
        #expect(try Self.run("A3 - A3", through: 2).written == ["A3"])
        #expect(try Self.run("A3 - A3", through: 2).ending == .finish)
        // One item ends before its response.
        #expect(try Self.run("A3 A, - -", item: "A").ending == .finish)
        #expect(try Self.run("A3 A, - -").ending == .event(after: 4))
    }

    @Test func aFailedResponseIsNoEndLikeOthers() throws {
        #expect(try Self.run("A3 x").ending == .fail)
        #expect(try Self.run("A3 B1 A2 x").written == ["A3", "A2", "B1"])
        // Read later, it is what was said.
        #expect(try Self.run("A3 x", through: 2, failsWithResponse: false).ending == .finish)
    }

    @Test func whatIsMissingFails() throws {
        var machine = ProducedMachine(
            after: 0, through: nil, of: ProducedSelection(content: .words, response: "r", item: nil), format: nil)
        #expect(machine.next() == .event(after: 0))
        #expect(machine.found(.caughtUp) == .wait)
        #expect(machine.found(.behind) == .read(after: 0))
        #expect(machine.next() == .wait)
        machine.readEvents()
        #expect(machine.next() == .event(after: 0))
        #expect(machine.offered(2, .other) == .skip)
        #expect(machine.next() == .fail)
        machine.fail()
        #expect(machine.next() == .fail)
    }
}
