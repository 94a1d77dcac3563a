package import Realtime

/// How a ``Simulator`` listens, speaks and misbehaves.
package struct SimulatorConfiguration: Sendable {
    package enum Speech: Sendable {
        /// Words by `espeak-ng` if it is on `PATH`, else tones.
        case auto
        /// A tone for every word: needs no other program, is quick, and always the same.
        case tone
    }

    /// How dropped connections end.
    package enum DropManner: String, CaseIterable, Sendable {
        /// By a TCP reset, without a CLOSE.
        case reset
        /// By the end of the TCP stream, without a CLOSE: what clients count as 1006.
        case end
        /// By CLOSE 1011.
        case close
        /// 60 % by reset, 20 % each by end and close.
        case mixed
    }

    package var host = "127.0.0.1"
    /// 0 lets the system choose; ``Simulator/start()`` tells.
    package var port = 0
    package var dialect: Dialect
    /// The keys that open a session; nil accepts every key that does not contain `invalid`.
    package var apiKeys: Set<String>?
    /// Time between a request and its `101`.
    package var handshakeDelay: Duration = .zero
    /// Time before each delta of a response. Zero streams as fast as the socket takes it.
    package var deltaDelay: Duration = .zero
    /// A session's length; nil is the service's 60 minutes. What is said about the end names 60 minutes all the same.
    package var expireAfter: Duration?
    /// Every connection is dropped after it was sent so many events.
    package var dropAfterEvents: Int?
    /// Every connection is dropped after a random time; this long on average.
    package var dropEvery: Duration?
    package var dropManner = DropManner.mixed
    /// The share of handshakes that is refused, from 0 to 1: half of them with 503, half with `101`, a `server_error` and CLOSE 1013.
    package var refuseRate = 0.0
    /// Every connection falls silent after so many events, but stays open.
    package var stallAfterEvents: Int?
    /// Every connection falls silent after a random time; this long on average.
    package var stallEvery: Duration?
    /// A stalled connection answers no pings and no CLOSE either, like one whose other end is gone without a word.
    package var stallIsDeaf = false
    /// Time between two pings, and before the first; the service takes about 20 s.
    package var pingInterval: Duration = .seconds(20)
    /// Decides ids and which handshakes are refused: the same seed and order of connections give the same.
    package var seed: UInt64 = 0
    /// Gets a JSON line for every frame in and out; what was there before is replaced.
    package var recordFile: String?
    package var speech = Speech.auto

    package init(dialect: Dialect) {
        self.dialect = dialect
    }
}
