import EventLog
import Realtime

/// A function call of a conversation, and whether it has its output.
struct FunctionCallView {
    enum Status: String, CaseIterable {
        /// Its arguments are still coming.
        case inProgress = "in_progress"
        /// It waits for its output.
        case pending
        case answered
        /// Its arguments never came to their end.
        case incomplete
    }

    let id: String
    let status: Status
    let isDeleted: Bool
    private let item: ItemRecord
    private let json: JSON
    private let outputItemID: String?

    /// The calls among a conversation's items, in the items' order; of several with one id the first.
    /// - Parameter items: deleted ones too.
    static func calls(in items: [ItemRecord]) -> [FunctionCallView] {
        var found: [(id: String, item: ItemRecord, json: JSON)] = []
        var seen: Set<String> = []
        var outputs: [String: String] = [:]
        for item in items {
            // As lenient as the event was that it came in.
            guard let json = try? JSON.parse(item.json, maximumDepth: 256, refusingDuplicates: false), let id = json["call_id"]?.string
            else {
                continue
            }
            switch json["type"]?.string {
            case "function_call":
                if seen.insert(id).inserted { found.append((id, item, json)) }
            case "function_call_output" where !item.isDeleted:
                outputs[id] = outputs[id] ?? item.id
            default:
                continue
            }
        }
        return found.map { FunctionCallView(id: $0.id, item: $0.item, json: $0.json, outputItemID: outputs[$0.id]) }
    }

    private init(id: String, item: ItemRecord, json: JSON, outputItemID: String?) {
        (self.id, self.item, self.json, self.outputItemID) = (id, item, json, outputItemID)
        isDeleted = item.isDeleted
        status =
            switch json["status"]?.string {
            case _ where outputItemID != nil: .answered
            case "in_progress": .inProgress
            case "incomplete": .incomplete
            default: .pending
            }
    }

    var value: JSONValue {
        .object([
            ("object", "realtime.function_call"), ("call_id", .string(id)), ("name", json["name"].map { JSONValue($0) } ?? .null),
            ("arguments", json["arguments"].map { JSONValue($0) } ?? .null), ("arguments_valid", argumentsAreValid),
            ("status", .string(status.rawValue)), ("item_id", .string(item.id)), ("response_id", .string(orNull: item.responseID)),
            ("output_item_id", .string(orNull: outputItemID)),
        ])
    }

    /// Whether the arguments are a JSON text: models write them, and sometimes badly. Null while they are still coming.
    private var argumentsAreValid: JSONValue {
        guard status != .inProgress else { return .null }
        return .bool((try? JSON.parse(json["arguments"]?.string ?? "", maximumDepth: 64)) != nil)
    }
}
