import Foundation

/// Finds speech in audio by its energy. Time is counted in samples received, never in wall time.
///
/// The audio is judged in windows of 20 ms. A window's loudness becomes a probability: -60 dB of full scale is 0, -20 dB is 1, linear
/// between, so that the default threshold of 0.5 lies at -40 dB.
struct VoiceActivityDetector: Sendable {
    struct Parameters: Equatable, Sendable {
        var threshold: Double
        var prefixPaddingMilliseconds: Int
        var silenceMilliseconds: Int
    }

    enum Finding: Equatable, Sendable {
        /// Speech began; the position includes the prefix padding.
        case started(atMillisecond: Int)
        /// Silence has lasted long enough; the position is where it was found to have.
        case stopped(atMillisecond: Int)
    }

    static let windowMilliseconds = 20
    /// A click is shorter than this many windows.
    private static let windowsToStart = 3

    let samplesPerSecond: Int
    private var window: [Int16] = []
    /// Windows judged so far.
    private var position: Int
    private var loudWindows = 0
    private var quietWindows = 0
    private(set) var isSpeaking = false

    /// - Parameter startMillisecond: how much audio came before, in multiples of a window.
    init(samplesPerSecond: Int, startMillisecond: Int = 0) {
        self.samplesPerSecond = samplesPerSecond
        position = startMillisecond / Self.windowMilliseconds
        window.reserveCapacity(samplesPerSecond / 50)
    }

    /// Takes the next samples and tells what they change, in order.
    mutating func hear(_ samples: [Int16], _ parameters: Parameters) -> [Finding] {
        var findings: [Finding] = []
        let windowSize = samplesPerSecond / 1000 * Self.windowMilliseconds
        var next = 0
        while next < samples.count {
            let take = min(windowSize - window.count, samples.count - next)
            window.append(contentsOf: samples[next..<next + take])
            next += take
            guard window.count == windowSize else { break }
            let loud = Self.probability(of: window) >= parameters.threshold
            window.removeAll(keepingCapacity: true)
            position += 1
            if let finding = judge(loud: loud, parameters) { findings.append(finding) }
        }
        return findings
    }

    private mutating func judge(loud: Bool, _ parameters: Parameters) -> Finding? {
        if loud {
            loudWindows += 1
            quietWindows = 0
            guard !isSpeaking, loudWindows == Self.windowsToStart else { return nil }
            isSpeaking = true
            let onset = (position - Self.windowsToStart) * Self.windowMilliseconds
            return .started(atMillisecond: max(0, onset - parameters.prefixPaddingMilliseconds))
        }
        loudWindows = 0
        quietWindows += 1
        guard isSpeaking, quietWindows * Self.windowMilliseconds >= parameters.silenceMilliseconds else { return nil }
        isSpeaking = false
        return .stopped(atMillisecond: position * Self.windowMilliseconds)
    }

    static func probability(of samples: [Int16]) -> Double {
        guard !samples.isEmpty else { return 0 }
        let power = samples.reduce(into: 0.0) { $0 += Double($1) * Double($1) } / Double(samples.count)
        guard power > 0 else { return 0 }
        let decibels = 10 * log10(power / (32768.0 * 32768.0))
        return min(1, max(0, (decibels + 60) / 40))
    }
}
