import Audio
import Realtime
import Testing

@testable import Simulator

@Suite struct AudioTests {
    private static let parameters = VoiceActivityDetector.Parameters(
        threshold: 0.5, prefixPaddingMilliseconds: 300, silenceMilliseconds: 200)

    @Test(arguments: [1, 7, 480, 2400, 100_000])
    func `speech is found wherever the audio is cut`(chunk: Int) {
        let audio = Sound.silence(milliseconds: 600) + Sound.speech(milliseconds: 500) + Sound.silence(milliseconds: 400)
        var detector = VoiceActivityDetector(samplesPerSecond: 24_000)
        var findings: [VoiceActivityDetector.Finding] = []
        for start in stride(from: 0, to: audio.count, by: chunk) {
            findings += detector.hear(Array(audio[start..<min(start + chunk, audio.count)]), Self.parameters)
        }
        #expect(findings == [.started(atMillisecond: 300), .stopped(atMillisecond: 1300)])
    }

    @Test func `threshold, padding and silence are honoured`() {
        let quiet = Sound.speech(milliseconds: 500).map { $0 / 40 }
        var detector = VoiceActivityDetector(samplesPerSecond: 24_000)
        #expect(detector.hear(quiet, Self.parameters) == [])
        detector = VoiceActivityDetector(samplesPerSecond: 24_000)
        var sensitive = Self.parameters
        sensitive.threshold = 0.2
        sensitive.prefixPaddingMilliseconds = 0
        #expect(detector.hear(Sound.silence(milliseconds: 100) + quiet, sensitive) == [.started(atMillisecond: 100)])
        var patient = Self.parameters
        patient.silenceMilliseconds = 800
        detector = VoiceActivityDetector(samplesPerSecond: 24_000)
        let pause = Sound.speech(milliseconds: 300) + Sound.silence(milliseconds: 600) + Sound.speech(milliseconds: 300)
        #expect(
            detector.hear(pause + Sound.silence(milliseconds: 900), patient) == [.started(atMillisecond: 0), .stopped(atMillisecond: 2000)])
    }

    @Test func `a click is no speech`() {
        var detector = VoiceActivityDetector(samplesPerSecond: 24_000)
        let clicks = (0..<20).flatMap { _ in Sound.speech(milliseconds: 20) + Sound.silence(milliseconds: 80) }
        #expect(detector.hear(clicks, Self.parameters) == [])
    }

    @Test(arguments: [("low", 8), ("medium", 4), ("auto", 4), ("high", 2)])
    func `semantic turns end after the wait of their eagerness`(eagerness: String, seconds: Int) {
        var driver = MachineDriver(.ga)
        driver.send(Request.turnDetection(.ga, #"{"type":"semantic_vad","eagerness":"\#(eagerness)"}"#))
        driver.append(Sound.speech(milliseconds: 500) + Sound.silence(milliseconds: 9000))
        #expect(driver.last("input_audio_buffer.speech_stopped")?["audio_end_ms"]?.int == 500 + seconds * 1000)
    }

    @Test(arguments: [AudioFormat.muLaw, .aLaw])
    func `companded samples come back nearly as they were`(format: AudioFormat) {
        for sample in stride(from: -32_768, through: 32_767, by: 37) {
            let value = Int16(sample)
            let byte = format == .muLaw ? G711.encodeMuLaw(value) : G711.encodeALaw(value)
            let back = Int(format.samples([byte])[0])
            #expect(abs(back - sample) <= max(8, abs(sample) / 32), "\(sample) became \(back)")
        }
        // Every code is the nearest one to its own sample; mu-law has two zeros.
        for byte in UInt8.min...UInt8.max where !(format == .muLaw && byte == 0x7F) {
            let sample = format.samples([byte])[0]
            #expect((format == .muLaw ? G711.encodeMuLaw(sample) : G711.encodeALaw(sample)) == byte)
        }
        // Known codes of G.711: silence, and the loudest samples.
        #expect(G711.encodeMuLaw(0) == 0xFF)
        #expect(G711.encodeALaw(0) == 0xD5)
        #expect(G711.encodeMuLaw(32_767) == 0x80)
        #expect(G711.encodeALaw(32_767) == 0xAA)
    }

    @Test(arguments: [[], [1], [1, 2], [1, 2, 3], [255, 0, 128, 77, 9]] as [[UInt8]])
    func `base64 round trips and refuses the rest`(bytes: [UInt8]) {
        let quoted = Base64.quoted(bytes[...])
        #expect(Base64.decode(quoted.dropFirst().dropLast()) == bytes)
        for bad in ["A", "AA", "AAA", "A===", "AA=A", "AA==AAAA", "AA*=", "=AAA", "===="] {
            #expect(Base64.decode(bad) == nil, "\(bad)")
        }
    }

    @Test func `a turn's samples do not depend on where appends are cut`() throws {
        var driver = MachineDriver(.ga)
        driver.send(Request.turnDetection(.ga, "null"))
        let bytes = AudioFormat.pcm16.bytes(of: ToneSpeech.samples(for: "one two"))
        for start in stride(from: 0, to: bytes.count, by: 1001) {
            let quoted = String(decoding: Base64.quoted(bytes[start..<min(start + 1001, bytes.count)]), as: UTF8.self)
            driver.send("{\"type\":\"input_audio_buffer.append\",\"audio\":\(quoted)}")
        }
        driver.send(Request.commit)
        guard case .message(_, let parts)? = driver.machine.conversation.items.first?.kind,
            case .inputAudio(let kept, _, _)? = parts.first
        else {
            Issue.record("no audio item")
            return
        }
        #expect(kept == bytes)
    }

    @Test func `an endless silence is not kept, and time goes on`() {
        var driver = MachineDriver(.ga)
        for _ in 0..<60 { driver.append(Sound.silence(milliseconds: 1000), chunkMilliseconds: 1000) }
        #expect(driver.machine.input.buffer.count <= 24_000 * 48)
        driver.append(Sound.speech(milliseconds: 300) + Sound.silence(milliseconds: 300))
        #expect(driver.last("input_audio_buffer.speech_started")?["audio_start_ms"]?.int == 59_700)
    }

    @Test func `an append holds 15 MiB and no more`() {
        var driver = MachineDriver(.ga)
        driver.send(Request.turnDetection(.ga, "null"))
        driver.forget()
        func append(_ byteCount: Int) -> String {
            #"{"type":"input_audio_buffer.append","audio":"\#(String(repeating: "A", count: byteCount / 3 * 4))"}"#
        }
        driver.send(append(15 << 20))
        #expect(driver.events == [])
        driver.send(append(15 << 20 + 3))
        #expect(driver.last("error")?.at("error.param")?.string == "audio")
        #expect(driver.machine.input.buffer.count == 15 << 20)
    }

    @Test func `the manual buffer is bounded`() {
        var input = InputAudio(format: .pcm16)
        #expect(input.append([UInt8](repeating: 0, count: InputAudio.maximumBytes)) == [])
        #expect(input.append([0]) == nil)
    }

    @Test func `tones are heard as speech, and silence between turns is kept silent`() {
        let samples = ToneSpeech.samples(for: "hello there")
        #expect(samples == ToneSpeech.samples(for: "hello there"))
        #expect(samples != ToneSpeech.samples(for: "hello where"))
        var detector = VoiceActivityDetector(samplesPerSecond: 24_000)
        #expect(detector.hear(samples, Self.parameters).count == 1)
    }

    @Test(.enabled(if: EspeakVoice() != nil, "espeak-ng is not installed"))
    func `spoken words are heard as one turn`() throws {
        let samples = try #require(EspeakVoice()?.samples(for: "Hello, this is a test of the voice.", voice: Array("alloy".utf8), speed: 1))
        #expect((1000...6000).contains(samples.count / 24))
        var driver = MachineDriver(.ga)
        driver.send(Request.turnDetection(.ga, #"{"type":"server_vad","silence_duration_ms":500}"#))
        driver.forget()
        driver.append(Sound.silence(milliseconds: 500) + samples + Sound.silence(milliseconds: 1000))
        #expect(driver.all("input_audio_buffer.speech_started").count == 1)
        #expect(driver.all("input_audio_buffer.speech_stopped").count == 1)
        let start = try #require(driver.last("input_audio_buffer.speech_started")?["audio_start_ms"]?.int)
        #expect((100...700).contains(start))
    }

    @Test func `texts are cut into deltas that join to the text`() {
        for text in ["", "one", "one two  three\nfour ", " lead", String(repeating: "x", count: 200)] {
            #expect(Pieces.of(text).joined() == text)
        }
        #expect(Pieces.of("one two").count == 2)
    }
}
