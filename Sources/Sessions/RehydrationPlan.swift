import EventLog
import Realtime

/// What a new upstream conversation is given of the one that is gone, and what it cannot be given (PROTOCOL.md section 10).
///
/// A pure function of the projection. Items keep their ids, since the new conversation is empty, and are created in their order without a
/// `previous_item_id`: each is appended, so that one refusal does not make the next one fail.
struct RehydrationPlan: Sendable {
    /// One item to be created.
    struct Seed: Sendable, Equatable {
        let itemID: String
        /// The call that the item makes or answers, by `call_id`.
        let makesCall: String?
        let answersCall: String?
        fileprivate let form: Form

        fileprivate enum Form: Equatable {
            case ready([UInt8], alteration: String?)
            /// A user message as upstream spelt it, whose audio or images are in its ``ItemInput``.
            case needsInput(stored: [UInt8], AudioFormat)
        }

        /// ``item(input:)`` wants the item's `ItemInput`, which is large and therefore loaded when it is sent, one at a time.
        var usesInput: Bool {
            if case .needsInput = form { true } else { false }
        }

        /// The `item` object of its `conversation.item.create`, and how that differs from what the item was: an ``ItemAlteration`` or what
        /// of it is missing. Nil if it needs an input that is gone, or is audio in another format, and has no other form.
        /// - Parameter input: not looked at unless ``usesInput``.
        func item(input: ItemInput?) -> (bytes: [UInt8], alteration: String?)? {
            switch form {
            case .ready(let bytes, let alteration):
                return (bytes, alteration)
            case .needsInput(let stored, let format):
                let content = Self.content(stored, input, format)
                guard content.loss == nil else { return nil }
                return (Self.message(itemID, role: "user", content), content.alteration)
            }
        }

        /// Why ``item(input:)`` gives nothing without an input that is of use.
        var whyWithoutInput: String {
            guard case .needsInput(let stored, let format) = form else { return ItemLoss.notReplayable.rawValue }
            let loss = Self.content(stored, nil, format).loss
            // A server that shows no part of it took the caller's audio all the same.
            return (loss == .empty ? .audioNotKept : loss ?? .audioNotKept).rawValue
        }

        private static func content(_ stored: [UInt8], _ input: ItemInput?, _ format: AudioFormat) -> MessageContent {
            guard let item = RehydrationPlan.parsed(stored) else { return MessageContent() }
            return MessageContent.user(item, input: input, inputFormat: format)
        }

        fileprivate static func message(_ id: String, role: String, _ content: MessageContent) -> [UInt8] {
            JSONValue.object([("id", .string(id)), ("type", "message"), ("role", .string(role)), ("content", .array(content.parts))]).bytes
        }
    }

    /// In the order in which they are created.
    let seeds: [Seed]
    /// Items that will not be created, in the order of the conversation.
    let lost: [ItemNote]
    /// Items that will be created in another form, in the order of the conversation, as far as that is known before their input is loaded.
    let altered: [ItemNote]

    /// The protocol's limit for `item.id` and `item.call_id` (PROTOCOL.md section 3).
    private static let maximumIDCharacters = 32

    /// - Parameters:
    ///   - conversation: its items in order, without deleted ones, none of them still being produced.
    ///   - inputs: how many bytes `EventLog` holds of each item's `ItemInput`.
    ///   - dialect: upstream's.
    ///   - inputFormat: the new connection's, in which kept audio is given to it.
    ///   - outputFormat: the one in which `producedAudioBytes` were counted.
    ///   - tokenLimit: the newest items that weigh no more than this together, by ``TokenEstimate``, are carried.
    static func make(
        conversation: [ItemRecord], inputs: [String: Int], dialect: Dialect, inputFormat: AudioFormat, outputFormat: AudioFormat,
        tokenLimit: Int
    ) -> RehydrationPlan {
        let maker = SeedMaker(inputs: inputs, dialect: dialect, inputFormat: inputFormat, outputFormat: outputFormat)
        var fates = withoutOrphans(conversation.map(maker.fate))
        var tokens = 0
        var fits = true
        for index in fates.indices.reversed() {
            guard case .carried(let seed, let weight) = fates[index] else { continue }
            tokens += weight
            fits = fits && tokens <= tokenLimit
            if !fits { fates[index] = .lost(ItemNote(id: seed.itemID, why: ItemLoss.tokenLimit.rawValue)) }
        }
        return RehydrationPlan(withoutOrphans(fates))
    }

    private init(_ fates: [Fate]) {
        var seeds: [Seed] = []
        var lost: [ItemNote] = []
        var altered: [ItemNote] = []
        for fate in fates {
            switch fate {
            case .lost(let note):
                lost.append(note)
            case .carried(let seed, _):
                seeds.append(seed)
                if case .ready(_, let alteration?) = seed.form { altered.append(ItemNote(id: seed.itemID, why: alteration)) }
            }
        }
        self.seeds = seeds
        self.lost = lost
        self.altered = altered
    }

    fileprivate enum Fate {
        case carried(Seed, tokens: Int)
        case lost(ItemNote)
    }

