package import Realtime

/// The conversation as a session's events describe it: items and responses.
///
/// A pure function of the events: applied to all of a session's events from the first, it gives the rows that stand in the store
/// (invariant I8). It reads both spellings of the protocol.
package struct Projection: Sendable {
    package private(set) var items: [String: ItemRecord] = [:]
    /// Finished responses keep their state but not their object, which can be large and is read from the store.
    package private(set) var responses: [String: ResponseRecord] = [:]
    /// The last `session` object that upstream sent.
    package var configuration: [UInt8]?
    package private(set) var usage = UsageTotals()
    /// Responses in progress, in the order of their creation: few of the many that a session has, and asked for at each of its events.
    private var openResponses: [String] = []
    private var calls = FunctionCalls()
    /// Which response an item that is being produced belongs to, until the conversation names the item.
    private var outputItems: [String: String] = [:]
    private var produced = ProducedContent()
    /// Items that the present upstream conversation does not hold, by the last switch. A conversation does not outlive its connection,
    /// and a projection that is loaded meets a switch before the next item, so this needs no row.
    private var lost: Set<String> = []
    /// The order of ``items``, made when it is first needed.
    private var listing: ItemListing?

    package init() {}

    /// The projection that the stored rows of a session amount to.
    package init(items: [ItemRecord], responses: [ResponseRecord], configuration: [UInt8]?, usage: UsageTotals) {
        for item in items {
            self.items[item.id] = item
            if let json = item.object { calls.note(json, of: item.id, isDeleted: item.isDeleted) }
        }
        for response in responses { self.responses[response.id] = response.doneSeq == nil ? response : response.withoutObject }
        openResponses = responses.filter { $0.doneSeq == nil }.sorted { $0.createdSeq < $1.createdSeq }.map(\.id)
        self.configuration = configuration
        self.usage = usage
    }

    /// The response that writes to the default conversation now; there is at most one (PROTOCOL.md section 6).
    package var activeResponse: ResponseRecord? { responsesInProgress.first { !$0.isOutOfBand } }

    /// In the order of their creation.
    package var responsesInProgress: [ResponseRecord] { openResponses.compactMap { responses[$0] } }

    /// Whether any response is in progress.
    package var isResponding: Bool { !openResponses.isEmpty }

    /// The conversation as it stands, in its order.
    package var conversation: [ItemRecord] { ItemChain.ordered(Array(items.values)).filter { !$0.isDeleted } }

    /// Call ids of completed `function_call` items in the conversation that have no `function_call_output` item there.
    ///
    /// Deleted items do not count, on either side: without its output a call waits again, and takes another one; without the call nobody
    /// waits. A call that a switch lost upstream is still one of the conversation's.
    package var pendingCalls: Set<String> { calls.pending }

    /// Call ids that have a `function_call_output` item in the conversation.
    package var answeredCalls: Set<String> { calls.answered }

    /// Whether a call ever had an output, one that is deleted by now too.
    package func isGivenOutput(call: String) -> Bool { calls.given.contains(call) }

    /// The item in the conversation that makes a call, finished or not.
    package func call(_ id: String) -> ItemRecord? { calls.maker(of: id).flatMap { items[$0] } }

    /// What calls have in common that were made together, and that only all their outputs answer: the response that made them, or, for
    /// calls that were given to the session, the first of those that stand side by side.
    package func turn(ofCall id: String) -> String? {
        guard let item = call(id) else { return nil }
        if let response = item.responseID { return response }
        let conversation = self.conversation
        guard var place = conversation.firstIndex(where: { $0.id == item.id }) else { return nil }
        while place > 0, conversation[place - 1].responseID == nil, calls.concern(conversation[place - 1].id) { place -= 1 }
        return conversation[place].id
    }

    package var itemCount: Int { items.values.count { !$0.isDeleted } }

    /// Applies one event and says which rows it made or changed.
    /// - Parameter seq: the event's position in the session.
    package mutating func apply(_ event: ServerEvent, seq: Int) -> [ProjectionChange] {
        switch event.name {
        case .sessionCreated, .sessionUpdated, .transcriptionSessionCreated, .transcriptionSessionUpdated:
            configuration = event.json["session"].map { Array($0.lexeme) } ?? configuration
            return []
        case .conversationItemCreated, .conversationItemAdded, .conversationItemDone:
            return named(event, seq)
        case .responseOutputItemAdded:
            if let item = event.itemID, let response = event.responseID { outputItems[item] = response }
            return []
        case .responseOutputItemDone:
            return event.itemID.flatMap { items[$0] } == nil ? [] : named(event, seq)
        case .responseTextDelta, .responseOutputTextDelta, .responseAudioTranscriptDelta, .responseOutputAudioTranscriptDelta:
            if let id = event.itemID, isBeingProduced(id) { produced.add(event, to: id) }
            return []
        case .responseAudioDelta, .responseOutputAudioDelta:
            guard let delta = event.json["delta"]?.stringBytes else { return [] }
            return change(event.itemID, seq) { $0.producedAudioBytes += Base64.decodedCount(delta) }
        case .conversationItemDeleted:
            event.itemID.map {
                calls.remove($0)
                produced.remove($0)
            }
            return change(event.itemID, seq) { $0.isDeleted = true }
        case .conversationItemTruncated:
            return change(event.itemID, seq) {
                // What was cut once is gone: a later cut behind it, which only the bridge tells of an item that is text by now, gives none back.
                $0.truncatedAtMilliseconds = [$0.truncatedAtMilliseconds, event.json["audio_end_ms"]?.int].compactMap { $0 }.min()
            }
        case .conversationItemInputAudioTranscriptionCompleted:
            return transcribed(event, seq)
        case .responseCreated:
            return created(event, seq)
        case .responseDone:
            return done(event, seq)
        default:
            if event.type == BridgeEvent.switchedType {
                lost = Set((event.json["items_lost"]?.elements ?? []).compactMap { $0["id"]?.string })
            }
            return []
        }
    }

    private mutating func named(_ event: ServerEvent, _ seq: Int) -> [ProjectionChange] {
        guard let item = event.json["item"], let id = item["id"]?.string else { return [] }
        calls.note(item, of: id, isDeleted: items[id]?.isDeleted ?? false)
        if items[id] != nil {
            let status = item["status"]?.string
            if status != ItemRecord.inProgress { produced.remove(id) }
            return change(id, seq) {
                $0.json = Array(item.lexeme)
                $0.status = status
            }
        }
        let record = ItemRecord(
            id: id, createdSeq: seq, previousItemID: predecessor(event), json: Array(item.lexeme),
            status: item["status"]?.string,
            responseID: outputItems.removeValue(forKey: id))
        items[id] = record
        if listing?.insert(id, behind: record.previousItemID) == false { listing = nil }
        return [.item(record)]
    }

    private func isBeingProduced(_ id: String) -> Bool {
        guard let item = items[id], item.status == ItemRecord.inProgress, let response = item.responseID else { return false }
        return openResponses.contains(response)
    }

    /// Null says that the item is the conversation's first; servers that never send the member only ever append.
    private mutating func predecessor(_ event: ServerEvent) -> String? {
        guard event.json["previous_item_id"] != nil else { return listed().last }
        return lost.isEmpty ? event.previousItemID : behindLostItems(after: event.previousItemID)
    }

    /// Upstream puts an item behind one that it holds; what it does not hold and was said right after that one was said before the new
    /// item too. Deleted items are passed over: they keep nothing apart.
    private mutating func behindLostItems(after previous: String?) -> String? {
        let listing = listed()
        var place = previous
        var next = listing.follower(of: previous)
        while let id = next, let item = items[id], item.isDeleted || lost.contains(id) {
            if !item.isDeleted { place = id }
            next = listing.follower(of: id)
        }
        return place
    }

    private mutating func listed() -> ItemListing {
        let listing = self.listing ?? ItemListing(Array(items.values))
        self.listing = listing
        return listing
    }

    private mutating func change(_ id: String?, _ seq: Int, _ body: (inout ItemRecord) -> Void) -> [ProjectionChange] {
        guard let id, var record = items[id] else { return [] }
        body(&record)
        record.updatedSeq = seq
        items[id] = record
        return [.item(record)]
    }

    /// Puts the transcript into the content part it belongs to.
    private mutating func transcribed(_ event: ServerEvent, _ seq: Int) -> [ProjectionChange] {
        guard let id = event.itemID, let record = items[id], let transcript = event.json["transcript"],
            let item = record.object, let part = item["content"]?[event.json["content_index"]?.int ?? 0],
            part.kind == .object
        else { return [] }
        var splice = JSONSplice(item)
        splice.set("transcript", of: part, to: Array(transcript.lexeme))
        return change(id, seq) { $0.json = splice.bytes }
    }

    private mutating func created(_ event: ServerEvent, _ seq: Int) -> [ProjectionChange] {
        // A second one of the same id changes nothing: it would open the response again and let it end twice (I9).
        guard let response = event.json["response"], let id = response["id"]?.string, responses[id] == nil else { return [] }
        let record = ResponseRecord(
            id: id, createdSeq: seq, status: response["status"]?.string ?? "in_progress", json: Array(response.lexeme),
            token: CorrelationToken.read(from: response), isOutOfBand: response["conversation_id"]?.isNull == true)
        responses[id] = record
        openResponses.append(id)
        return [.response(record)]
    }

    private mutating func done(_ event: ServerEvent, _ seq: Int) -> [ProjectionChange] {
        // A terminal without a `response.created`, or a second one, changes nothing: there is exactly one per response (I9).
        guard let response = event.json["response"], let id = response["id"]?.string, var record = responses[id], record.doneSeq == nil
        else { return [] }
        record.status = response["status"]?.string ?? "completed"
        record.json = Array(response.lexeme)
        record.doneSeq = seq
        responses[id] = record.withoutObject
        openResponses.removeAll { $0 == id }
        usage.add(response["usage"])
        outputItems = outputItems.filter { $0.value != id }
        let open = items.values.filter { $0.responseID == id && $0.status == ItemRecord.inProgress }.sorted {
            $0.createdSeq < $1.createdSeq
        }
        return [.response(record)] + open.flatMap { interrupted($0, seq) }
    }

    /// An item that its response left open: nothing will finish it any more, and it holds what was produced of it.
    private mutating func interrupted(_ item: ItemRecord, _ seq: Int) -> [ProjectionChange] {
        defer { produced.remove(item.id) }
        guard let json = item.object else { return [] }
        var splice = JSONSplice(json)
        splice.set("status", of: json, to: JSONValue.string("incomplete").bytes)
        produced.complete(json, of: item.id, in: &splice)
        return change(item.id, seq) {
            $0.status = "incomplete"
            $0.json = splice.bytes
        }
    }
}

extension ResponseRecord {
    fileprivate var withoutObject: ResponseRecord {
        var record = self
        record.json = []
        return record
    }
}

extension UsageTotals {
    /// Adds the `usage` object of one response; null and missing counts add nothing.
    fileprivate mutating func add(_ usage: JSON?) {
        Self.add(usage?["total_tokens"], to: &totalTokens)
        Self.add(usage?["input_tokens"], to: &inputTokens)
        Self.add(usage?["output_tokens"], to: &outputTokens)
    }

    /// The counts are upstream's word: a negative one is none, and a sum that does not fit stays at the largest that does.
    private static func add(_ count: JSON?, to total: inout Int) {
        guard let count = count?.int, count > 0 else { return }
        let (sum, overflows) = total.addingReportingOverflow(count)
        total = overflows ? .max : sum
    }
}
