import EventLog
import Realtime
import Testing
import Upstream

@testable import Sessions

/// Input audio that a lost connection had, by the machine alone.
@Suite struct LostAudioTests {
    private func created(_ id: String, token: String) -> String {
        "{\"type\":\"response.created\",\"response\":{\"id\":\"\(id)\",\"status\":\"in_progress\",\"conversation_id\":\"c\",\"metadata\":{\"realtime_bridge\":\"\(token)\"}}}"
    }

    @Test func audioThatGoesWithTheProcessIsSaidToBeLost() throws {
        var driver = MachineDriver()
        driver.receive(#"{"type":"session.updated","session":{"turn_detection":null}}"#)
        try driver.take(append(UInt8(ascii: "a")))
        driver.act(driver.machine.suspend(reason: "bridge_stopped", isLast: true))
        let told = try JSON.parse(driver.frames.last ?? [])
        #expect(told["type"]?.string == "bridge.session.suspended")
        #expect(told["input_audio_lost_ms"]?.int == 100)
        #expect(driver.machine.record.uncommittedAudioMilliseconds == 100)
    }

    /// A speech under way is lost, the silence that voice detection has heard is not.
    @Test func ofWhatVoiceDetectionHasHeardOnlySpeechIsLostWithTheProcess() throws {
        var driver = MachineDriver()
        driver.receive(#"{"type":"session.updated","session":{"turn_detection":{"type":"server_vad"}}}"#)
        for letter in "sspp".utf8 { try driver.take(append(letter)) }
        driver.write()
        #expect(driver.machine.uncommittedAudioMilliseconds == 0)
        driver.receive(#"{"type":"input_audio_buffer.speech_started","item_id":"v","audio_start_ms":200}"#)
        #expect(driver.machine.record.uncommittedAudioMilliseconds == 400)
        driver.act(driver.machine.suspend(reason: "bridge_stopped", isLast: true))
        #expect(try JSON.parse(driver.frames.last ?? [])["input_audio_lost_ms"]?.int == 400)
    }

    /// The record follows the audio: the first piece, then by the second, and what was committed at once.
    @Test func theRecordSaysWhatAKillWouldLose() throws {
        var driver = MachineDriver()
        driver.receive(#"{"type":"session.updated","session":{"turn_detection":null}}"#)
        var noted: [Int] = []
        for _ in 0..<25 {
            try driver.take(append(UInt8(ascii: "a")))
            if let record = driver.machine.inputAudioNoted() { noted.append(record.uncommittedAudioMilliseconds) }
        }
        #expect(noted == [100, 1_100, 2_100])
        #expect(driver.machine.inputAudioNoted(isExact: true)?.uncommittedAudioMilliseconds == 2_500)
        try driver.take(#"{"type":"input_audio_buffer.commit"}"#)
        try driver.take(append(UInt8(ascii: "b")))
        driver.write()
        driver.recorded = []
        driver.receive(#"{"type":"input_audio_buffer.committed","item_id":"u1"}"#)
        #expect(driver.machine.record.uncommittedAudioMilliseconds == 100)
        #expect(driver.recorded == ["input_audio_buffer.committed"])
        // What waits for a connection would be lost as well.
        driver.lose()
        try driver.take(append(UInt8(ascii: "c"), samples: 24_000))
        #expect(driver.machine.inputAudioNoted()?.uncommittedAudioMilliseconds == 1_100)
    }

    /// The record goes back to what the log had of it last before the audio came.
    @Test func aCommitTakesTheAudioBackInItsOwnCommit() throws {
        var driver = MachineDriver()
        driver.receive(#"{"type":"session.updated","session":{"turn_detection":null}}"#)
        try driver.take(append(UInt8(ascii: "a")))
        #expect(driver.machine.inputAudioNoted(isExact: true) != nil)
        try driver.take(#"{"type":"input_audio_buffer.commit"}"#)
        driver.write()
        driver.recorded = []
        driver.receive(#"{"type":"input_audio_buffer.committed","item_id":"u1"}"#)
        #expect(driver.machine.record.uncommittedAudioMilliseconds == 0)
        #expect(driver.recorded == ["input_audio_buffer.committed"])
    }

    @Test func audioOutlastsAnUpstreamThatStaysAway() throws {
        var driver = MachineDriver()
        driver.receive(#"{"type":"session.updated","session":{"turn_detection":null}}"#)
        try driver.take(append(UInt8(ascii: "a")))
        driver.write()
        driver.lose()
        // Taken at once: it waits for the next connection.
        let second = try driver.take(append(UInt8(ascii: "b")))
        #expect(driver.accepted == [second])
        for _ in 0..<20 where driver.machine.record.status == .recovering {
            driver.fail()
            driver.wait()
        }
        #expect(driver.machine.record.status == .suspended)
        let sent = driver.sent.count
        let third = try driver.take(append(UInt8(ascii: "c")))
        #expect(driver.accepted.contains(third))
        driver.open()
        #expect(audio(Array(driver.sent.dropFirst(sent))) == ["ab", "c"])
        #expect(driver.failures.isEmpty)
    }

    @Test func anAnswerIsNotAskedForWithoutTheTurnItIsTo() throws {
        var driver = MachineDriver()
        driver.receive(#"{"type":"session.updated","session":{"turn_detection":null}}"#)
        // More than is kept.
        for _ in 0..<550 { try driver.take(append(UInt8(ascii: "x"))) }
        let commit = try driver.take(#"{"type":"input_audio_buffer.commit"}"#)
        driver.write()
        let response = try driver.take(#"{"type":"response.create"}"#)
        driver.lose()
        #expect(driver.failures == [commit: .upstreamLost, response: .upstreamLost])
        driver.open()
        #expect(driver.switches.last?["input_audio_lost_ms"]?.int == 10_000)
    }

    private func append(_ byte: UInt8, samples: Int = 2_400) -> String {
        let audio = String(decoding: Base64.encoded([UInt8](repeating: byte, count: samples * 2)[...]), as: UTF8.self)
        return "{\"type\":\"input_audio_buffer.append\",\"audio\":\"\(audio)\"}"
    }

    private func audio(_ events: [ClientEvent]) -> [String] {
        events.map { event in
            guard let text = (try? JSON.parse(event.frame))?["audio"]?.string else { return event.name }
            let bytes = Base64.decoded(Array(text.utf8)[...]) ?? []
            // Runs of one byte, as letters with their length in 100 ms.
            var runs = ""
            for start in stride(from: 0, to: bytes.count, by: 4_800) { runs += String(UnicodeScalar(bytes[start])) }
            return runs
        }
    }

    @Test func uncommittedAudioIsGivenToTheNextConnectionAroundTheCommitsOnTheirWay() throws {
        var driver = MachineDriver()
        driver.receive(#"{"type":"session.updated","session":{"turn_detection":null}}"#)
        try driver.take(append(UInt8(ascii: "a")))
        let first = try driver.take(#"{"type":"input_audio_buffer.commit"}"#)
        driver.write()
        driver.receive(#"{"type":"input_audio_buffer.committed","item_id":"u1"}"#)
        #expect(driver.machine.inputs["u1"] == 4_800)
        try driver.take(append(UInt8(ascii: "b")))
        let second = try driver.take(#"{"type":"input_audio_buffer.commit"}"#)
        driver.write()
        let third = try driver.take(append(UInt8(ascii: "c")))
        driver.lose()
        #expect(driver.accepted == [third])
        let sent = driver.sent.count
        let fourth = try driver.take(append(UInt8(ascii: "d")))
        driver.open()
        #expect(audio(Array(driver.sent.dropFirst(sent))) == ["b", "input_audio_buffer.commit", "c", "d"])
        driver.receive(#"{"type":"input_audio_buffer.committed","item_id":"u2"}"#)
        #expect(driver.answers == [first: [.confirmed], second: [.confirmed]])
        #expect(driver.machine.inputs["u2"] == 4_800)
        // Lost again at once: what was given but not taken is given again, once.
        driver.write()
        let before = driver.sent.count
        driver.lose()
        if driver.links.isEmpty { driver.wait() }
        driver.open()
        #expect(audio(Array(driver.sent.dropFirst(before))) == ["cd"])
        #expect(fourth > third)
    }

    @Test func anItemThatVoiceDetectionCommittedKeepsItsAudio() throws {
        var driver = MachineDriver()
        driver.receive(#"{"type":"session.updated","session":{"turn_detection":{"type":"server_vad"}}}"#)
        for letter in "sspppss".utf8 { try driver.take(append(letter)) }
        driver.write()
        driver.receive(#"{"type":"input_audio_buffer.speech_started","item_id":"v","audio_start_ms":200}"#)
        driver.receive(#"{"type":"input_audio_buffer.speech_stopped","item_id":"v","audio_end_ms":500}"#)
        driver.receive(#"{"type":"input_audio_buffer.committed","item_id":"v"}"#)
        #expect(driver.machine.inputs["v"] == 3 * 4_800)
        let sent = driver.sent.count
        driver.lose()
        driver.open()
        // Only the silence after it.
        #expect(audio(Array(driver.sent.dropFirst(sent))) == ["ss"])
    }

    /// Silence that was waited for in vain becomes an item too, which one event tells of.
    @Test func anItemThatATimeoutCommittedKeepsItsAudio() throws {
        var driver = MachineDriver()
        driver.receive(#"{"type":"session.updated","session":{"turn_detection":{"type":"server_vad","idle_timeout_ms":5000}}}"#)
        for letter in "sspppss".utf8 { try driver.take(append(letter)) }
        driver.write()
        driver.receive(
            #"{"type":"input_audio_buffer.timeout_triggered","item_id":"v","audio_start_ms":200,"audio_end_ms":500}"#)
        driver.receive(#"{"type":"input_audio_buffer.committed","item_id":"v"}"#)
        #expect(driver.machine.inputs["v"] == 3 * 4_800)
    }

    @Test(arguments: [true, false])
    func aSpokenTurnThatUpstreamDidNotBeginToAnswerIsAnsweredByTheNextOne(answers: Bool) throws {
        var driver = MachineDriver()
        driver.receive(
            "{\"type\":\"session.updated\",\"session\":{\"turn_detection\":{\"type\":\"server_vad\",\"create_response\":\(answers)}}}")
        driver.receive(#"{"type":"input_audio_buffer.committed","item_id":"v"}"#)
        driver.lose()
        driver.open(
            "{\"type\":\"session.created\",\"session\":{\"turn_detection\":{\"type\":\"server_vad\",\"create_response\":\(answers)}}}")
        #expect(driver.sent.map(\.name) == (answers ? ["response.create"] : []))
        // Once: what was begun gets its terminal instead.
        driver.receive(created("r1", token: "none"))
        driver.lose()
        if driver.links.isEmpty { driver.wait() }
        driver.open()
        #expect(driver.sent.count == (answers ? 1 : 0))
    }
}
