import Foundation

/// What a microphone hears, sample by sample the same in every run: a spoken question in every period, and between them a room.
///
/// A faint noise lies over all of it, far below what voice detection hears, so that every stretch of it is found at one place only.
struct Microphone: Sendable {
    static let bytesPerMillisecond = 48
    /// What is sent at a time.
    static let chunkBytes = 100 * bytesPerMillisecond
    private static let leadBytes = 800 * bytesPerMillisecond
    private static let trailBytes = 1_200 * bytesPerMillisecond

    /// Whole periods.
    let source: Data
    /// Where the questions lie in ``source``.
    let questions: [Range<Int>]
    let periodBytes: Int

    /// - Parameter question: 24 kHz, mono, 16 bits.
    init(question: Data, periods: Int) {
        // Whole chunks, so that a run may end after any period.
        let length = Self.leadBytes + question.count + Self.trailBytes
        let periodBytes = (length + Self.chunkBytes - 1) / Self.chunkBytes * Self.chunkBytes
        var period = Data(count: periodBytes)
        period.replaceSubrange(Self.leadBytes..<Self.leadBytes + question.count, with: question)
        var source = Data(capacity: periods * periodBytes)
        var noise: UInt64 = 1
        for _ in 0..<periods {
            for place in stride(from: 0, to: period.count, by: 2) {
                // Marsaglia's xorshift64: a few bits a sample, -8 to 7.
                noise ^= noise << 13
                noise ^= noise >> 7
                noise ^= noise << 17
                let sample = Int16(bitPattern: UInt16(period[place]) | UInt16(period[place + 1]) << 8)
                let heard = UInt16(bitPattern: Int16(clamping: Int(sample) + Int(noise & 15) - 8))
                source.append(UInt8(heard & 0xFF))
                source.append(UInt8(heard >> 8))
            }
        }
        self.source = source
        self.periodBytes = periodBytes
        questions = (0..<periods).map { period in
            let start = period * periodBytes + Self.leadBytes
            return start..<start + question.count
        }
    }

    // MARK: what became of it

    /// Where in the source these bytes are; nil if they are not a stretch of it.
    func place(of audio: Data) -> Range<Int>? {
        guard let found = source.range(of: audio.prefix(Self.chunkBytes / 2)) else { return nil }
        let range = found.lowerBound..<found.lowerBound + audio.count
        guard range.upperBound <= source.count, source[range] == audio else { return nil }
        return range
    }

    /// Whether what the connections were sent, one after the other, is the source up to `end` without a hole.
    /// - Parameter appended: per connection, in their order; those that were sent nothing may be left out.
    /// - Returns: what is wrong, in words.
    func holes(in appended: [Data], upTo end: Int) -> [String] {
        var faults: [String] = []
        var reached = 0
        for (number, audio) in appended.enumerated() where !audio.isEmpty {
            guard let range = place(of: audio) else {
                let kept = source.range(of: audio.prefix(Self.chunkBytes / 2))?.lowerBound
                faults.append(
                    "connection \(number): its \(audio.count) bytes are no stretch of the source"
                        + (kept.map { "; they begin at \($0) and leave it after \(common(audio, at: $0)) bytes" } ?? ""))
                continue
            }
            if range.lowerBound > reached {
                faults.append("connection \(number): begins at \(range.lowerBound), but only \(reached) bytes had been sent")
            }
            reached = max(reached, range.upperBound)
        }
        if reached < end { faults.append("\(reached) of \(end) bytes were sent") }
        return faults
    }

    private func common(_ audio: Data, at start: Int) -> Int {
        zip(audio, source[start...]).prefix { $0 == $1 }.count
    }

    /// Whether each of the first questions is in exactly one of the audio items, whole.
    func faults(inItems items: [(id: String, audio: Data)], questions count: Int) -> [String] {
        var faults: [String] = []
        let places = items.map { ($0.id, place(of: $0.audio)) }
        for (id, place) in places where place == nil { faults.append("\(id) is no stretch of the source") }
        for (number, question) in questions.prefix(count).enumerated() {
            // Voice detection decides in windows of 20 ms, and a question may begin and end quietly.
            let core = question.lowerBound + 40 * Self.bytesPerMillisecond..<question.upperBound - 40 * Self.bytesPerMillisecond
            let whole = places.filter { $0.1.map { $0.contains(core) } ?? false }.map(\.0)
            let touched = places.filter { $0.1.map { $0.overlaps(core) } ?? false }.map(\.0)
            if whole.count != 1 || touched.count != 1 { faults.append("question \(number) is whole in \(whole), in part in \(touched)") }
        }
        return faults
    }
}
