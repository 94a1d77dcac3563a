import Audio

/// Decides which events are what a response or an item says, in which order they are given, and where that ends.
///
/// The parts are given one after the other, in the order in which they began, each whole: so what is streamed while it is produced is byte
/// for byte what is read later. Servers finish a part before they begin the next, so nothing is ever read twice; if they do not, the
/// machine goes back for what it passed over. It holds a cursor and no events.
struct ProducedMachine: Sendable {
    private enum Phase { case following, reading, finished, failed }

    private let format: SoundFormat?
    private let isOneItem: Bool
    /// A response that fails ends the body in a failure, since its reader would take a clean end for success.
    private let failsWithResponse: Bool

    private var phase = Phase.following
    /// Of the last event that was looked at.
    private(set) var cursor: Int
    /// The last event that can hold any of it; nil while it is still being produced.
    private var last: Int?
    private var hasFailed = false

    private var part: ProducedPart?
    /// Up to which event the parts were given that are not the present one.
    private var given: [ProducedPart: Int] = [:]
    /// Before the first event of another part that was passed over.
    private var passedOver: Int?
    private var returns = 0

    /// Of the items so far, in bytes, as they were produced.
    private(set) var produced: [String: Int] = [:]
    /// Where items were truncated, in bytes.
    private(set) var cuts: [String: Int]
    private var skip = 0
    private var left: Int?

    /// Going back costs reading again: a server that mixes more parts than any does is followed as its events come.
    static let maximumReturns = 64

    /// - Parameters:
    ///   - seq: the last event before anything of it.
    ///   - last: the last event that can hold any of it; nil: until its end is read.
    ///   - format: of speech; nil for words.
    init(
        after seq: Int, through last: Int?, of selection: ProducedSelection, format: SoundFormat?, cuts: [String: Int] = [:],
        failsWithResponse: Bool = false
    ) {
        cursor = seq
        self.last = last
        self.format = format
        isOneItem = selection.item != nil
        self.cuts = cuts
        self.failsWithResponse = failsWithResponse
    }

    /// How much it has given so far, or would have given with these cuts.
    func count(cutting cuts: [String: Int]) -> Int {
        produced.reduce(0) { $0 + min($1.value, cuts[$1.key] ?? .max) }
    }

    /// From where it stands, for a part of the whole.
    /// - Parameters:
    ///   - bytes: counted from the first byte of the whole; not before what it has given.
    ///   - cuts: all that are known by now.
    func giving(_ bytes: Range<Int>, cutting cuts: [String: Int]) -> ProducedMachine {
        var machine = self
        machine.cuts = cuts
        machine.skip = bytes.lowerBound - count(cutting: cuts)
        machine.left = bytes.count
        return machine
    }

    enum Step: Equatable {
        /// Offer the event after that one, or say why there is none.
        case event(after: Int)
        /// For the store's answer.
        case wait
        case finish
        /// The rest cannot be had.
        case fail
    }

    mutating func next() -> Step {
        switch phase {
        case .reading: return .wait
        case .finished: return .finish
        case .failed: return .fail
        case .following: break
        }
        if left == 0 { phase = .finished }
        if phase == .following, let last, cursor >= last {
            closePart()
            if cursor >= last { phase = hasFailed && failsWithResponse ? .failed : .finished }
        }
        return switch phase {
        case .finished: .finish
        case .failed: .fail
        case .following, .reading: .event(after: cursor)
        }
    }

    enum Verdict: Equatable {
        /// These bytes of the delta.
        case write(Range<Int>)
        case skip
    }

    /// The event that ``next()`` asked for.
    mutating func offered(_ seq: Int, _ event: ProducedEvent) -> Verdict {
        guard seq == cursor + 1 else {
            phase = .failed
            return .skip
        }
        cursor = seq
        switch event {
        case .delta(let part, let delta):
            return offered(seq, part, bytes: delta.byteCount)
        case .partDone(let done):
            if done == part { closePart() }
        case .itemDone(let item):
            if isOneItem { last = last ?? seq }
            if item == part?.item { closePart() }
        case .truncated(let item, let milliseconds):
            // What was cut once is gone: a later cut behind it gives none back.
            if let format { cuts[item] = min(cuts[item] ?? .max, format.bytes(ofMilliseconds: milliseconds)) }
        case .responseDone(let hasFailed):
            last = last ?? seq
            self.hasFailed = hasFailed
        case .other:
            break
        }
        return .skip
    }

    private mutating func offered(_ seq: Int, _ part: ProducedPart, bytes: Int) -> Verdict {
        guard seq > given[part] ?? 0 else { return .skip }
        if let current = self.part, current != part {
            guard returns >= Self.maximumReturns else {
                passedOver = passedOver ?? seq - 1
                return .skip
            }
            given[current] = seq - 1
        }
        self.part = part
        let before = produced[part.item, default: 0]
        produced[part.item] = before + bytes
        var range = 0..<min(bytes, max(0, (cuts[part.item] ?? .max) - before))
        let skipped = min(skip, range.count)
        skip -= skipped
        range = skipped..<range.upperBound
        if let left {
            range = range.prefix(left)
            self.left = left - range.count
        }
        return range.isEmpty ? .skip : .write(range)
    }

    private mutating func closePart() {
        if let part { given[part] = cursor }
        part = nil
        guard let passedOver else { return }
        self.passedOver = nil
        returns += 1
        cursor = passedOver
    }

    mutating func found(_ absence: HistoryAbsence) -> AbsenceAction {
        switch absence {
        case .caughtUp:
            return .wait
        case .behind:
            phase = .reading
            return .read(after: cursor)
        case .ended:
            phase = .failed
            return .goOn
        }
    }

    mutating func readEvents() {
        if phase == .reading { phase = .following }
    }

    /// The store gave nothing: the event was removed, or cannot be read; or a delta is not what its kind is.
    mutating func fail() {
        if phase != .finished { phase = .failed }
    }
}
