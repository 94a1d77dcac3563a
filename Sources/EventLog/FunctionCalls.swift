import Realtime

/// Which function calls of a conversation have their outputs, told from the items one by one.
struct FunctionCalls: Sendable {
    private(set) var pending: Set<String> = []
    private(set) var answered: Set<String> = []
    /// Call ids that were ever given an output, one that is deleted by now too.
    private(set) var given: Set<String> = []
    private var callIDs: [String: String] = [:]
    /// Ids of items, by call id.
    private var calls: [String: Set<String>] = [:]
    private var outputs: [String: Set<String>] = [:]
    /// Items that make a call, finished or not, by call id.
    private var makers: [String: Set<String>] = [:]

    /// The item that makes a call, finished or not; of several the one whose id is first.
    func maker(of call: String) -> String? { makers[call]?.min() }

    /// Whether the item is a call or an output.
    func concern(_ item: String) -> Bool { callIDs[item] != nil }

    /// Takes an item as it is from now on.
    mutating func note(_ item: JSON, of id: String, isDeleted: Bool) {
        remove(id)
        if item["type"]?.string == "function_call_output", let call = item["call_id"]?.string { given.insert(call) }
        guard !isDeleted, let call = item["call_id"]?.string else { return }
        switch item["type"]?.string {
        case "function_call":
            makers[call, default: []].insert(id)
            if item["status"]?.string == "completed" { calls[call, default: []].insert(id) }
        case "function_call_output": outputs[call, default: []].insert(id)
        default: return
        }
        callIDs[id] = call
        settle(call)
    }

    mutating func remove(_ id: String) {
        guard let call = callIDs.removeValue(forKey: id) else { return }
        makers[call]?.remove(id)
        if makers[call]?.isEmpty == true { makers[call] = nil }
        calls[call]?.remove(id)
        if calls[call]?.isEmpty == true { calls[call] = nil }
        outputs[call]?.remove(id)
        if outputs[call]?.isEmpty == true { outputs[call] = nil }
        settle(call)
    }

    private mutating func settle(_ call: String) {
        let isAnswered = outputs[call] != nil
        if isAnswered { answered.insert(call) } else { answered.remove(call) }
        if !isAnswered, calls[call] != nil { pending.insert(call) } else { pending.remove(call) }
    }
}
