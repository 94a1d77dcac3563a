import EventLog
import Realtime

/// The cut of an answer at what was heard of it, to be made once the response that speaks it has ended.
struct PlannedCut: Equatable, Sendable {
    let id: CommandID
    var eventID = BridgeEventID.make(random: .random(in: .min ... .max), callers: nil)
    let playedMilliseconds: Int
    /// Nil: the last answer with sound, of the response that was stopped if one was.
    let itemID: String?
}

// Stopping an answer and cutting it at what was heard, in this order: before its response has ended, upstream may add to the item.
extension SessionStateMachine {
    /// Stops the response in progress, or one that was asked for, and cuts what was said.
    /// - Parameters:
    ///   - id: of the cancel.
    ///   - mark: what its `event_id` is made of.
    /// - Returns: the cancel, if there is something to stop; and whether a cut is on its way or follows it.
    mutating func interrupt(
        _ id: CommandID, mark: UInt64, cutting cut: PlannedCut?, at now: Int
    ) throws(SessionError) -> (cancel: Command?, isCutPlanned: Bool, actions: [Action]) {
        if let cancel = cancelOfActive(id: id, mark: mark) {
            let actions = try take(cancel, at: now)
            cuts[id] = cut
            return (cancel, cut != nil, actions)
        }
        guard let cut, let command = command(for: cut, stopped: nil, isCutShort: false) else {
            try refuseIfEnded()
            return (nil, false, [])
        }
        return (nil, true, try take(command, at: now))
    }

    /// The cancel's answer has come: makes the cut that waited for it. It is sent before whatever the response's end lets go on.
    mutating func cutBehind(_ match: ReplyMatcher.Match, _ event: ServerEvent) -> [Action] {
        guard !cuts.isEmpty, let planned = cuts.removeValue(forKey: match.command.id) else { return [] }
        let response = match.stage == .finished ? event.json["response"] : nil
        let isCutShort = response.map { $0["status"]?.string != "completed" } ?? false
        guard let command = command(for: planned, stopped: response?["id"]?.string, isCutShort: isCutShort) else {
            return [.accept([planned.id])]
        }
        queue.append(command)
        return []
    }

    /// The cancel of the response in progress, or of one that was asked for; nil if there is neither.
    private func cancelOfActive(id: CommandID, mark: UInt64) -> Command? {
        let active = projection.activeResponse?.id
        guard active != nil || unanswered.contains(where: { $0.kind.isCreationInConversation }) else { return nil }
        let event = ClientEvent(
            .responseCancel, eventID: BridgeEventID.make(random: mark, callers: nil),
            active.map { [("response_id", .string($0))] } ?? [])
        return Command(id: id, kind: .responseCancel(responseID: active), event: event)
    }

    func refuseCut(of itemID: String) throws(SessionError) {
        guard let item = projection.items[itemID], !item.isDeleted else {
            throw SessionError(.itemNotFound, "there is no item '\(itemID.prefix(64))' in this session", param: "item_id")
        }
        guard item.responseID != nil || item.producedAudioBytes > 0 else {
            throw SessionError(.invalidValue, "the item '\(itemID)' is no answer of this session's, so it has no sound", param: "item_id")
        }
    }

    /// The command that cuts; nil if nothing is to be cut: all of it was heard, or it was cut there before, or it has no sound.
    /// - Parameters:
    ///   - response: the one that was stopped; nil if none was.
    ///   - isCutShort: it was stopped before its end, so what was not heard may have words in the conversation.
    private func command(for cut: PlannedCut, stopped response: String?, isCutShort: Bool) -> Command? {
        guard let item = cut.itemID.flatMap({ projection.items[$0] }) ?? (cut.itemID == nil ? lastSpoken(by: response) : nil),
            item.producedAudioBytes > 0, !item.isDeleted,
            !unanswered.contains(where: { $0.kind == .itemTruncate(itemID: item.id) })
        else { return nil }
        let produced = AudioFormat.output(of: record, profile).milliseconds(bytes: item.producedAudioBytes)
        let left = min(produced, item.truncatedAtMilliseconds ?? .max)
        let isStopped = isCutShort && item.responseID == response && item.truncatedAtMilliseconds == nil
        guard cut.playedMilliseconds < left || isStopped else { return nil }
        let event = ClientEvent(
            .conversationItemTruncate, eventID: cut.eventID,
            [
                ("item_id", .string(item.id)), ("content_index", .int(Self.soundIndex(item))),
                ("audio_end_ms", .int(min(cut.playedMilliseconds, left))),
            ])
        return Command(id: cut.id, kind: .itemTruncate(itemID: item.id), event: event)
    }

    /// The last item with sound of that response, or of the conversation.
    private func lastSpoken(by response: String?) -> ItemRecord? {
        guard let response else { return projection.conversation.last { $0.producedAudioBytes > 0 } }
        return projection.items.values.filter { $0.responseID == response && $0.producedAudioBytes > 0 }
            .max { $0.createdSeq < $1.createdSeq }
    }

    private static func soundIndex(_ item: ItemRecord) -> Int {
        let content = (try? JSON.parse(item.json, maximumDepth: 256))?["content"]?.elements ?? []
        return content.firstIndex { ["audio", "output_audio"].contains($0["type"]?.string) } ?? 0
    }
}
