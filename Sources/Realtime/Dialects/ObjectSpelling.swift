/// Where the fields of one kind of object stand in the two dialects, and how their values are spelt there (PROTOCOL: ga gathers in
/// `audio.input` and `audio.output` what beta has side by side).
///
/// Fields that are not listed are in both, or in neither: vendors' own pass through either way.
struct ObjectSpelling: Sendable {
    struct Field: Sendable {
        let beta: String
        /// One name, or three: `audio`, `input` or `output`, and the name there.
        let ga: [String]
        let value: ValueSpelling

        init(_ beta: String, _ ga: String, _ value: ValueSpelling = .same) {
            self.beta = beta
            self.ga = ga.split(separator: ".").map(String.init)
            self.value = value
        }
    }

    let fields: [Field]
    /// Fields without a counterpart.
    let betaOnly: [String]
    let gaOnly: [String]
    /// What ga says of the object's kind in its `type`; nil if it says nothing.
    let gaType: String?

    static let session = ObjectSpelling(
        fields: [
            Field("modalities", "output_modalities", .modalities),
            Field("voice", "audio.output.voice", .voice),
            Field("speed", "audio.output.speed"),
            Field("output_audio_format", "audio.output.format", .audioFormat),
            Field("max_response_output_tokens", "max_output_tokens"),
            Field("tool_choice", "tool_choice", .toolChoice),
        ] + inputFields,
        betaOnly: ["temperature", "client_secret"], gaOnly: ["type", "reasoning", "parallel_tool_calls"], gaType: "realtime")

    static let transcriptionSession = ObjectSpelling(
        fields: inputFields, betaOnly: ["modalities", "client_secret"], gaOnly: ["type"], gaType: "transcription")

    private static let inputFields = [
        Field("input_audio_format", "audio.input.format", .audioFormat),
        Field("input_audio_transcription", "audio.input.transcription"),
        Field("input_audio_noise_reduction", "audio.input.noise_reduction"),
        Field("turn_detection", "audio.input.turn_detection", .turnDetection),
    ]

    /// A response as the server describes it.
    static let response = ObjectSpelling(
        fields: responseFields, betaOnly: ["temperature"], gaOnly: [], gaType: nil)

    /// A response as it is asked for.
    static let responseParameters = ObjectSpelling(
        fields: responseFields + [
            Field("max_response_output_tokens", "max_output_tokens"), Field("tool_choice", "tool_choice", .toolChoice),
        ], betaOnly: ["temperature"], gaOnly: ["reasoning", "parallel_tool_calls", "prompt"], gaType: nil)

    private static let responseFields = [
        Field("modalities", "output_modalities", .modalities),
        Field("voice", "audio.output.voice", .voice),
        Field("output_audio_format", "audio.output.format", .audioFormat),
    ]

    /// Spells an object in a dialect, from the other one.
    /// - Returns: what is left out, as a path from the object on: fields that have no counterpart there, parts of a value that its other
    ///   form has no room for, and of a field that stands under both names the one that had to give way.
    func respell(_ object: JSON, in dialect: Dialect, with splice: inout JSONSplice) -> [String] {
        guard object.kind == .object else { return [] }
        splice.removeRepetitions(in: object)
        return switch dialect {
        case .beta: flatten(object, with: &splice)
        case .ga: nest(object, with: &splice)
        }
    }

    // MARK: To beta

    private func flatten(_ object: JSON, with splice: inout JSONSplice) -> [String] {
        var dropped: [String] = []
        for (name, value) in object.distinctMembers {
            if gaOnly.contains(name) {
                splice.remove(name, from: object)
                // That it is a session of this kind is what the event says in beta.
                if name != "type" { dropped.append(name) }
            } else if name == "audio", value.isNull {
                splice.remove(name, from: object)
                dropped.append(name)
            } else if name == "audio", value.kind == .object {
                splice.substitute(name, of: object, with: flattened(value, beside: object, &dropped))
            } else if let field = fields.first(where: { $0.ga == [name] }) {
                dropped += respell(value, of: field, from: name, to: field.beta, of: object, in: .beta, with: &splice)
            }
        }
        return dropped
    }

