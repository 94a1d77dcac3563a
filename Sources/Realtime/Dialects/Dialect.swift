/// One of the two spellings of the Realtime protocol.
package enum Dialect: String, Sendable, Equatable, CaseIterable {
    /// `OpenAI-Beta: realtime=v1`: flat session object, `response.text.delta`, `conversation.item.created`.
    case beta
    /// What OpenAI's servers speak since May 2026: nested `audio.input`/`audio.output`, `response.output_text.delta`,
    /// `conversation.item.added` and `.done`.
    case ga
}
