import Realtime

@testable import Simulator

/// Plays a client against a ``ConversationMachine`` with a clock of its own, and keeps every frame.
struct MachineDriver {
    var machine: ConversationMachine
    private(set) var now: Duration = .zero
    private(set) var frames: [JSON] = []
    private(set) var raw: [[UInt8]] = []
    private(set) var close: (code: UInt16, reason: String)?
    /// Where ``events`` begins.
    private var mark = 0
    private var withheldSpeech: [ConversationMachine.SpeechRequest] = []
    var withholdsSpeech = false

    init(
        _ dialect: Dialect, kind: SessionSettings.Kind = .conversation, deltaDelay: Duration = .zero, lifetime: Duration = .seconds(3600),
        seed: UInt64 = 1
    ) {
        machine = ConversationMachine(
            .init(
                dialect: dialect, kind: kind, model: "sim-1", openedAt: 1_790_000_000, lifetime: lifetime, deltaDelay: deltaDelay,
                seed: seed)
        )
        take(machine.open())
    }

    /// Types of the frames since the last ``forget()``.
    var events: [String] { recent.map(\.type) }

    /// Frames since the last ``forget()``.
    var recent: [JSON] { Array(frames[mark...]) }

    /// Types with runs of deltas counted as one.
    var shape: [String] {
        var shape: [String] = []
        for event in events where !(event.hasSuffix(".delta") && shape.last == event) { shape.append(event) }
        return shape
    }

    mutating func forget() { mark = frames.count }

    mutating func send(_ text: String) {
        take(machine.receive(Array(text.utf8), now: now))
    }

    mutating func sendBinary() { take(machine.receiveBinary(now: now)) }

    mutating func append(_ samples: [Int16], format: AudioFormat = .pcm16, chunkMilliseconds: Int = 100) {
        let bytes = format.bytes(of: samples)
        let chunk = format.bytesPerMillisecond * chunkMilliseconds
        for start in stride(from: 0, to: bytes.count, by: chunk) {
            let quoted = String(decoding: Base64.quoted(bytes[start..<min(start + chunk, bytes.count)]), as: UTF8.self)
            send("{\"type\":\"input_audio_buffer.append\",\"audio\":\(quoted)}")
        }
    }

    /// Lets time pass and does what falls due.
    mutating func advance(_ duration: Duration) {
        let end = now + duration
        while let next = machine.nextTick, next <= end {
            now = max(now, next)
            take(machine.tick(now: now))
        }
        now = end
    }

    /// Lets time pass until no response and no transcription is under way.
    mutating func settle() {
        while !machine.responses.isEmpty || !machine.transcriptions.isEmpty, let next = machine.nextTick,
            machine.responses.contains(where: { !$0.awaitsSpeech }) || !machine.transcriptions.isEmpty
        {
            now = max(now, next)
            take(machine.tick(now: now))
        }
    }

    /// One step of what is due, as small as the machine can make it.
    mutating func step() {
        if let next = machine.nextTick { now = max(now, next) }
        take(machine.tick(now: now, limit: 1))
    }

    mutating func deliverSpeech() {
        withholdsSpeech = false
        for request in withheldSpeech { speak(request) }
        withheldSpeech = []
    }

    func last(_ type: String) -> JSON? { recent.last { $0.type == type } }
    func all(_ type: String) -> [JSON] { recent.filter { $0.type == type } }

    private mutating func take(_ actions: [ConversationMachine.Action]) {
        for action in actions {
            switch action {
            case .send(let bytes):
                raw.append(bytes)
                // What the machine writes is JSON, or the test that reads it is right to stop.
                if let json = try? JSON.parse(bytes) { frames.append(json) }
            case .speak(let request):
                if withholdsSpeech { withheldSpeech.append(request) } else { speak(request) }
            case .close(let code, let reason): close = (code, reason)
            }
        }
    }

    private mutating func speak(_ request: ConversationMachine.SpeechRequest) {
        let bytes = request.format.bytes(of: ToneSpeech.samples(for: request.text, speed: request.speed))
        take(machine.speechReady(ticket: request.ticket, bytes, now: now))
    }
}

extension JSON {
    var type: String { self["type"]?.string ?? "" }

    /// A member by path: `session.audio.input`, arrays by number.
    func at(_ path: String) -> JSON? {
        var value: JSON? = self
        for name in path.split(separator: ".") {
            if let index = Int(name) { value = value?[index] } else { value = value?[String(name)] }
        }
        return value
    }
}