    /// Upstream refuses an output without its call before it.
    private static func withoutOrphans(_ fates: [Fate]) -> [Fate] {
        var calls: Set<String> = []
        return fates.map { fate in
            guard case .carried(let seed, _) = fate else { return fate }
            if let call = seed.makesCall { calls.insert(call) }
            guard let call = seed.answersCall, !calls.contains(call) else { return fate }
            return .lost(ItemNote(id: seed.itemID, why: ItemLoss.callNotCarried.rawValue))
        }
    }

    fileprivate static func parsed(_ item: [UInt8]) -> JSON? {
        try? JSON.parse(item, maximumDepth: 256, refusingDuplicates: false)
    }

    fileprivate static func isTooLong(_ id: String) -> Bool { id.unicodeScalars.count > maximumIDCharacters }
}

/// Makes one item's seed.
private struct SeedMaker {
    let inputs: [String: Int]
    let dialect: Dialect
    let inputFormat: AudioFormat
    let outputFormat: AudioFormat

    func fate(_ record: ItemRecord) -> RehydrationPlan.Fate {
        // Without an id upstream would choose one, and nothing could confirm the item.
        guard let item = RehydrationPlan.parsed(record.json), !record.id.isEmpty else { return lost(record, .notReplayable) }
        guard !RehydrationPlan.isTooLong(record.id) else { return lost(record, .idTooLong) }
        switch item["type"]?.string {
        case "message": return message(record, item)
        case "function_call": return call(record, item)
        case "function_call_output": return output(record, item)
        // An approval answers a request that only the server can have made.
        default: return lost(record, .notReplayable)
        }
    }

    private func message(_ record: ItemRecord, _ item: JSON) -> RehydrationPlan.Fate {
        switch item["role"]?.string {
        case "user":
            if let bytes = inputs[record.id], MessageContent.lacksInput(item) { return needingInput(record, item, bytes) }
            return message(record, role: "user", .user(item, input: nil, inputFormat: inputFormat))
        case "assistant":
            let heard = record.truncatedAtMilliseconds.map {
                (milliseconds: $0, ofMilliseconds: outputFormat.milliseconds(bytes: record.producedAudioBytes))
            }
            return message(record, role: "assistant", .assistant(item, dialect: dialect, heard: heard))
        case "system":
            return message(record, role: "system", .system(item))
        default:
            return lost(record, .notReplayable)
        }
    }

    private func message(_ record: ItemRecord, role: String, _ content: MessageContent) -> RehydrationPlan.Fate {
        if let loss = content.loss { return lost(record, loss) }
        let bytes = RehydrationPlan.Seed.message(record.id, role: role, content)
        return carried(record, .ready(bytes, alteration: content.alteration), tokens: content.tokens)
    }

    /// Weighed by what is known without loading it: the text it has, its images, and all of the input as if it were audio.
    private func needingInput(_ record: ItemRecord, _ item: JSON, _ bytes: Int) -> RehydrationPlan.Fate {
        let parts = item["content"]?.elements ?? []
        let known = parts.reduce(0) { $0 + TokenEstimate.text($1["text"]?.string ?? "") }
        let images = parts.count { $0["type"]?.string == "input_image" }
        let audio = images == parts.count && images > 0 ? 0 : TokenEstimate.userAudio(bytes: bytes, inputFormat)
        return carried(
            record, .needsInput(stored: record.json, inputFormat), tokens: known + images * TokenEstimate.image + audio)
    }

    private func call(_ record: ItemRecord, _ item: JSON) -> RehydrationPlan.Fate {
        guard record.status == nil || record.status == "completed" else { return lost(record, .incomplete) }
        guard let id = item["call_id"]?.string, let name = item["name"]?.string, let arguments = item["arguments"]?.string else {
            return lost(record, .notReplayable)
        }
        guard !RehydrationPlan.isTooLong(id) else { return lost(record, .idTooLong) }
        let bytes = JSONValue.object([
            ("id", .string(record.id)), ("type", "function_call"), ("name", .string(name)), ("call_id", .string(id)),
            ("arguments", .string(arguments)),
        ]).bytes
        return carried(
            record, .ready(bytes, alteration: nil), makes: id, tokens: TokenEstimate.text(name) + TokenEstimate.text(arguments))
    }

    private func output(_ record: ItemRecord, _ item: JSON) -> RehydrationPlan.Fate {
        guard let id = item["call_id"]?.string, let output = item["output"]?.string else { return lost(record, .notReplayable) }
        guard !RehydrationPlan.isTooLong(id) else { return lost(record, .idTooLong) }
        let bytes = JSONValue.object([
            ("id", .string(record.id)), ("type", "function_call_output"), ("call_id", .string(id)), ("output", .string(output)),
        ]).bytes
        return carried(record, .ready(bytes, alteration: nil), answers: id, tokens: TokenEstimate.text(output))
    }

    private func carried(
        _ record: ItemRecord, _ form: RehydrationPlan.Seed.Form, makes: String? = nil, answers: String? = nil, tokens: Int
    ) -> RehydrationPlan.Fate {
        let seed = RehydrationPlan.Seed(itemID: record.id, makesCall: makes, answersCall: answers, form: form)
        return .carried(seed, tokens: tokens + TokenEstimate.item)
    }

    private func lost(_ record: ItemRecord, _ why: ItemLoss) -> RehydrationPlan.Fate {
        .lost(ItemNote(id: record.id, why: why.rawValue))
    }
}
