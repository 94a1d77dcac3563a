import Foundation
import Realtime
import Testing

/// What a client and a Realtime server of one dialect say to each other in one scenario of `examples.jsonl`, in order.
struct Trace: Sendable, CustomTestStringConvertible {
    struct Event: Sendable {
        enum Sender: Sendable { case client, server }

        let sender: Sender
        /// A text of its own, byte for byte as it stands in the file.
        let payload: JSON
        /// A client's event that the bridge refuses by itself, so that the server does not get it: the cancelling of nothing. The server's own
        /// refusal is played all the same, as it comes when a response ends while its cancel is on the way.
        fileprivate(set) var isRefusedByTheBridge = false

        var type: String { payload["type"]?.string ?? "" }
    }

    let scenario: String
    let dialect: Dialect
    private(set) var events: [Event]

    var testDescription: String { "\(scenario) of a \(dialect.rawValue) upstream" }

    var clientEvents: [Event] { events.filter { $0.sender == .client } }

    /// The scenarios of both dialects. Sessions of a third kind, which only translate, are not offered by the bridge.
    static let all: [Trace] = {
        do {
            return try read()
        } catch {
            preconditionFailure("examples.jsonl: \(error)")
        }
    }()

    static func named(_ scenario: String, _ dialect: Dialect) throws -> Trace {
        try #require(all.first { $0.scenario == scenario && $0.dialect == dialect })
    }

    static let fixtures = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Fixtures")

    private static func read() throws -> [Trace] {
        let lines = try Data(contentsOf: fixtures.appending(path: "examples.jsonl")).split(separator: UInt8(ascii: "\n"))
        var traces: [Trace] = []
        for line in lines {
            let example = try JSON.parse(Array(line))
            guard let scenario = example["scenario"]?.string, let dialect = example["dialect"]?.string.flatMap(Dialect.init),
                let payload = example["payload"]
            else { continue }
            if traces.last?.scenario != scenario || traces.last?.dialect != dialect {
                traces.append(Trace(scenario: scenario, dialect: dialect, events: []))
            }
            let sender = example["direction"]?.string == "client" ? Event.Sender.client : .server
            traces[traces.count - 1].events.append(Event(sender: sender, payload: try JSON.parse(Array(payload.lexeme))))
        }
        return traces.map { trace in
            var whole = trace
            if !trace.opens, let opening = traces.first(where: { $0.scenario == "session_open" && $0.dialect == trace.dialect }) {
                whole.events = opening.events.prefix { $0.sender == .server } + trace.events
            }
            whole.noteRefusals()
            return whole
        }
    }

    /// Whether it begins as every connection does; the others are taken out of the middle of a conversation.
    private var opens: Bool {
        guard let first = events.first else { return false }
        return first.sender == .server && ["session.created", "transcription_session.created"].contains(first.type)
    }

    private mutating func noteRefusals() {
        var running = 0
        for (index, event) in events.enumerated() {
            switch event.type {
            case "response.created": running += 1
            case "response.done": running -= 1
            case "response.cancel": events[index].isRefusedByTheBridge = running < 1
            default: break
            }
        }
    }
}
