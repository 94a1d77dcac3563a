import DequeModule

/// One session's ``ItemInput``s in memory, the oldest going first.
struct HeldInputs: Sendable {
    private struct Input: Sendable {
        let number: Int
        let input: ItemInput
        var countedBytes: Int { input.bytes.count + ItemInput.overheadBytes }
    }

    private var inputs: [String: Input] = [:]
    /// From the oldest on; what was removed or replaced since is skipped.
    private var order = Deque<(item: String, number: Int)>()
    private var lastNumber = 0
    private var countedBytes = 0

    subscript(item: String) -> ItemInput? { inputs[item]?.input }

    var sizes: [String: Int] { inputs.mapValues(\.input.bytes.count) }

    mutating func keep(_ input: ItemInput, of item: String, maximumBytes: Int) {
        remove(item)
        lastNumber += 1
        let held = Input(number: lastNumber, input: input)
        guard held.countedBytes <= maximumBytes else { return }
        inputs[item] = held
        order.append((item, lastNumber))
        countedBytes += held.countedBytes
        while countedBytes > maximumBytes, let oldest = order.popFirst() {
            if inputs[oldest.item]?.number == oldest.number { remove(oldest.item) }
        }
        if order.count > 2 * inputs.count + 16 { order.removeAll { inputs[$0.item]?.number != $0.number } }
    }

    mutating func remove(_ item: String) {
        guard let held = inputs.removeValue(forKey: item) else { return }
        countedBytes -= held.countedBytes
    }
}
