import Audio
import EventLog
import Realtime
import Sessions

extension ProducedAnswers {
    /// The member `output_audio` of a response that says something aloud; none of any other.
    /// - Parameter response: the object as upstream spelt it.
    func audioMember(of response: JSON?) async throws -> [(String, JSONValue)] {
        guard let response, let id = response["id"]?.string, case let items = ResponseView.spokenItems(of: response), !items.isEmpty else {
            return []
        }
        let (stated, usual) = (await commands.session.outputFormat(statedBy: response), await commands.session.outputFormat)
        let duration = try await milliseconds(of: items, id, stated ?? usual)
        return [
            (
                "output_audio",
                [
                    "format": "audio/wav", "href": .string("/v1/sessions/\(commands.session.id)/responses/\(id)/audio"),
                    "duration_ms": .int(orNull: duration),
                ]
            )
        ]
    }

    /// Nil if it is not known any more.
    private func milliseconds(of items: [String], _ response: String, _ format: AudioFormat) async throws -> Int? {
        var sum = 0
        for id in items {
            guard let item = try await commands.api.log.item(id, of: commands.session.id) else {
                // Out of band: an item of the response's alone.
                return try await surveyed(response, format).map(format.milliseconds(bytes:))
            }
            sum += min(format.milliseconds(bytes: item.producedAudioBytes), item.truncatedAtMilliseconds ?? .max)
        }
        return sum
    }

    private func surveyed(_ response: String, _ format: AudioFormat) async throws -> Int? {
        guard let record = try await commands.api.log.response(response, of: commands.session.id), let done = record.doneSeq else {
            return nil
        }
        let selection = ProducedSelection(content: .speech, response: response, item: nil)
        return try await survey(selection, after: record.createdSeq, through: done, SoundFormat(format))?.count(cutting: [:])
    }
}
