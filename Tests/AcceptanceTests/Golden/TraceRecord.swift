import NIOConcurrencyHelpers
import Realtime

/// What both ends of a played trace must know of each other: which ids the bridge chose, and what it is to show.
final class TraceRecord: Sendable {
    private struct State {
        var names: [(trace: [UInt8], bridge: [UInt8])] = []
        var shown: [[UInt8]] = []
    }

    private let state = NIOLockedValueBox(State())

    /// What upstream's own view is to show of the server's events so far: all of them, in the trace's ids.
    var shown: [[UInt8]] { state.withLockedValue(\.shown) }

    func show(_ payload: [UInt8]) {
        state.withLockedValue { $0.shown.append(payload) }
    }

    /// An item is called otherwise than in the trace from here on.
    func rename(_ traceID: String, to bridgeID: String) {
        state.withLockedValue { $0.names.append((Array(traceID.utf8), Array(bridgeID.utf8))) }
    }

    /// Something out of the trace, as it has to be said in this run.
    func inBridgesIDs(_ bytes: [UInt8]) -> [UInt8] {
        state.withLockedValue(\.names).reduce(bytes) { $0.replacing($1.trace, with: $1.bridge) }
    }

    /// Something that the bridge said, as the trace has it.
    func inTracesIDs(_ bytes: [UInt8]) -> [UInt8] {
        state.withLockedValue(\.names).reduce(bytes) { $0.replacing($1.bridge, with: $1.trace) }
    }
}
