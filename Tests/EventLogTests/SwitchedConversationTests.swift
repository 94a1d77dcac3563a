import Realtime
import TestSupport
import Testing

@testable import EventLog

/// Where items stand that are made after a switch: the new upstream conversation knows only what was replayed.
@Suite(.timeLimit(.minutes(2)))
struct SwitchedConversationTests {
    private static func item(_ id: String, after previous: String?) -> String {
        let member = previous.map { "\"\($0)\"" } ?? "null"
        return #"{"type":"conversation.item.added","previous_item_id":\#(member),"item":{"id":"\#(id)"}}"#
    }

    private static func appended(_ id: String) -> String { #"{"type":"conversation.item.added","item":{"id":"\#(id)"}}"# }

    private static func deleted(_ id: String) -> String { #"{"type":"conversation.item.deleted","item_id":"\#(id)"}"# }

    private static func switched(_ lost: [String]) -> String {
        let event = BridgeEvent.switched(
            reason: "expired", generation: 2, stateRestored: lost.isEmpty, itemsReplayed: 0, itemsLost: lost.map { ($0, "refused") },
            itemsAltered: [])
        return String(decoding: event, as: UTF8.self)
    }

    private static let abcd = [item("a", after: nil), item("b", after: "a"), item("c", after: "b"), item("d", after: "c")]

    struct Row: Sendable, CustomTestStringConvertible {
        let frames: [String]
        let order: [String]
        var testDescription: String { order.joined() }
    }

    @Test(arguments: [
        // Behind what was lost right behind it.
        Row(frames: [switched(["b", "c"]), item("x", after: "a")], order: ["a", "b", "c", "x", "d"]),
        Row(frames: [switched(["b"]), item("x", after: "a"), item("y", after: "c")], order: ["a", "b", "x", "c", "y", "d"]),
        Row(frames: [switched(["b"]), item("x", after: "d")], order: ["a", "b", "c", "d", "x"]),
        // At the beginning.
        Row(frames: [switched(["a", "b"]), item("x", after: nil)], order: ["a", "b", "x", "c", "d"]),
        Row(frames: [switched(["b"]), item("x", after: nil)], order: ["x", "a", "b", "c", "d"]),
        Row(
            frames: [switched(["a", "b", "c", "d"]), item("x", after: nil), item("y", after: "x")], order: ["a", "b", "c", "d", "x", "y"]),
        // Of several behind the same one the latest is nearest.
        Row(frames: [switched(["b"]), item("x", after: "a"), item("y", after: "a")], order: ["a", "b", "y", "x", "c", "d"]),
        Row(frames: [switched(["a"]), item("x", after: nil), item("y", after: nil)], order: ["a", "y", "x", "b", "c", "d"]),
        // A deleted one keeps nothing apart, whenever it was deleted.
        Row(frames: [deleted("b"), switched(["c"]), item("x", after: "a")], order: ["a", "c", "x", "d"]),
        Row(frames: [switched(["c"]), deleted("b"), item("x", after: "a")], order: ["a", "c", "x", "d"]),
        Row(frames: [deleted("b"), switched([]), item("x", after: "a")], order: ["a", "x", "c", "d"]),
        Row(frames: [switched(["b"]), deleted("b"), item("x", after: "a")], order: ["a", "x", "c", "d"]),
        // The next switch says all that is lost then.
        Row(
            frames: [switched(["b"]), switched(["c"]), item("x", after: "a"), item("y", after: "b")], order: ["a", "x", "b", "c", "y", "d"]),
        // Without a word on its place.
        Row(frames: [switched(["d"]), appended("x")], order: ["a", "b", "c", "d", "x"]),
        // Lost items that this session never had: those of the one that it was made from.
        Row(frames: [switched(["z"]), item("x", after: "d"), item("y", after: nil)], order: ["y", "a", "b", "c", "d", "x"]),
    ])
    func anItemStandsBehindWhatWasSaidBeforeIt(_ row: Row) throws {
        var projection = Projection()
        for (index, frame) in (Self.abcd + row.frames).enumerated() {
            _ = projection.apply(try #require(ServerEvent(Array(frame.utf8))), seq: index + 1)
        }
        #expect(projection.conversation.map(\.id) == row.order)
    }

    /// Two plain lists: what upstream holds now, and all that is shown.
    private struct Model {
        var upstream: [String] = []
        var shown: [String] = []
        var names = 0

        mutating func add(after position: Int, isAppended: Bool) -> (id: String, previous: String?) {
            names += 1
            let id = "i\(names)"
            let previous = position == 0 ? nil : upstream[position - 1]
            let lost = Set(shown).subtracting(upstream)
            upstream.insert(id, at: position)
            var place = previous.flatMap { shown.firstIndex(of: $0) }.map { $0 + 1 } ?? 0
            while place < shown.count, lost.contains(shown[place]) { place += 1 }
            shown.insert(id, at: isAppended ? shown.count : place)
            return (id, previous)
        }

        mutating func delete(_ id: String) {
            upstream.removeAll { $0 == id }
            shown.removeAll { $0 == id }
        }

        mutating func replay(losing lost: Set<String>) {
            upstream = shown.filter { !lost.contains($0) }
        }
    }

    @Test(arguments: 1...60 as ClosedRange<UInt64>)
    func conversationsOverManyConnectionsKeepTheirOrder(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var model = Model()
        var live = Projection()
        var frames: [String] = []
        var rows: [String: ItemRecord] = [:]
        func apply(_ frame: String, to projection: inout Projection, seq: Int) throws -> [ProjectionChange] {
            projection.apply(try #require(ServerEvent(Array(frame.utf8))), seq: seq)
        }
        for _ in 0..<150 {
            let frame: String
            switch Int.random(in: 0..<20, using: &random) {
            case 0...11:
                // Mostly at the end, as conversations go.
                let isLast = Bool.random(using: &random)
                let position = isLast ? model.upstream.count : Int.random(in: 0...model.upstream.count, using: &random)
                let isSilent = isLast && Int.random(in: 0..<3, using: &random) == 0
                let (id, previous) = model.add(after: position, isAppended: isSilent)
                frame = isSilent ? Self.appended(id) : Self.item(id, after: previous)
            case 12...14:
                // What the bridge holds but upstream does not can be deleted as well.
                guard let id = model.shown.randomElement(using: &random) else { continue }
                model.delete(id)
                frame = Self.deleted(id)
            case 15...16:
                // In place of the one in memory comes one made from the rows.
                live = Projection(items: rows.values.shuffled(using: &random), responses: [], configuration: nil, usage: UsageTotals())
                fallthrough
            default:
                let share = [0, 1, 3, 10].randomElement(using: &random) ?? 0
                let lost = model.shown.filter { _ in Int.random(in: 0..<10, using: &random) < share }
                model.replay(losing: Set(lost))
                frame = Self.switched(lost)
            }
            frames.append(frame)
            for case .item(let item) in try apply(frame, to: &live, seq: frames.count) { rows[item.id] = item }
            #expect(live.conversation.map(\.id) == model.shown)
        }
        // I8: the log alone gives the same rows.
        var rebuilt = Projection()
        for (index, frame) in frames.enumerated() { _ = try apply(frame, to: &rebuilt, seq: index + 1) }
        #expect(rebuilt.items == rows)
        #expect(live.items == rows)
    }

    /// Upstream's word on places is not to be relied on: items behind unknown ones, behind themselves, in circles.
    @Test(arguments: 1...30 as ClosedRange<UInt64>)
    func aListingKeptUpIsTheOneMadeAnew(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var items: [ItemRecord] = []
        var listing: ItemListing?
        for id in (0..<60).map({ "\($0)" }).shuffled(using: &random) {
            let previous = Int.random(in: 0..<8, using: &random) == 0 ? nil : "\(Int.random(in: 0..<60, using: &random))"
            items.append(.named(id, seq: items.count + 1, after: previous))
            if listing?.insert(id, behind: previous) != true { listing = ItemListing(items) }
            let order = ItemChain.ordered(items).map(\.id)
            #expect(Self.order(listing) == order)
            #expect(listing?.last == order.last)
        }
    }

    private static func order(_ listing: ItemListing?) -> [String] {
        var order: [String] = []
        while let next = listing?.follower(of: order.last), order.count < 1000 { order.append(next) }
        return order
    }
}
