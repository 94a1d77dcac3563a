import Audio
import EventLog
import Realtime
import Sessions

extension ProducedAnswers {
    /// A response as every route shows it: upstream's object with all its words as `output_text` and, where there is something to hear,
    /// `output_audio`.
    ///
    /// In one that the bridge had to end there is nothing of what had come. That is read from its events, as ``response(_:_:in:eventID:wait:)``
    /// does for who asks for the words or the speech alone.
    /// - Parameters:
    ///   - response: the object as upstream spelt it; nil is shown as null.
    ///   - more: members of the bridge's.
    func view(of response: JSON?, _ more: [(String, JSONValue)] = []) async throws -> JSONValue {
        guard let response else { return .null }
        return ResponseView.value(
            Array(response.lexeme), in: commands.view, try await audioMember(of: response) + more,
            words: ResponseView.isLost(response) ? try await wordsOfLost(response) : nil)
    }

    /// The member `output_audio` of a response whose `…/audio` has something to give; none of any other.
    /// - Parameter response: the object as upstream spelt it.
    func audioMember(of response: JSON?) async throws -> [(String, JSONValue)] {
        guard let response, case let items = ResponseView.spokenItems(of: response), !items.isEmpty || ResponseView.isLost(response),
            let record = try await record(of: response), isThere(after: record.createdSeq),
            let duration = try await milliseconds(of: items, record, response)
        else { return [] }
        return [
            (
                "output_audio",
                [
                    "format": "audio/wav", "href": .string("/v1/sessions/\(commands.session.id)/responses/\(record.id)/audio"),
                    "duration_ms": .int(duration),
                ]
            )
        ]
    }

    private func record(of response: JSON) async throws(EventLogError) -> ResponseRecord? {
        guard let id = response["id"]?.string else { return nil }
        return try await commands.api.log.response(id, of: commands.session.id)
    }

    /// Nil without any audio: an item may have been cancelled before its first sound.
    private func milliseconds(of items: [String], _ record: ResponseRecord, _ response: JSON) async throws -> Int? {
        let (stated, usual) = (await commands.session.outputFormat(statedBy: response), await commands.session.outputFormat)
        let format = stated ?? usual
        var sum: Int?
        for id in items {
            guard let item = try await commands.api.log.item(id, of: commands.session.id) else {
                // Out of band: an item of the response's alone.
                return try await surveyed(record)
            }
            guard item.producedAudioBytes > 0 else { continue }
            sum = (sum ?? 0) + min(format.milliseconds(bytes: item.producedAudioBytes), item.truncatedAtMilliseconds ?? .max)
        }
        // The object of one that was lost names no items.
        return items.isEmpty ? try await surveyed(record) : sum
    }

    private func surveyed(_ record: ResponseRecord) async throws -> Int? {
        let format = try await format(of: record)
        let selection = ProducedSelection(content: .speech, response: record.id, item: nil)
        guard let done = record.doneSeq,
            let survey = try await survey(selection, after: record.createdSeq, through: done, SoundFormat(format)), !survey.items.isEmpty
        else { return nil }
        return format.milliseconds(bytes: survey.count(cutting: try await cuts(of: survey, SoundFormat(format))))
    }

    /// As many bytes of words as are shown of a response that was lost; more than any model answers at once.
    private static let maximumWordBytes = 1 << 20

    /// Nil if its events are not there any more.
    private func wordsOfLost(_ response: JSON) async throws -> String? {
        guard let record = try await record(of: response), let done = record.doneSeq, isThere(after: record.createdSeq) else { return nil }
        let selection = ProducedSelection(content: .words, response: record.id, item: nil)
        let machine = ProducedMachine(after: record.createdSeq, through: done, of: selection, format: nil)
            .giving(0..<Self.maximumWordBytes, cutting: [:])
        var walk = ProducedWalk(machine, of: selection, in: commands.session.history)
        return try await walk.content().map { String(decoding: $0, as: UTF8.self) }
    }
}
