import Audio
import BridgeAPI
import CSndFile
import Foundation
import Realtime
import TestSupport
import Testing

@testable import RealtimeBridge

/// Files of sound, as curl uploads them to the real program, decoded by its real child.
@Suite(.serialized) struct SoundUploadTests {
    /// Two seconds of a tone, by libsndfile.
    private static func write(_ format: Int, rate: Int, to file: URL) throws {
        var info = SF_INFO()
        info.samplerate = Int32(rate)
        info.channels = 2
        info.format = Int32(format)
        let sound = try #require(sf_open(file.path, Int32(SFM_WRITE), &info))
        let samples = (0..<2 * rate).flatMap { moment in
            let value = Float(0.5 * sin(2 * .pi * 1_000 * Double(moment) / Double(rate)))
            return [value, value]
        }
        sf_writef_float(sound, samples, sf_count_t(2 * rate))
        sf_close(sound)
    }

    private static func session(_ curl: Curl) async throws -> String {
        let answer = try await curl("POST", "/v1/sessions", json: #"{"session":{"modalities":["text"],"turn_detection":null}}"#)
        return "/v1/sessions/" + (try #require(try answer.json()["id"]?.string))
    }

    /// `curl -T`.
    private static func upload(_ file: URL, to address: String, type: String? = nil) async throws -> String {
        let header = type.map { ["-H", "content-type: \($0)"] } ?? []
        let output = try await Shell.run("curl", ["-sS", "--max-time", "60", "-T", file.path] + header + [address])
        return String(decoding: output, as: UTF8.self)
    }

    @Test(.timeLimit(.minutes(2))) func filesOfEveryKindAreTakenAndTheirDurationIsKept() async throws {
        try await BridgeProcess.run { bridge in
            let path = try await Self.session(Curl(base: bridge.address))
            let address = bridge.address + path + "/input_audio"
            let kinds: [(String, Int, Int)] = [
                ("audio/wav", Int(SF_FORMAT_WAV) | Int(SF_FORMAT_PCM_24), 44_100),
                ("audio/wav", Int(SF_FORMAT_WAVEX) | Int(SF_FORMAT_FLOAT), 48_000),
                ("audio/wav", Int(SF_FORMAT_RF64) | Int(SF_FORMAT_PCM_16), 22_050),
                ("audio/wav", Int(SF_FORMAT_WAV) | Int(SF_FORMAT_ULAW), 8_000),
                ("audio/flac", Int(SF_FORMAT_FLAC) | Int(SF_FORMAT_PCM_16), 44_100),
                ("audio/ogg", Int(SF_FORMAT_OGG) | Int(SF_FORMAT_VORBIS), 32_000),
                ("audio/ogg", Int(SF_FORMAT_OGG) | Int(SF_FORMAT_OPUS), 48_000),
                ("audio/mpeg", Int(SF_FORMAT_MPEG) | Int(SF_FORMAT_MPEG_LAYER_III), 44_100),
            ]
            for (index, (type, format, rate)) in kinds.enumerated() {
                let file = bridge.folder.appending(path: "sound-\(index)")
                try Self.write(format, rate: rate, to: file)
                let expected = #"{"bytes":96000,"duration_ms":2000,"appends":20}"# + "\n"
                #expect(try await Self.upload(file, to: address, type: type) == expected, "\(type) \(format)")
                // The first bytes say it as well.
                #expect(try await Self.upload(file, to: address) == expected, "\(type) \(format)")
            }
            // No file and no process is left behind.
            let left = try FileManager.default.contentsOfDirectory(atPath: bridge.folder.appending(path: "data").path)
            #expect(!left.contains { $0.hasPrefix("sound") }, "\(left)")
            #expect(!bridge.errorText.contains("error "), "\(bridge.errorText)")
        }
    }

    @Test(.timeLimit(.minutes(1)), arguments: ["kill", "stop"])
    func soundThatWentWithTheProcessIsSaidToBeLost(end: String) async throws {
        try await BridgeProcess.run { bridge in
            let curl = Curl(base: bridge.address)
            let path = try await Self.session(curl)
            let file = bridge.folder.appending(path: "sound")
            try Data(repeating: 1, count: 96_000).write(to: file)
            let taken = try await Self.upload(file, to: bridge.address + path + "/input_audio", type: "audio/pcm")
            #expect(taken.contains(#""duration_ms":2000"#))
            // Answered once all before it is stored.
            #expect(try await curl("PATCH", path, json: #"{"metadata":{"a":"b"}}"#).status == 200)
            if end == "kill" { try await bridge.kill() } else { #expect(try await bridge.stop() == 0) }
            try await bridge.start()
            func told(_ type: String) async throws -> [JSON] {
                let page = try await curl("GET", path + "/events?types=\(type)", headers: ["accept: application/json"])
                return try page.json()["data"]?.elements.compactMap { $0["event"] } ?? []
            }
            #expect(try await told("bridge.session.suspended").map { $0["input_audio_lost_ms"]?.int } == [2_000])
            for number in 1...2 {
                #expect(try await curl("POST", path + "/items", json: #"{"text":"hi"}"#).status == 201)
                let switched = try await told("bridge.upstream.switched")
                #expect(switched.map { $0["input_audio_lost_ms"]?.int } == Array([2_000, 0].prefix(number)))
                #expect(switched.map { $0["state_restored"]?.bool } == Array([false, true].prefix(number)))
                try await bridge.kill()
                try await bridge.start()
            }
        }
    }

    @Test(.timeLimit(.minutes(1))) func whatTheChildCannotDecodeIsTheCallersError() async throws {
        try await BridgeProcess.run("demo", ["--log-level", "info"]) { bridge in
            let curl = Curl(base: bridge.address)
            let path = try await Self.session(curl)
            let file = bridge.folder.appending(path: "bad")
            for text in ["fLaC and then nothing of the kind", "OggS", "ID3 ............................"] {
                try Data(text.utf8).write(to: file)
                let answer = try await Self.upload(file, to: bridge.address + path + "/input_audio")
                #expect(answer.contains(#""code":"invalid_audio""#) && answer.contains(#""appended_bytes":0"#), "\(answer)")
            }
            // One that is cut off: what came before is appended by then, as of every other upload.
            let whole = bridge.folder.appending(path: "whole.flac")
            try Self.write(Int(SF_FORMAT_FLAC) | Int(SF_FORMAT_PCM_16), rate: 44_100, to: whole)
            let bytes = try Data(contentsOf: whole)
            try bytes.prefix(bytes.count * 3 / 4).write(to: file)
            let cut = try await Self.upload(file, to: bridge.address + path + "/input_audio")
            #expect(cut.contains("ends before the end of its sound") && cut.contains(#""code":"invalid_audio""#), "\(cut)")
            #expect(!cut.contains(#""appended_bytes":0"#), "\(cut)")
            // 64 MiB are the most.
            try (Data("fLaC".utf8) + Data(count: 65 << 20)).write(to: file)
            let answer = try await Self.upload(file, to: bridge.address + path + "/input_audio", type: "audio/flac")
            #expect(answer.contains(#""code":"request_too_large""#), "\(answer)")
            #expect(try await curl("GET", path).status == 200)
        }
    }

    /// curl waits to be told to send more than 1 MiB; other clients send it unasked. Either has its answer, and curl ends well.
    @Test(.timeLimit(.minutes(2)), arguments: [true, false])
    func aRefusalReachesAClientThatSendsALargeBody(waits: Bool) async throws {
        try await BridgeProcess.run { bridge in
            let curl = Curl(base: bridge.address)
            let (open, closed) = (try await Self.session(curl), try await Self.session(curl))
            #expect(try await curl("DELETE", closed + "?keep=true").status == 200)
            let large = bridge.folder.appending(path: "large")
            try Data(repeating: 0xC3, count: 5_000_000).write(to: large)
            let tooLarge = bridge.folder.appending(path: "too-large.flac")
            try (Data("fLaC".utf8) + Data(count: 70_000_000)).write(to: tooLarge)
            let rows: [(file: URL, path: String, type: String, status: String, isBeforeTheBody: Bool)] = [
                (large, "/v1/nothing", "audio/pcm", "404", true),
                (large, "/v1/sessions/rts_nobody/input_audio", "audio/pcm", "404", true),
                (large, closed + "/input_audio", "audio/pcm", "410", true),
                (large, closed + "/input_audio", "application/octet-stream", "410", true),
                (tooLarge, open + "/input_audio", "audio/flac", "413", true),
                (large, open + "/input_audio?respond=maybe", "audio/pcm", "400", true),
                // Its first bytes have to be seen.
                (large, open + "/input_audio", "application/octet-stream", "415", false),
                (large, open + "/input_audio", "audio/wav", "400", false),
            ]
            for row in rows {
                let output = try await Shell.run(
                    "curl",
                    [
                        "-sS", "--max-time", "60", "-T", row.file.path, "-H", "content-type: \(row.type)", "-w",
                        "%{http_code} %{size_upload}",
                    ]
                        + ["-o", "/dev/null"] + (waits ? [] : ["-H", "Expect:"]) + [bridge.address + row.path])
                let words = String(decoding: output, as: UTF8.self).split(separator: " ")
                #expect(words.first.map(String.init) == row.status, "\(row.path) \(row.type): \(words)")
                if waits, row.isBeforeTheBody { #expect(words.last == "0", "\(row.path) \(row.type): \(words)") }
            }
        }
    }

    @Test(.timeLimit(.minutes(1))) func aPipeIsPassedOnWhileItIsOpen() async throws {
        try await BridgeProcess.run { bridge in
            let curl = Curl(base: bridge.address)
            let created = try await curl("POST", "/v1/sessions", json: #"{"session":{"turn_detection":{"type":"server_vad"}}}"#)
            let path = "/v1/sessions/" + (try #require(try created.json()["id"]?.string))
            let stream = try CurlStream(bridge.address + path + "/events")
            let question = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Fixtures/spoken-question.pcm").path
            let microphone = try ChildProcess(
                URL(filePath: "/bin/bash"),
                [
                    "-c",
                    "exec curl -sT - -H 'content-type: audio/pcm' \(bridge.address)\(path)/input_audio < <(cat \(question); exec sleep 20)",
                ])
            defer { microphone.kill() }
            // Heard by the server while the pipe is still open.
            try await stream.until("input_audio_buffer.speech_started")
            // A client that goes away in the middle: the stream says what came, in whole pieces.
            microphone.kill()
            let failed = try #require(try await stream.until("bridge.input_audio.failed").last).json()
            let appended = try #require(failed["appended_bytes"]?.int)
            #expect(appended > 0 && appended.isMultiple(of: 4_800))
        }
    }

    // MARK: The child by itself

    private static func decode(_ bytes: [UInt8], by decoder: ChildSoundDecoder) async throws(SoundFileError) -> Int {
        let decode = try await decoder.open()
        do throws(SoundFileError) {
            try await decode.write(bytes)
            var count = 0
            while let piece = try await decode.next() { count += piece.count }
            await decode.close()
            return count
        } catch {
            await decode.close()
            throw error
        }
    }

    /// What the decoders make of damage is theirs to decide, a crash included: here it is an error or sound, and it ends.
    @Test(arguments: [
        Int(SF_FORMAT_FLAC) | Int(SF_FORMAT_PCM_16), Int(SF_FORMAT_OGG) | Int(SF_FORMAT_VORBIS), Int(SF_FORMAT_OGG) | Int(SF_FORMAT_OPUS),
        Int(SF_FORMAT_MPEG) | Int(SF_FORMAT_MPEG_LAYER_III),
    ])
    func damagedFilesDoNoHarm(format: Int) async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "damaged-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        try Self.write(format, rate: 16_000, to: file)
        let whole = try Data(contentsOf: file)
        let decoder = ChildSoundDecoder(folder: NSTemporaryDirectory(), program: try BridgeProcess.binary().path)
        let seed = UInt64.random(in: .min ... .max)
        print("damaged files of format \(format): seed \(seed)")
        var random = SeededRandom(seed: seed)
        for number in 0..<12 {
            var bytes = Array(whole)
            for _ in 0..<random.roll(1...20) { bytes[random.below(bytes.count)] = UInt8(random.roll(0...255)) }
            if random.once(in: 2) { bytes.removeSubrange(random.below(bytes.count)...) }
            do throws(SoundFileError) {
                _ = try await Self.decode(bytes, by: decoder)
            } catch {
                guard case .undecodable = error else {
                    Issue.record("file \(number) of seed \(seed): \(error)")
                    continue
                }
            }
        }
        #expect(try await Self.decode(Array(whole), by: decoder) >= 2 * 16_000 * 8)
    }

    /// A program that does as the script says, in the decoder's place.
    private static func program(_ script: String) throws -> URL {
        let file = FileManager.default.temporaryDirectory.appending(path: "decoder-\(UUID().uuidString)")
        try Data("#!/bin/sh\n\(script)\n".utf8).write(to: file)
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: file.path)
        return file
    }

    /// The file is to blame for crashes and limits, and for nothing else.
    @Test(
        arguments: [
            ("kill -KILL $$", .interrupted(signal: 9)), ("kill -TERM $$", .interrupted(signal: 15)),
            ("printf RIFF; kill -HUP $$", .interrupted(signal: 1)), ("exit 1", .unavailable(cause: "the decoder's process ended with 1")),
            ("exit 71", .unavailable(cause: "the decoder's process ended with 71")),
        ] as [(String, SoundFileError)])
    func aChildThatIsEndedByOthersSaysNothingOfTheFile(script: String, expected: SoundFileError) async throws {
        let program = try Self.program(script)
        defer { try? FileManager.default.removeItem(at: program) }
        let decoder = ChildSoundDecoder(folder: NSTemporaryDirectory(), program: program.path)
        await #expect(throws: expected) { try await Self.decode([1, 2, 3], by: decoder) }
    }

    /// Descriptors that any thread of this process has open at that moment, marked to be closed or not, are not the child's; and it has no
    /// thread but its own, which could open some or end for want of them.
    @Test func theDecoderHasTheFileThePipeAndOneThread() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "decoder-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (sound, number) = (folder.appending(path: "sound"), folder.appending(path: "number"))
        try Self.write(Int(SF_FORMAT_FLAC) | Int(SF_FORMAT_PCM_16), rate: 44_100, to: sound)
        let program = try Self.program(#"echo $$ > \#(number.path); exec \#(try BridgeProcess.binary().path) "$@""#)
        defer { try? FileManager.default.removeItem(at: program) }
        let unmarked = fcntl(0, F_DUPFD, 300)
        try #require(unmarked >= 300)
        defer { close(unmarked) }
        let decode = try await ChildSoundDecoder(folder: folder.path, program: program.path).open()
        try await decode.write(Array(try Data(contentsOf: sound)))
        // There is far more to come than a pipe holds, so it waits.
        #expect(try await decode.next() != nil)
        let process = try String(contentsOf: number, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").sorted() == ["0", "1", "2"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task") == [process])
        let limits = try String(contentsOfFile: "/proc/\(process)/limits", encoding: .utf8).split(separator: "\n")
        #expect(limits.first { $0.hasPrefix("Max open files") }?.split(separator: " ").dropFirst(3).first == "3")
        await decode.close()
    }

    @Test(arguments: ["kill -SEGV $$", "kill -ABRT $$", "kill -XCPU $$", "exit 65", "printf RIFF; exit 65", "exit 66", "sleep 100"])
    func aChildThatFailsIsAnErrorAndNoMore(script: String) async throws {
        let program = try Self.program(script)
        defer { try? FileManager.default.removeItem(at: program) }
        let decoder = ChildSoundDecoder(folder: NSTemporaryDirectory(), program: program.path, silenceLimit: .milliseconds(300))
        for _ in 0..<3 {
            await #expect {
                try await Self.decode([1, 2, 3], by: decoder)
            } throws: { error in
                if case .undecodable = error as? SoundFileError { true } else { false }
            }
        }
    }

    @Test func aChildIsGivenTheFileAndNoVariable() async throws {
        // Variables that are not the shell's own, and the file from its beginning.
        let program = try Self.program("env | grep -vc -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD=; cat")
        defer { try? FileManager.default.removeItem(at: program) }
        let decoder = ChildSoundDecoder(folder: NSTemporaryDirectory(), program: program.path)
        let decode = try await decoder.open()
        try await decode.write(Array("sound".utf8))
        var text: [UInt8] = []
        while let piece = try await decode.next() { text += piece }
        await decode.close()
        #expect(String(decoding: text, as: UTF8.self) == "0\nsound")
    }

    @Test func onlySoManyFilesAreDecodedAtOnce() async throws {
        let decoder = ChildSoundDecoder(folder: NSTemporaryDirectory())
        var open: [any SoundFileDecode] = []
        for _ in 0..<ChildSoundDecoder.maximumFiles { open.append(try await decoder.open()) }
        await #expect(throws: SoundFileError.busy) { try await decoder.open() }
        await open[0].close()
        open[0] = try await decoder.open()
        for file in open { await file.close() }
    }
}
