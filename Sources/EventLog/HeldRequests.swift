import DequeModule

/// What ``MemoryEventStore`` remembers of requests that are carried out once.
struct HeldRequests: Sendable {
    private var requests: [RequestKey: RecordedRequest] = [:]
    /// In the order in which they were begun; those forgotten since included.
    private var order = Deque<(key: RequestKey, createdAt: Int)>()

    subscript(_ key: RequestKey) -> RecordedRequest? { requests[key] }

    mutating func begin(_ step: StepID, mark: String, opening: RecordedRequest?, maximumRequests: Int) -> Bool {
        if let opening {
            let others = requests.count - (requests[step.request] == nil ? 0 : 1)
            guard others < maximumRequests else { return false }
            requests[step.request] = opening
            order.append((step.request, opening.createdAt))
            // What was forgotten at once must not make this grow.
            if order.count > 2 * requests.count + 1_024 { order = order.filter { requests[$0.key]?.createdAt == $0.createdAt } }
        }
        guard requests[step.request] != nil else { return false }
        requests[step.request]?.steps.append(RecordedStep(number: step.number, mark: mark))
        return true
    }

    mutating func answer(_ step: StepID, seq: Int) {
        change(step) { $0.answerSeq = seq }
    }

    mutating func settle(_ steps: SettledSteps) {
        for step in steps.freed { requests[step.request]?.steps.removeAll { $0.number == step.number && $0.answerSeq == nil } }
        for step in steps.accepted { change(step) { if $0.answerSeq == nil { $0.note = [] } } }
    }

    mutating func note(_ notes: [Int: [UInt8]], forgetting steps: [Int], of request: RequestKey) {
        for (step, note) in notes { change(StepID(request: request, number: step)) { $0.note = note } }
        requests[request]?.steps.removeAll { steps.contains($0.number) }
        if requests[request]?.steps.isEmpty == true { requests[request] = nil }
    }

    mutating func forget(begunBefore seconds: Int, limit: Int) -> Bool {
        for _ in 0..<limit {
            guard let oldest = order.first, oldest.createdAt < seconds else { return false }
            order.removeFirst()
            if requests[oldest.key]?.createdAt == oldest.createdAt { requests[oldest.key] = nil }
        }
        return true
    }

    private mutating func change(_ step: StepID, _ body: (inout RecordedStep) -> Void) {
        guard var request = requests[step.request], let index = request.steps.firstIndex(where: { $0.number == step.number })
        else { return }
        body(&request.steps[index])
        requests[step.request] = request
    }
}