    /// The fields of `audio` side by side, and `audio` itself with what stays of it, which only vendors' own fields do.
    private func flattened(_ audio: JSON, beside object: JSON, _ dropped: inout [String]) -> [(name: String, value: [UInt8])] {
        var flat: [(name: String, value: [UInt8])] = []
        var rest: [(String, JSONValue)] = []
        for (side, sideValue) in audio.distinctMembers {
            var others: [(String, JSONValue)] = []
            for (name, value) in sideValue.distinctMembers {
                guard let field = fields.first(where: { $0.ga == ["audio", side, name] }) else {
                    others.append((name, JSONValue(value)))
                    continue
                }
                // Some servers of the newer spelling have the old field as well.
                guard object[field.beta] == nil else {
                    dropped.append("audio.\(side).\(name)")
                    continue
                }
                dropped += field.value.lost(of: value, in: .beta).map { "audio.\(side).\(name).\($0)" }
                flat.append((field.beta, field.value.respelt(value, in: .beta) ?? Array(value.lexeme)))
            }
            if sideValue.kind != .object {
                rest.append((side, JSONValue(sideValue)))
            } else if !others.isEmpty {
                rest.append((side, .object(others)))
            }
        }
        return flat + (rest.isEmpty ? [] : [("audio", JSONValue.object(rest).bytes)])
    }

    // MARK: To ga

    private func nest(_ object: JSON, with splice: inout JSONSplice) -> [String] {
        var dropped: [String] = []
        var nested: [(place: [String], value: [UInt8])] = []
        var firstNested: String?
        for (name, value) in object.distinctMembers {
            if betaOnly.contains(name) {
                splice.remove(name, from: object)
                dropped.append(name)
            } else if let field = fields.first(where: { $0.beta == name }) {
                if field.ga.count == 1 {
                    dropped += respell(value, of: field, from: name, to: field.ga[0], of: object, in: .ga, with: &splice)
                    continue
                }
                dropped += field.value.lost(of: value, in: .ga).map { "\(name).\($0)" }
                if object["audio"]?[field.ga[1]]?[field.ga[2]] != nil { dropped.append(field.ga.joined(separator: ".")) }
                nested.append((field.ga, field.value.respelt(value, in: .ga) ?? Array(value.lexeme)))
                if firstNested == nil { firstNested = name } else { splice.remove(name, from: object) }
            }
        }
        if let gaType, object["type"] == nil { splice.set("type", of: object, to: JSONValue.string(gaType).bytes) }
        guard let firstNested else { return dropped }
        let present = object["audio"]
        let audio = Self.audio(nested, into: present)
        if let present {
            splice.replace(present, with: audio)
            splice.remove(firstNested, from: object)
        } else {
            splice.substitute(firstNested, of: object, with: [("audio", audio)])
        }
        return dropped
    }

    /// - Parameter present: an `audio` that stands there already; its own fields stay, unless they are among the others.
    private static func audio(_ nested: [(place: [String], value: [UInt8])], into present: JSON?) -> [UInt8] {
        var sides: [(String, JSONValue)] = []
        for side in ["input", "output"] {
            let own = nested.filter { $0.place[1] == side }.map { ($0.place[2], JSONValue.raw($0.value)) }
            let others = (present?[side]?.distinctMembers ?? []).filter { other in !own.contains { $0.0 == other.name } }
            let members = own + others.map { ($0.name, JSONValue($0.value)) }
            if !members.isEmpty { sides.append((side, .object(members))) }
        }
        let rest = (present?.distinctMembers ?? []).filter { !["input", "output"].contains($0.name) }.map { ($0.name, JSONValue($0.value)) }
        return JSONValue.object(sides + rest).bytes
    }

    // MARK: Both

    private func respell(
        _ value: JSON, of field: Field, from name: String, to other: String, of object: JSON, in dialect: Dialect,
        with splice: inout JSONSplice
    ) -> [String] {
        let respelt = field.value.respelt(value, in: dialect)
        if name == other {
            if let respelt { splice.replace(value, with: respelt) }
        } else if object[other] == nil {
            splice.substitute(name, of: object, with: [(other, respelt ?? Array(value.lexeme))])
        } else {
            splice.remove(name, from: object)
            return [name]
        }
        return field.value.lost(of: value, in: dialect).map { "\(name).\($0)" }
    }

    /// The same place in the other spelling, for what errors name: `audio.input.turn_detection.threshold`, `turn_detection.threshold`.
    /// - Parameter path: names with points between, and whatever indices.
    func path(_ path: String, in dialect: Dialect) -> String {
        for field in fields {
            let (from, to) =
                dialect == .beta ? (field.ga.joined(separator: "."), field.beta) : (field.beta, field.ga.joined(separator: "."))
            guard path.hasPrefix(from) else { continue }
            let rest = path.dropFirst(from.count)
            guard rest.isEmpty || rest.first == "." || rest.first == "[" else { continue }
            return to + field.value.part(rest, in: dialect)
        }
        return path
    }
}
