import Testing

@testable import EventLog

struct ItemChainTests {
    @Test(
        arguments: [
            ([], []),
            ([("a", nil), ("b", "a"), ("c", "b")], ["a", "b", "c"]),
            // Put in between later on: nearest to its predecessor.
            ([("a", nil), ("b", "a"), ("c", "a")], ["a", "c", "b"]),
            ([("a", nil), ("b", "a"), ("c", "a"), ("d", "c")], ["a", "c", "d", "b"]),
            // Put in front of all.
            ([("a", nil), ("b", nil)], ["b", "a"]),
            ([("x", "gone"), ("a", nil), ("b", "x")], ["a", "x", "b"]),
            ([("p", "q"), ("q", "p"), ("a", nil)], ["a", "p", "q"]),
        ] as [([(String, String?)], [String])])
    func itemsFollowTheirPredecessors(_ rows: [(String, String?)], _ order: [String]) {
        let items = rows.enumerated().map { ItemRecord.named($1.0, seq: $0 + 1, after: $1.1) }
        #expect(ItemChain.ordered(items.shuffled()).map(\.id) == order)
    }

    @Test func aLongChainIsNoDeepRecursion() {
        let items = (0..<100_000).map { ItemRecord.named("\($0)", seq: $0, after: $0 == 0 ? nil : "\($0 - 1)") }
        #expect(ItemChain.ordered(items.reversed()).map(\.createdSeq) == Array(0..<100_000))
    }
}
