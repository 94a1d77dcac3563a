import Foundation
import Testing

/// The README's lines, run as they stand against the real program.
struct ReadmeTests {
    /// A fenced block and what the comment above it calls it, `<!-- test: NAME -->`.
    private struct Block {
        let name: String?
        let language: String
        let script: String
    }

    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private static func blocks() throws -> [Block] {
        var blocks: [Block] = []
        var name: String?
        var open: (language: String, lines: [Substring])?
        for line in try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8).split(
            separator: "\n", omittingEmptySubsequences: false)
        {
            if let (language, lines) = open {
                if line == "```" {
                    blocks.append(Block(name: name, language: language, script: lines.joined(separator: "\n")))
                    (name, open) = (nil, nil)
                } else {
                    open = (language, lines + [line])
                }
            } else if line.hasPrefix("```") {
                open = (String(line.dropFirst(3)), [])
            } else if let marked = line.wholeMatch(of: /<!-- test: (.+) -->/) {
                name = String(marked.1)
            }
        }
        return blocks
    }

    @Test func everyShellBlockIsTested() throws {
        let blocks = try Self.blocks().filter { $0.language == "bash" }
        #expect(blocks.compactMap(\.name) == Self.expectations.map(\.name).filter { $0 != Self.restart })
        #expect(blocks.count > 0 && blocks.allSatisfy { $0.name != nil })
    }

    private static let restart = "kill and start again"

    /// What each block must print, in the README's order.
    private static let expectations: [(name: String, contains: [String])] = [
        ("stream", ["event: response.created", "event: response.text.delta", "event: response.done"]),
        ("one-shot", [#""output_text":"hi""#, "event: response.created", "event: response.done", "hi.wav"]),
        ("create", [#"{"id":"rts_"#, #""status":"active""#, #""metadata":{"room":"kitchen"}"#]),
        ("ask", [#""text":"Say good morning""#, #""status":"completed""#, #""output_text":"good morning""#]),
        ("resume", ["retry: ", "event: session.created", "event: response.text.delta", "event: response.done"]),
        ("long", [#""status":"in_progress""#]),
        (restart, []),
        ("resume after kill", ["event: response.done", #""status":"failed""#, "upstream_lost"]),
        ("speak", [#""appends":"#, #""item_id":"item_"#, #""response":{"#, "seconds of audio"]),
        ("speak in pieces", [#""appends":1"#, #""item_id":"item_"#, #""status":"completed""#, "seconds of audio"]),
        (
            "voice detection",
            [
                "event: input_audio_buffer.speech_started", "event: input_audio_buffer.speech_stopped",
                "event: input_audio_buffer.committed",
                "event: response.done",
            ]
        ),
        ("transcription", ["event: conversation.item.input_audio_transcription.completed"]),
        ("hear", [#""output_audio":{"format":"audio/wav","href":"/v1/sessions/rts_"#, "RIFF", "evening.wav"]),
        ("only words, only speech", ["1, 2, 3, 4, 5, 6, 7, 8, 9, 10", "night.wav"]),
        ("transcript", ["WEBVTT", " --> ", "<v user>", "user: Say good morning\nassistant: good morning\n"]),
        (
            "functions",
            [
                #""name":"get_weather""#, #""arguments_valid":true"#, #""status":"pending""#, #""type":"function_call_output""#,
                #""waits_for":[]"#, "event: response.text.done", "The result of get_weather is",
            ]
        ),
        ("several sessions", [#"data: {"session_id":"rts_"#, "event: response.created", "event: response.done"]),
        ("cancel", [#""status":"cancelled""#]),
        ("queue", [#""status":"queued""#, #""output_text":"me first""#]),
        ("interrupt", [#""object":"realtime.interruption""#, #""status":"cancelled""#, #""audio_end_ms":"#]),
        ("replay", ["204"]),
        ("repeat", ["HTTP/1.1 201", "idempotent-replayed: true", "Two coffees, please"]),
        ("list", [#""object":"list""#, #""room":"kitchen""#, "Say good morning", #""status":"cancelled""#, #""has_more":true"#]),
        ("fork", [#""status":"active""#, #""room":"garden""#]),
        ("settings", [#""idle_timeout":600"#, #""max_duration":7200"#, #""on_last_viewer_gone":"cancel""#]),
        ("rest", [#""status":"confirmed""#, "Answer in one word.", #""deleted":true"#]),
        (
            "dialects",
            [
                #""param":"session.temperature""#, #""type":"output_text""#, "event: conversation.item.created",
                "event: response.text.delta",
                "event: conversation.item.done", "event: response.output_text.delta",
            ]
        ),
        (
            "webhooks",
            [
                "event: bridge.tool.started", "event: bridge.tool.completed", #""status":200"#, "event: response.text.done", "celsius",
            ]
        ),
        ("upstreams", [#""name":"simulator""#, #""circuit":"closed""#]),
    ]

    @Test(.timeLimit(.minutes(5))) func theLinesWorkAsTheyStand() async throws {
        // Where the README's own webhook listens.
        let webhook = "127.0.0.1:\(try await StaticSite.run("") { $0 })"
        let secret = ["REALTIME_BRIDGE_WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
        try await BridgeProcess.run("demo", ["--webhook-allow", "http://\(webhook)/"], environment: secret) { bridge in
            let folder = bridge.folder.appending(path: "reader")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try FileManager.default.createSymbolicLink(
                at: folder.appending(path: "Tests"), withDestinationURL: Self.root.appending(path: "Tests"))
            let shell = try BashSession(folder: folder)
            defer { shell.end() }
            for (name, value) in secret { _ = try await shell.run("export \(name)=\(value)") }
            var outputs: [String: String] = [:]
            for block in try Self.blocks() {
                guard let name = block.name else { continue }
                if name == Self.restart {
                    try await bridge.kill()
                    try await bridge.start()
                    continue
                }
                var script = block.script.replacing("127.0.0.1:8080", with: bridge.authority).replacing("127.0.0.1:9090", with: webhook)
                script.replace("9090", with: String(webhook.split(separator: ":")[1]))
                let output = try await shell.run(script)
                outputs[name] = output
                for text in Self.expectations.first(where: { $0.name == name })?.contains ?? [] {
                    #expect(output.contains(text), "\(name): \(output)")
                }
            }
            // Resumed where it was cut: the ids of both runs rise, and no frame is shown twice.
            Self.expectRisingIDs(try #require(outputs["resume"]))
            #expect(!bridge.errorText.contains("error "), "\(bridge.errorText)")
        }
    }

    /// A priming frame repeats the cursor in an id without data. Every other id comes once; the frames of one event count down.
    private static func expectRisingIDs(_ stream: String) {
        let ids = stream.split(separator: "\n\n").filter { $0.contains("\ndata:") }.compactMap { frame in
            frame.firstMatch(of: /id: \d+\.(\d+)(?:-(\d))?\n/).flatMap { id in Int(id.1).map { $0 * 10 - (id.2.flatMap { Int($0) } ?? 0) } }
        }
        #expect(ids.count > 2 && zip(ids, ids.dropFirst()).allSatisfy(<), "\(ids)")
    }
}
