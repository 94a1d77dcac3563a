import Foundation

/// What the simulator's `--record` says about responses without a session: who had which connection when, and who got which words.
///
/// Rebuilt from the frames alone, with Foundation's JSON: it shares no code with what it checks.
struct OneShotRecord {
    /// One response on a connection.
    struct Answered: Equatable {
        let asked: String
        let said: String
    }

    /// Of each connection, in their order, those that have ended.
    private(set) var answered: [Int: [Answered]] = [:]
    /// What must not be.
    private(set) var faults: [String] = []
    /// In the order of asking, whatever came of it.
    private(set) var asked: [String] = []
    /// Connections on which a response was asked for that had not ended when the record did.
    var unfinished: Int { running.count }

    private var running: [Int: String] = [:]
    private var opened: Set<Int> = []

    /// Opened, whether or not anything was asked on them.
    var connections: Int { opened.count }

    init(contentsOf file: URL) throws {
        let text = try Data(contentsOf: file)
        let newline = UInt8(ascii: "\n")
        // The last line may still be being written.
        let whole = text.lastIndex(of: newline).map { text[...$0] } ?? Data()
        for line in whole.split(separator: newline) {
            guard let object = try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any] else { continue }
            take(object)
        }
    }

    private mutating func take(_ line: [String: Any]) {
        guard let connection = line["connection"] as? Int else { return }
        opened.insert(connection)
        if line["mark"] as? String == "gone" { running[connection] = nil }
        guard let frame = line["frame"] as? [String: Any], let type = frame["type"] as? String else { return }
        if line["direction"] as? String == "in" {
            guard type == "response.create" else {
                faults.append("connection \(connection) was sent \(type)")
                return
            }
            if let other = running[connection] { faults.append("connection \(connection) was asked again while it answered '\(other)'") }
            running[connection] = Self.input(frame)
            asked.append(Self.input(frame))
        } else if type == "response.done" {
            guard let asked = running.removeValue(forKey: connection) else {
                faults.append("connection \(connection) answered nobody")
                return
            }
            answered[connection, default: []].append(Answered(asked: asked, said: Self.words(frame)))
        }
    }

    private static func input(_ frame: [String: Any]) -> String {
        let response = frame["response"] as? [String: Any]
        return texts(response?["input"]).joined()
    }

    private static func words(_ frame: [String: Any]) -> String {
        let response = frame["response"] as? [String: Any]
        return texts(response?["output"]).joined()
    }

    private static func texts(_ items: Any?) -> [String] {
        (items as? [[String: Any]] ?? []).flatMap { item in
            (item["content"] as? [[String: Any]] ?? []).compactMap { ($0["text"] ?? $0["transcript"]) as? String }
        }
    }
}
