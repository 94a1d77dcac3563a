/// The input audio of the present connection that may have to be given to the next one: what was appended and upstream has not yet
/// made an item of.
///
/// A position counts bytes of audio since the connection began; what upstream says in milliseconds is counted from there too. Call it in
/// the order of the socket: ``appended(_:)`` when a frame is written, the rest when upstream's event is read. A caller's commit or clear
/// is known by the ``position`` at which its frame was written:
///
///     let marker = ledger.position                       // the commit is written here
///     …
///     let audio = ledger.committed(itemID: id, at: marker)   // its `input_audio_buffer.committed` is read
///
/// When the connection is lost with commits and clears unanswered, the next one is given the kept audio around them:
///
///     // Before: a commit whose audio is not whole is not repeated. `previous` is the marker in flight before it, or nil.
///     let isWhole = ledger.holdsAll(from: previous)
///     let base = ledger.restarted()
///     var sent = 0
///     for marker in markers.map({ max(0, $0 - base) }) {
///         append(ledger.kept(sent..<marker)); send(command); sent = marker
///     }
///     append(ledger.kept(sent..<ledger.position))        // not `appended(_:)` again: it is counted already
struct InputAudioLedger: Sendable {
    /// What nobody made a turn of is kept for this long: longer than it takes to find out that a server hears nothing any more (20 s
    /// to the ping, 20 s for its answer).
    static let maximumSeconds = 45
    /// What a speech may take that began and does not end: 87 s of PCM.
    static let maximumSpeechBytes = 4 << 20
    /// One is spoken while the one before waits for its `committed`; more have no meaning, and upstream could name without end.
    private static let maximumSpeeches = 2
    /// How far upstream's rounding may carry a speech beyond the last byte that was sent.
    private static let toleranceMilliseconds = 100

    /// A turn that voice activity detection found, by positions.
    private struct Speech {
        let itemID: String
        var start: Int
        var end: Int?
    }

    private var format: AudioFormat
    /// Audio in earlier formats of this connection, which upstream's times include.
    private var earlierMilliseconds = 0
    /// Where the present format began.
    private var formatStart = 0

    /// Bytes before `head` are gone; they are moved out when they are half of it, so that each byte is moved at most once.
    private var storage: [UInt8] = []
    private var head = 0
    /// Where the next byte will lie.
    private(set) var position = 0
    /// Where upstream's buffer began: at the end of the last item, at a clear, or with the connection.
    private var turnStart = 0
    private var speeches: [Speech] = []

    init(format: AudioFormat) {
        self.format = format
    }

    /// Where the oldest byte lies that is still held.
    private var heldStart: Int { position - (storage.count - head) }

    /// The positions of what is still held.
    var heldRange: Range<Int> { heldStart..<position }

    /// Somebody has begun to speak, and upstream has not made an item of it yet.
    var isSpeaking: Bool { !speeches.isEmpty }

    /// Nothing that upstream's buffer now holds was dropped: a commit made now could be repeated on another connection.
    var holdsAll: Bool { heldStart <= turnStart }

    /// How much of what upstream's buffer now holds was dropped.
    var droppedMilliseconds: Int { format.milliseconds(bytes: max(0, heldStart - turnStart)) }

    var heldMilliseconds: Int { format.milliseconds(bytes: heldRange.count) }

    /// Where the next byte will lie, as upstream counts.
    var milliseconds: Int { milliseconds(at: position) }

    /// Whether a commit or clear written at that position could be repeated on another connection with all the audio it had.
    ///
    /// Of several in flight each one's audio begins at the one before, so each has its own answer.
    /// - Parameter previous: the position of the one in flight before it; nil if it is the first.
    func holdsAll(from previous: Int?) -> Bool {
        heldStart <= max(previous ?? turnStart, turnStart)
    }

    // MARK: What happens to the audio

    /// Audio was written. Beyond ``maximumSeconds`` the oldest is dropped, but what belongs to a speech under way only beyond
    /// ``maximumSpeechBytes``.
    mutating func appended(_ bytes: some Collection<UInt8>) {
        storage.append(contentsOf: bytes)
        position += bytes.count
        let limit = Self.maximumSeconds * format.bytesPerSecond
        let unprotected = min(position - limit, speeches.first?.start ?? .max)
        drop(before: max(unprotected, position - max(limit, Self.maximumSpeechBytes)))
    }

    /// `input_audio_buffer.speech_started`; also `timeout_triggered`, whose end is told by ``speechStopped(itemID:endMilliseconds:)``.
    mutating func speechStarted(itemID: String, startMilliseconds: Int) {
        if speeches.count == Self.maximumSpeeches { speeches.removeFirst() }
        // What is before the turn is in another item, whatever the padding says.
        speeches.append(Speech(itemID: itemID, start: max(turnStart, position(ofMillisecond: startMilliseconds))))
    }

