import Audio
import NIOConcurrencyHelpers

/// How much something says that is over, and where in its events to begin for a part of it.
struct ProducedSurvey: Sendable {
    /// Machines on their way through the events, the first at the beginning.
    private let places: [ProducedMachine]
    private let end: ProducedMachine

    init(places: [ProducedMachine], end: ProducedMachine) {
        self.places = places
        self.end = end
    }

    /// The items that say something.
    var items: [String] { end.produced.filter { $0.value > 0 }.map(\.key) }

    /// Where items were truncated by events among those, in bytes.
    var cuts: [String: Int] { end.cuts }

    func count(cutting cuts: [String: Int]) -> Int { end.count(cutting: cuts) }

    /// Begins at the last place before the part.
    func machine(giving bytes: Range<Int>, cutting cuts: [String: Int]) -> ProducedMachine {
        let place = places.last { $0.count(cutting: cuts) <= bytes.lowerBound } ?? places[0]
        return place.giving(bytes, cutting: cuts)
    }
}

/// The surveys that were made last, since players ask for one part after the other. Events do not change, so neither does a survey.
final class ProducedSurveys: Sendable {
    struct Key: Hashable {
        let session: String
        let selection: ProducedSelection
        let after: Int
        let through: Int
        let format: SoundFormat
    }

    private struct State {
        var surveys: [Key: ProducedSurvey] = [:]
        /// The longest unused first.
        var order: [Key] = []

        mutating func use(_ key: Key) {
            order.removeAll { $0 == key }
            order.append(key)
        }
    }

    /// One has some hundred bytes for each MiB of what is said, of which a session keeps 192 at most.
    static let maximum = 64

    private let state = NIOLockedValueBox(State())

    /// The survey of that key, made if there is none. What could not be made is not kept.
    func survey<Failure>(
        _ key: Key, orElse make: () async throws(Failure) -> ProducedSurvey?
    ) async throws(Failure) -> ProducedSurvey? {
        let known = state.withLockedValue { state in
            if state.surveys[key] != nil { state.use(key) }
            return state.surveys[key]
        }
        if let known { return known }
        guard let made = try await make() else { return nil }
        state.withLockedValue { state in
            state.surveys[key] = made
            state.use(key)
            if state.order.count > Self.maximum { state.surveys[state.order.removeFirst()] = nil }
        }
        return made
    }
}
