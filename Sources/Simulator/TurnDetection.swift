import Realtime

/// How the server finds the end of the caller's turn.
struct TurnDetection: Equatable, Sendable {
    enum Method: Equatable, Sendable {
        case server(threshold: Double, prefixPaddingMilliseconds: Int, silenceMilliseconds: Int, idleTimeoutMilliseconds: Int?)
        case semantic(eagerness: String)
    }

    var method: Method
    var createResponse = true
    var interruptResponse = true

    static let standard = TurnDetection(
        method: .server(threshold: 0.5, prefixPaddingMilliseconds: 300, silenceMilliseconds: 200, idleTimeoutMilliseconds: nil))

    /// What the detector of energy is to look for. The simulator knows no meanings, so a semantic turn always takes the longest wait
    /// of its eagerness: 8, 4 or 2 s.
    var detectorParameters: VoiceActivityDetector.Parameters {
        switch method {
        case .server(let threshold, let prefix, let silence, _):
            .init(threshold: threshold, prefixPaddingMilliseconds: prefix, silenceMilliseconds: silence)
        case .semantic(let eagerness):
            .init(
                threshold: 0.5, prefixPaddingMilliseconds: 300,
                silenceMilliseconds: eagerness == "low" ? 8000 : eagerness == "high" ? 2000 : 4000)
        }
    }

    var idleTimeoutMilliseconds: Int? {
        if case .server(_, _, _, let idle) = method { idle } else { nil }
    }

    /// Applies the members present; with another type than before the rest are defaults.
    init(_ fields: Fields, over current: TurnDetection?, dialect: Dialect) throws(ProtocolError) {
        let currentType: String? =
            switch current?.method {
            case .server: "server_vad"
            case .semantic: "semantic_vad"
            case nil: nil
            }
        guard
            let type = try fields.choice("type", of: ["server_vad", "semantic_vad"])
                ?? (dialect == .beta ? currentType ?? "server_vad" : nil)
        else { throw .missing(fields.path("type")) }
        let base = current.flatMap { currentType == type ? $0 : nil }
        var known: Set<String> = ["type", "create_response", "interrupt_response"]
        if type == "server_vad" {
            known.formUnion(["threshold", "prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms"])
            try fields.allowOnly(known)
            var threshold = 0.5
            var prefix = 300
            var silence = 200
            var idle: Int?
            if case .server(let t, let p, let s, let i)? = base?.method { (threshold, prefix, silence, idle) = (t, p, s, i) }
            threshold = try fields.number("threshold", in: 0...1) ?? threshold
            prefix = try fields.int("prefix_padding_ms", in: 0...10_000) ?? prefix
            silence = try fields.int("silence_duration_ms", in: 0...60_000) ?? silence
            if fields.isNull("idle_timeout_ms") {
                idle = nil
            } else {
                idle = try fields.int("idle_timeout_ms", in: 5000...30_000) ?? idle
            }
            method = .server(
                threshold: threshold, prefixPaddingMilliseconds: prefix, silenceMilliseconds: silence, idleTimeoutMilliseconds: idle)
        } else {
            known.insert("eagerness")
            try fields.allowOnly(known)
            var eagerness = "auto"
            if case .semantic(let e)? = base?.method { eagerness = e }
            method = .semantic(eagerness: try fields.choice("eagerness", of: ["low", "medium", "high", "auto"]) ?? eagerness)
        }
        createResponse = try fields.bool("create_response") ?? base?.createResponse ?? true
        interruptResponse = try fields.bool("interrupt_response") ?? base?.interruptResponse ?? true
    }

    init(method: Method) {
        self.method = method
    }

    func json(dialect: Dialect, isTranscription: Bool) -> JSONValue {
        var members: [(String, JSONValue)]
        switch method {
        case .server(let threshold, let prefix, let silence, let idle):
            members = [
                ("type", "server_vad"), ("threshold", .double(threshold)), ("prefix_padding_ms", .int(prefix)),
                ("silence_duration_ms", .int(silence)),
            ]
            if !isTranscription, dialect == .ga || idle != nil { members.append(("idle_timeout_ms", .int(orNull: idle))) }
        case .semantic(let eagerness):
            members = [("type", "semantic_vad"), ("eagerness", .string(eagerness))]
        }
        if !isTranscription {
            members.append(("create_response", .bool(createResponse)))
            members.append(("interrupt_response", .bool(interruptResponse)))
        }
        return .object(members)
    }
}