    /// `input_audio_buffer.speech_stopped`.
    mutating func speechStopped(itemID: String, endMilliseconds: Int) {
        guard let index = speeches.firstIndex(where: { $0.itemID == itemID }) else { return }
        let end = position(ofMillisecond: endMilliseconds)
        let tolerance = Self.toleranceMilliseconds * format.bytesPerSecond / 1_000
        // An end in the future is not one of this audio: then where it ended is not known.
        speeches[index].end = end <= position + tolerance ? min(end, position) : nil
    }

    /// When what an item is about to be made of was heard, in milliseconds of this connection's audio; nil if that is not known. To be
    /// asked before ``committed(itemID:at:)``, with the same parameters; the audio need not be held any more.
    func heard(itemID: String, at marker: Int?) -> Range<Int>? {
        let speech = speeches.first { $0.itemID == itemID }
        guard let start = speech?.start ?? (marker == nil ? nil : turnStart), let end = marker ?? speech?.end, end <= position,
            max(start, formatStart) < end
        else { return nil }
        return milliseconds(at: max(start, formatStart))..<milliseconds(at: end)
    }

    /// `input_audio_buffer.committed`: what the item holds is upstream's now and is dropped.
    ///
    /// - Parameter marker: ``position`` when the caller's commit was written; nil if voice activity detection committed. Then the item is
    ///   what the speech of its id was said to be; if that is not known, all that was sent so far counts as taken.
    /// - Returns: the item's whole audio; nil if some of it is no longer held or where it lay is not known.
    mutating func committed(itemID: String, at marker: Int?) -> [UInt8]? {
        let speech = speeches.first { $0.itemID == itemID }
        // A commit in the middle of a speech takes what upstream holds: the speech so far, without the silence before it.
        let start = speech?.start ?? (marker == nil ? nil : turnStart)
        let end = marker ?? speech?.end
        var audio: [UInt8]?
        if let start, let end, start >= heldStart, start < end, end <= position { audio = kept(start..<end) }
        beginTurn(at: end ?? position)
        // The caller's commit takes an unfinished speech with it; after voice activity's own, the next may already have begun.
        speeches.removeAll { $0.itemID == itemID || (marker != nil && $0.start < turnStart) }
        for index in speeches.indices { speeches[index].start = max(speeches[index].start, turnStart) }
        return audio
    }

    /// `input_audio_buffer.cleared`.
    /// - Parameter marker: ``position`` when the clear was written.
    mutating func cleared(at marker: Int) {
        beginTurn(at: marker)
        speeches = []
    }

    /// The caller's audio has another format from now on. What was sent in the old one and is in no item yet cannot be kept, since its
    /// bytes would be misread. The same sound under another name is no other format.
    mutating func reformatted(_ format: AudioFormat) {
        guard format.encoding != self.format.encoding else { return }
        earlierMilliseconds += self.format.milliseconds(bytes: position - formatStart)
        formatStart = position
        self.format = format
        drop(before: position)
        speeches = []
    }

    // MARK: The next connection

    /// The bytes at those positions that are still held.
    func kept(_ positions: Range<Int>) -> [UInt8] {
        let range = positions.clamped(to: heldRange)
        let offset = head - heldStart
        return Array(storage[range.lowerBound + offset..<range.upperBound + offset])
    }

    /// A new connection, to which what is kept will be appended first: that lies from position 0 on now, and no speech is known.
    ///
    /// Ask ``holdsAll(from:)`` before, since what was dropped is forgotten by this.
    /// - Returns: what to take away from older positions; those that become negative lay before what is kept.
    mutating func restarted() -> Int {
        let base = heldStart
        position -= base
        turnStart = 0
        formatStart = 0
        earlierMilliseconds = 0
        speeches = []
        return base
    }

    // MARK: Inside

    private func position(ofMillisecond millisecond: Int) -> Int {
        // Upstream's numbers are not trusted with arithmetic: beyond this, 24 days, is no time of a connection.
        let inFormat = min(max(0, millisecond), Int(Int32.max)) - earlierMilliseconds
        let samples = max(0, inFormat) * format.samplesPerSecond / 1_000
        return formatStart + samples * format.bytesPerSample
    }

    private func milliseconds(at position: Int) -> Int {
        earlierMilliseconds + format.milliseconds(bytes: position - formatStart)
    }

    private mutating func beginTurn(at start: Int) {
        turnStart = max(turnStart, min(start, position))
        drop(before: turnStart)
    }

    private mutating func drop(before start: Int) {
        guard start > heldStart else { return }
        head += min(start, position) - heldStart
        guard head * 2 >= storage.count else { return }
        storage.removeSubrange(..<head)
        head = 0
    }
}
