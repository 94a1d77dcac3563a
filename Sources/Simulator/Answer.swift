import Foundation
import Realtime

/// What the pretended model says to a conversation. The same context always gives the same answer.
///
/// The last item decides; texts are matched without regard to case:
///
/// | the caller's text | the answer |
/// | --- | --- |
/// | `say WORDS`, `repeat WORDS` | WORDS |
/// | `count to N` (at most 10,000) | `1, 2, … N.`, a long answer of many deltas |
/// | `what did I say` | every earlier text of the caller, which shows what a conversation still knows |
/// | `how many items` | the number of items in the context |
/// | `what are your instructions` | the instructions in force |
/// | `hello`, `hi`, `hey`, `good morning`… | a greeting |
/// | `fail with CODE` | a failed response with that error code (`fail with server_error`, `fail with rate_limit_exceeded`, …) |
/// | `stop with content_filter` | an incomplete response, reason content_filter |
/// | names a tool, or shares a word with its name or description | a call of the tool; of several if it names several |
/// | … and says `first tell me` | a message, then the call |
/// | anything else | `You said: …` |
///
/// Audio is answered with its length, an image with its arrival, and a tool's output with that output.
enum Answer {
    enum Output: Equatable, Sendable {
        case message(String)
        case call(name: String, arguments: String)
    }

    enum Plan: Equatable, Sendable {
        case outputs([Output])
        /// The message so far, then the filter.
        case filtered(String)
        case failed(code: String)
    }

    static let longestCount = 10_000

    static func plan(context: [ConversationItem], _ parameters: ResponseParameters) -> Plan {
        let subject = self.subject(context, parameters)
        if let code = word(after: "fail with ", in: subject.text) { return .failed(code: code) }
        if subject.text.lowercased().contains("stop with content_filter") { return .filtered("I would rather") }
        let calls =
            isDictation(subject.text, parameters)
            ? [] : ToolCalls.calls(for: subject.text, afterToolOutput: subject.isToolOutput, parameters)
        if !calls.isEmpty {
            let outputs = calls.map { Output.call(name: $0.name, arguments: $0.arguments) }
            return .outputs(subject.text.lowercased().contains("first tell me") ? [.message("One moment, please.")] + outputs : outputs)
        }
        return .outputs([.message(subject.reply ?? reply(to: subject.text, context, parameters))])
    }

    private static let verbs = ["say ", "repeat "]

    /// Words to be said stay words, even if they would fit a tool.
    private static func isDictation(_ text: String, _ parameters: ResponseParameters) -> Bool {
        guard case .auto = parameters.toolChoice else { return false }
        let lower = text.lowercased()
        return verbs.contains { lower.hasPrefix($0) }
    }

    private struct Subject {
        var text: String
        var reply: String?
        var isToolOutput = false
    }

    /// What the answer is about.
    private static func subject(_ context: [ConversationItem], _ parameters: ResponseParameters) -> Subject {
        let last = context.last { item in
            switch item.kind {
            case .message(let role, _): role == .user
            // A call that was cut off asks for nothing; what led to it still stands.
            case .call: item.status == .completed
            case .callOutput: true
            }
        }
        switch last?.kind {
        case .callOutput(let callID, let output):
            let name = context.lazy.compactMap { item -> String? in
                if case .call(callID, let name, _) = item.kind { name } else { nil }
            }.first
            return Subject(text: "", reply: "The result of \(name ?? "the tool") is: \(output.prefix(400))", isToolOutput: true)
        case .message(_, let parts):
            var texts: [String] = []
            var milliseconds = 0
            var images = 0
            for part in parts {
                switch part {
                case .inputText(let text), .text(let text): texts.append(text)
                case .inputAudio(_, let length, _): milliseconds += length
                case .inputImage: images += 1
                case .audio: break
                }
            }
            let text = texts.joined(separator: " ")
            if !text.isEmpty { return Subject(text: text) }
            if milliseconds > 0 { return Subject(text: "", reply: "I heard \(seconds(milliseconds)) seconds of audio.") }
            if images > 0 { return Subject(text: "", reply: images == 1 ? "I received an image." : "I received \(images) images.") }
            return Subject(text: "", reply: "I heard nothing.")
        case .call, nil:
            // Without anything from the caller the instructions of this response are all there is.
            return Subject(text: parameters.hasOwnInstructions ? parameters.instructions : "hello")
        }
    }

    private static func reply(to text: String, _ context: [ConversationItem], _ parameters: ResponseParameters) -> String {
        let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
        let lower = trimmed.lowercased()
        for verb in verbs where lower.hasPrefix(verb) {
            let words = trimmed.dropFirst(verb.count)
            if !words.isEmpty { return String(words) }
        }
        if let number = word(after: "count to ", in: lower).flatMap(Int.init), number >= 1 {
            return (1...min(number, longestCount)).map(String.init).joined(separator: ", ") + "."
        }
        if lower.contains("what did i say") {
            let earlier = context.dropLast().compactMap(userText)
            return earlier.isEmpty
                ? "You have said nothing yet." : "You said: " + earlier.map { "\"\($0)\"" }.joined(separator: ", then ") + "."
        }
        if lower.contains("how many items") { return "There are \(context.count) items in this conversation." }
        if lower.contains("what are your instructions") {
            return parameters.instructions.isEmpty ? "I have none." : parameters.instructions
        }
        let greetings: Set = ["hello", "hi", "hey", "howdy", "greetings"]
        let words = lower.split { !$0.isLetter }.map(String.init)
        if words.count <= 3, let first = words.first,
            greetings.contains(first) || ["morning", "evening", "day"].contains(words.last ?? "") && first == "good"
        {
            return "Hello! How can I help you today?"
        }
        return trimmed.isEmpty ? "I heard nothing." : "You said: \(trimmed)"
    }

    static func userText(_ item: ConversationItem) -> String? {
        guard case .message(.user, let parts) = item.kind else { return nil }
        let texts = parts.compactMap { if case .inputText(let text) = $0 { text } else { nil } }
        return texts.isEmpty ? nil : texts.joined(separator: " ")
    }

    /// Tenths of a second, as spoken: `1.8`.
    static func seconds(_ milliseconds: Int) -> String {
        let tenths = (milliseconds + 50) / 100
        return "\(tenths / 10).\(tenths % 10)"
    }

    /// The letters, digits and underscores after a phrase.
    private static func word(after phrase: String, in text: String) -> String? {
        guard let range = text.range(of: phrase, options: .caseInsensitive) else { return nil }
        let word = text[range.upperBound...].prefix { $0.isLetter || $0.isNumber || $0 == "_" }
        return word.isEmpty ? nil : String(word)
    }
}
