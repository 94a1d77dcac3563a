@testable import Realtime

/// A payload in the other dialect, by what a stream or an upstream gets of it.
struct Translated {
    let source: JSON
    let dialect: Dialect
    let direction: EventCatalog.Direction
    let frames: [JSON]
    let leftOut: [String]

    /// Fails for what is no event, or became no JSON.
    init(_ bytes: [UInt8], in dialect: Dialect, _ direction: EventCatalog.Direction) throws {
        source = try JSON.parse(bytes)
        self.dialect = dialect
        self.direction = direction
        switch direction {
        case .server:
            guard let event = ServerEvent(bytes) else { preconditionFailure("no event: \(String(decoding: bytes, as: UTF8.self))") }
            frames = try dialect.other.foreignView.frames(of: event).map { try JSON.parse($0.bytes) }
            leftOut = []
        case .client:
            let translation = ClientEventTranslation(source, from: DialectView(of: dialect.other, in: dialect))
            frames = [try JSON.parse(translation.event.source)]
            leftOut = translation.leftOut.map(\.param).sorted()
        }
    }

    var name: String { source["type"]?.string ?? "" }

    /// What it has to be called there, by the catalog.
    var names: [String] {
        var own = EventCatalog.event(name, direction)?.counterparts(in: dialect.other) ?? [name]
        // What beta has no name for is shown under its own, but for the end of an item, which is not shown.
        if own.isEmpty, name != ServerEventName.conversationItemDone.rawValue { own = [name] }
        guard source["session"] != nil, Counterparts.isTranscription(source) else { return own }
        // The kind of the session decides.
        let suffix = name.split(separator: ".").last ?? ""
        return ["\(dialect == .ga ? "transcription_session" : "session").\(suffix)"]
    }

    /// The frame that is the event; the others are made beside it.
    var frame: JSON? { frames.first { $0["type"]?.string == names.first } }

    /// What does not stand where, or as, it has to.
    func faults() -> [String] {
        guard let frame else { return ["there is no \(names)"] }
        let there = Leaves(frame), here = Leaves(source)
        let counterparts = Counterparts(source, in: dialect, direction)
        var faults: [String] = []
        for path in here.paths {
            guard case .at(let place) = counterparts.counterpart(of: path), there.lexemes[place] != here.lexemes[path] else { continue }
            faults.append("\(path.joined(separator: ".")) is \(there.lexemes[place] ?? "missing") at \(place.joined(separator: "."))")
        }
        if leftOut != counterparts.leftOut { faults.append("left out: \(leftOut), not \(counterparts.leftOut)") }
        return faults
    }

    /// What is not as it was after the way back.
    func faultsThereAndBack() throws -> [String] {
        guard let frame else { return [] }
        let back = try Translated(frame.source, in: dialect.other, direction)
        guard let again = back.frames.first(where: { $0["type"]?.string == name }) else { return ["it does not come back"] }
        let before = Leaves(source), after = Leaves(again)
        let there = Counterparts(source, in: dialect, direction), here = Counterparts(frame, in: dialect.other, direction)
        var faults: [String] = []
        var known: Set<[String]> = []
        for path in before.paths {
            switch there.counterpart(of: path) {
            case .nothing: continue
            case .reformed:
                known.insert(path)
                if before.lexemes[path] == after.lexemes[path] || mayDiffer(path, before, after) { continue }
                faults.append("\(path.joined(separator: ".")) was \(before.lexemes[path] ?? ""), is \(after.lexemes[path] ?? "missing")")
            case .at(let place):
                // Of two forms that a dialect takes one comes back; what upstream cannot be asked for does not.
                guard case .at(let home) = here.counterpart(of: place) else { continue }
                known.insert(home)
                if before.lexemes[path] == after.lexemes[home] { continue }
                faults.append("\(path.joined(separator: ".")) was \(before.lexemes[path] ?? ""), is \(after.lexemes[home] ?? "missing")")
            }
        }
        for path in after.paths where !known.contains(path) && !Self.mayAppear(path) {
            faults.append("\(path.joined(separator: ".")) is new")
        }
        return faults
    }

    /// What a way there and back may change of values that have two forms.
    private func mayDiffer(_ path: [String], _ before: Leaves, _ after: Leaves) -> Bool {
        // An escape that nobody needs.
        if let text = before.string(at: path), text == after.string(at: path) { return true }
        let inside = path.joined(separator: ".")
        return inside.contains("modalities.")  // beta takes them in either order
            || inside.hasSuffix("format.rate")  // beta's word means the usual one
            || inside.hasSuffix("voice.id")  // beta has a custom voice's id as its name
            || inside.hasSuffix("tool_choice.name")  // beta takes either form
            || direction == .client && inside.contains("tool_choice.")  // beta has none for the tools of servers
            // Some ga servers have the short names, in retrieved items above all.
            || dialect == .ga && inside.contains("content.") && "output_\(before.string(at: path) ?? "")" == after.string(at: path)
    }

    private static func mayAppear(_ path: [String]) -> Bool {
        // What was emptied is one of them.
        path == ["session"] || path == ["response"]
            || ["session.type", "turn_detection.type", "format.rate", "audio.output.voice", "tool_choice.function.name", ".tools"]
                .contains { path.joined(separator: ".").hasSuffix($0) }
    }
}

extension Counterparts {
    static func isTranscription(_ event: JSON) -> Bool {
        event["type"]?.string?.hasPrefix("transcription_session") == true || event["session"]?["type"]?.string == "transcription"
    }
}
