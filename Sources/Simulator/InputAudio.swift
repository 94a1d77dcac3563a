/// The input audio buffer and the clock of received audio, with voice activity detection where it is on.
struct InputAudio: Sendable {
    /// A caller without turn detection that never commits reaches this after 11 minutes of PCM.
    static let maximumBytes = 32 << 20
    /// What is kept of silence while nobody speaks; more than any prefix padding.
    private static let idleMilliseconds = 12_000

    private(set) var format: AudioFormat
    private(set) var buffer: [UInt8] = []
    /// Milliseconds of audio received in earlier formats.
    private var baseMilliseconds = 0
    /// Position of the buffer's first byte among all bytes of this format.
    private var bufferStart = 0
    /// Bytes of the buffer that the detector has heard.
    private var heard = 0
    private var detector: VoiceActivityDetector?
    private var parameters: VoiceActivityDetector.Parameters?

    init(format: AudioFormat) {
        self.format = format
    }

    var isSpeaking: Bool { detector?.isSpeaking ?? false }

    /// Length of what a commit would take.
    var milliseconds: Double { Double(buffer.count) / Double(format.bytesPerMillisecond) }

    /// Where the next sample lies in the session's audio.
    var position: Int { baseMilliseconds + (bufferStart + buffer.count) / format.bytesPerMillisecond }

    /// Where the buffer begins in the session's audio.
    var startPosition: Int { baseMilliseconds + bufferStart / format.bytesPerMillisecond }

    /// Takes new settings. Another format empties the buffer, for its bytes would be misread.
    mutating func configure(format: AudioFormat, parameters: VoiceActivityDetector.Parameters?) {
        if format != self.format {
            baseMilliseconds = position
            bufferStart = 0
            buffer = []
            heard = 0
            detector = nil
            self.format = format
        }
        self.parameters = parameters
        if parameters == nil {
            detector = nil
        } else if detector == nil {
            listenAfresh()
        }
    }

    /// Takes bytes and tells what the detector found in them. False if the buffer is full; then nothing was taken.
    mutating func append(_ bytes: [UInt8]) -> [VoiceActivityDetector.Finding]? {
        guard buffer.count + bytes.count <= Self.maximumBytes else { return nil }
        buffer.append(contentsOf: bytes)
        guard let parameters, detector != nil else { return [] }
        let end = buffer.count - (buffer.count - heard) % format.bytesPerSample
        let findings = detector?.hear(format.samples(buffer[heard..<end]), parameters) ?? []
        heard = end
        if findings.isEmpty, !isSpeaking { dropIdleSilence() }
        return findings
    }

    /// Forgets everything before a position that a finding named.
    mutating func dropAudio(before millisecond: Int) {
        drop(bytes: offset(of: millisecond))
    }

    /// Takes out the audio up to a position, or all of it.
    mutating func take(upTo millisecond: Int? = nil) -> [UInt8] {
        let count = millisecond.map(offset(of:)) ?? buffer.count
        let taken = Array(buffer[..<count])
        drop(bytes: count)
        if millisecond == nil { listenAfresh() }
        return taken
    }

    mutating func clear() {
        drop(bytes: buffer.count)
        listenAfresh()
    }

    private func offset(of millisecond: Int) -> Int {
        min(max(0, (millisecond - baseMilliseconds) * format.bytesPerMillisecond - bufferStart), buffer.count)
    }

    private mutating func drop(bytes count: Int) {
        buffer.removeFirst(count)
        bufferStart += count
        heard = max(0, heard - count)
    }

    private mutating func listenAfresh() {
        guard parameters != nil else { return }
        heard = buffer.count
        detector = VoiceActivityDetector(samplesPerSecond: format.samplesPerSecond, startMillisecond: position)
    }

    private mutating func dropIdleSilence() {
        let kept = Self.idleMilliseconds * format.bytesPerMillisecond
        // Twice the kept length, so that moving the rest is rare.
        if buffer.count > 2 * kept { drop(bytes: (buffer.count - kept) / format.bytesPerSample * format.bytesPerSample) }
    }
}
