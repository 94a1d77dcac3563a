import Realtime

/// Counts tokens plausibly: a token for every four characters begun, ten for a second of audio heard, twenty for one spoken.
enum Tokens {
    static func text(_ characters: Int) -> Int { (characters + 3) / 4 }
    static func heard(milliseconds: Int) -> Int { (milliseconds + 99) / 100 }
    static func spoken(milliseconds: Int) -> Int { (milliseconds + 49) / 50 }

    struct Count: Equatable, Sendable {
        var text = 0
        var audio = 0
        var image = 0
        var total: Int { text + audio + image }
    }

    static func input(_ items: [ConversationItem], instructions: String, tools: [Tool]) -> Count {
        var count = Count()
        count.text = text(instructions.utf8.count) + tools.reduce(0) { $0 + text($1.raw.lexeme.count) }
        for item in items {
            switch item.kind {
            case .message(_, let parts):
                for part in parts {
                    switch part {
                    case .inputText(let text), .text(let text): count.text += Tokens.text(text.utf8.count)
                    case .inputAudio(_, let milliseconds, _): count.audio += heard(milliseconds: milliseconds)
                    case .inputImage: count.image += 85
                    case .audio(_, let milliseconds): count.audio += spoken(milliseconds: milliseconds)
                    }
                }
            case .call(_, let name, let arguments): count.text += text(name.utf8.count + arguments.utf8.count)
            case .callOutput(_, let output): count.text += text(output.utf8.count)
            }
        }
        return count
    }

    static func usage(input: Count, output: Count, dialect: Dialect) -> JSONValue {
        var cached: [(String, JSONValue)] = [("text_tokens", 0), ("audio_tokens", 0)]
        if dialect == .ga { cached.append(("image_tokens", 0)) }
        var details: [(String, JSONValue)] = [
            ("text_tokens", .int(input.text)), ("audio_tokens", .int(input.audio)), ("cached_tokens", 0),
            ("cached_tokens_details", .object(cached)),
        ]
        if dialect == .ga { details.append(("image_tokens", .int(input.image))) }
        return [
            "total_tokens": .int(input.total + output.total), "input_tokens": .int(input.total), "output_tokens": .int(output.total),
            "input_token_details": .object(details),
            "output_token_details": ["text_tokens": .int(output.text), "audio_tokens": .int(output.audio)],
        ]
    }
}
