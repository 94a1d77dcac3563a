import Realtime

/// Which function calls of a conversation have their outputs, told from the items one by one.
struct FunctionCalls: Sendable {
    private(set) var pending: Set<String> = []
    private(set) var answered: Set<String> = []
    private var callIDs: [String: String] = [:]
    /// Ids of items, by call id.
    private var calls: [String: Set<String>] = [:]
    private var outputs: [String: Set<String>] = [:]

    /// Takes an item as it is from now on.
    mutating func note(_ item: JSON, of id: String, isDeleted: Bool) {
        remove(id)
        guard !isDeleted, let call = item["call_id"]?.string else { return }
        switch item["type"]?.string {
        case "function_call" where item["status"]?.string == "completed": calls[call, default: []].insert(id)
        case "function_call_output": outputs[call, default: []].insert(id)
        default: return
        }
        callIDs[id] = call
        settle(call)
    }

    mutating func remove(_ id: String) {
        guard let call = callIDs.removeValue(forKey: id) else { return }
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
