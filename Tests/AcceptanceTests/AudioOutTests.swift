import Foundation
import Realtime
import TestSupport
import Testing

/// What the assistant says, as files and while it is said, with curl on the real program.
@Suite(.serialized) struct AudioOutTests {
    private func create(_ curl: Curl) async throws -> String {
        let created = try await curl("POST", "/v1/sessions", json: "{}")
        try #require(created.status == 201, "\(created.text)")
        return "/v1/sessions/\(try #require(try created.json()["id"]?.string))"
    }

    private func deltas(_ curl: Curl, _ path: String) async throws -> [UInt8] {
        let lines = try await curl("GET", path + "/events?until=response.done", headers: ["accept: application/x-ndjson"])
        return try lines.text.split(separator: "\n").flatMap { line -> [UInt8] in
            let event = try JSON.parse(String(line), maximumDepth: 256)["event"]
            guard event?["type"]?.string?.hasSuffix("audio.delta") == true else { return [] }
            return Array(try #require(Data(base64Encoded: event?["delta"]?.string ?? "")))
        }
    }

    private func header(_ name: String, of answer: Curl.Answer) -> String? {
        answer.headers.split(separator: "\r\n").first { $0.lowercased().hasPrefix(name + ":") }
            .map { $0.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces) }
    }

    @Test func aFileIsServedInPartsAlsoAfterAKill() async throws {
        try await BridgeProcess.run { bridge in
            let curl = Curl(base: bridge.address)
            let path = try await create(curl)
            let spoken = try await curl("POST", path + "/responses", json: #"{"input":"say one two three four"}"#)
            let place = try #require(try spoken.json()["output_audio"]?["href"]?.string, "\(spoken.text)")
            let expected = try await deltas(curl, path)
            let whole = try await curl("GET", place)
            #expect(whole.status == 200 && Array(whole.body.dropFirst(44)) == expected && !expected.isEmpty)
            #expect(header("content-length", of: whole) == "\(expected.count + 44)")
            let head = try await curl("HEAD", place)
            #expect(head.status == 200 && header("content-length", of: head) == "\(expected.count + 44)")
            #expect(header("accept-ranges", of: head) == "bytes" && header("content-type", of: head) == "audio/wav")

            try await bridge.kill()
            try await bridge.start()
            let part = try await curl("GET", place, headers: ["range: bytes=44-1043"])
            #expect(part.status == 206 && part.body == Array(expected.prefix(1_000)))
            #expect(header("content-range", of: part) == "bytes 44-1043/\(expected.count + 44)")
            let beyond = try await curl("GET", place, headers: ["range: bytes=99999999-"])
            #expect(beyond.status == 416 && header("content-range", of: beyond) == "bytes */\(expected.count + 44)")
            // What the client has is not sent again. The length is that of what would be.
            let known = try await curl("GET", place, headers: ["if-none-match: \(try #require(header("etag", of: head)))"])
            #expect(known.status == 304 && known.body.isEmpty && header("content-length", of: known) == "\(expected.count + 44)")
            // As curl itself goes on with what it has.
            let file = bridge.folder.appending(path: "part.wav")
            try Data(whole.body.prefix(5_000)).write(to: file)
            _ = try await Shell.run("curl", ["-sS", "--max-time", "30", "-C", "-", "-o", file.path, bridge.address + place])
            #expect(try Array(Data(contentsOf: file)) == whole.body)
        }
    }

    /// The reader takes less than is produced, and gets all of it, as the header of the WAV that is streamed lets it.
    @Test func aSlowReaderGetsAllOfALongAnswer() async throws {
        try await BridgeProcess.run { bridge in
            let curl = Curl(base: bridge.address)
            let path = try await create(curl)
            async let slow = Shell.run(
                "curl",
                [
                    "-sS", "--max-time", "60", "--limit-rate", "1M", "-H", "accept: audio/wav", "-d", #"{"input":"count to 60"}"#,
                    bridge.address + path + "/responses",
                ])
            let answer = try await slow
            let expected = try await deltas(curl, path)
            #expect(answer.count == expected.count + 44 && Array(answer.dropFirst(44)) == expected)
            #expect(expected.count > 1_000_000)
            #expect(Array(answer[40..<44]) == [255, 255, 255, 255])
        }
    }

    @Test func whoeverHangsUpLeavesTheResponseAlone() async throws {
        try await BridgeProcess.run { bridge in
            let curl = Curl(base: bridge.address)
            let path = try await create(curl)
            // curl is ended by head after the first bytes.
            let script =
                "curl -sN --max-time 30 -H 'accept: text/plain' -d '{\"input\":\"count to 40\"}' \(bridge.address)\(path)/responses | head -c 20"
            let words = String(decoding: try await Shell.run("sh", ["-c", script]), as: UTF8.self)
            #expect(words == "1, 2, 3, 4, 5, 6, 7,")
            _ = try await deltas(curl, path)
            let responses = try await curl("GET", path + "/responses")
            #expect(try responses.json()["data"]?[0]?["status"]?.string == "completed")
            #expect(try responses.json()["data"]?[0]?["output_text"]?.string?.hasSuffix("39, 40.") == true)
        }
    }

    /// The upstream goes away in the middle of the speech: curl says that the transfer was not complete.
    @Test func aLostUpstreamCutsTheAnswer() async throws {
        try await BridgeProcess.run("simulate", ["--drop-after", "40", "--drop-manner", "reset"]) { upstream in
            try await BridgeProcess.run(
                "serve", ["--upstream-url", upstream.address, "--model", "any"],
                environment: ["OPENAI_API_KEY": "any"]
            ) { bridge in
                let curl = Curl(base: bridge.address)
                let path = try await create(curl)
                let script =
                    "curl -sN --max-time 30 -H 'accept: audio/wav' -d '{\"input\":\"count to 300\"}' \(bridge.address)\(path)/responses -o answer.wav; echo $?; head -c 4 answer.wav; rm answer.wav"
                let output = String(decoding: try await Shell.run("sh", ["-c", "cd \(bridge.folder.path); " + script]), as: UTF8.self)
                #expect(output == "18\nRIFF")
            }
        }
    }
}
