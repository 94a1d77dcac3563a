import Realtime

/// Which sessions to list, in which order. Those that were made for one response are in no list.
package struct SessionQuery: Sendable {
    package enum Order: Sendable { case newestFirst, oldestFirst }

    package enum Owner: Sendable, Equatable {
        case any
        /// Nil: sessions that belong to nobody.
        case exactly(String?)
        /// Those and the ones that belong to nobody.
        case exactlyOrNobody(String?)
    }

    package var order = Order.newestFirst
    /// So many sessions that were deleted last can still be cursors.
    static let forgottenPlaces = 10_000

    /// Only what follows this session in `order`.
    package var after: String?
    /// Only what precedes this session in `order`, the nearest to it.
    package var before: String?
    package var limit: Int
    /// Nil: any.
    package var statuses: [SessionRecord.Status]?
    package var owner: Owner
    /// Each pair must be in the session's metadata.
    package var metadata: [String: String] = [:]

    package init(owner: Owner, limit: Int = 20) {
        self.owner = owner
        self.limit = limit
    }
}

/// A session as lists show it.
package struct SessionSummary: Sendable, Equatable {
    package let record: SessionRecord
    /// Where its history ends.
    package let last: EventPosition
    /// Items that are not deleted.
    package let itemCount: Int
    /// The newest response in progress that belongs to the conversation.
    package let activeResponseID: String?
}

package struct SessionPage: Sendable, Equatable {
    package let summaries: [SessionSummary]
    /// There are more in the direction of reading.
    package let hasMore: Bool
    /// False, with an empty page, if the query's cursor is no session's, nor that of one of those deleted last.
    package let isCursorKnown: Bool

    init(summaries: [SessionSummary], hasMore: Bool, isCursorKnown: Bool = true) {
        self.summaries = summaries
        self.hasMore = hasMore
        self.isCursorKnown = isCursorKnown
    }

    static let ofUnknownCursor = SessionPage(summaries: [], hasMore: false, isCursorKnown: false)
}

/// All that is stored of a session but its events: what a session is rebuilt from.
package struct StoredSession: Sendable, Equatable {
    package let record: SessionRecord
    /// In conversation order, deleted ones too.
    package let items: [ItemRecord]
    /// In the order of their creation.
    package let responses: [ResponseRecord]
    /// The oldest event that can be read; 1 without any.
    package let firstSeq: Int
    /// The newest event; 0 without any.
    package let lastSeq: Int

    /// Items that a response in progress is producing, by id.
    var unfinishedItems: [String: ItemRecord] {
        let open = Set(responses.filter { $0.doneSeq == nil }.map(\.id))
        let unfinished = items.filter { item in
            item.status == ItemRecord.inProgress && !item.isDeleted && item.responseID.map(open.contains) ?? false
        }
        return Dictionary(unfinished.map { ($0.id, $0) }) { first, _ in first }
    }

    /// With the text that was produced of its unfinished items.
    func holding(_ produced: ProducedContent) -> StoredSession {
        let unfinished = unfinishedItems
        let items = items.map { item in
            guard unfinished[item.id] != nil, let json = item.object else { return item }
            var item = item
            var splice = JSONSplice(json)
            produced.complete(json, of: item.id, in: &splice)
            item.json = splice.bytes
            return item
        }
        return StoredSession(record: record, items: items, responses: responses, firstSeq: firstSeq, lastSeq: lastSeq)
    }
}
