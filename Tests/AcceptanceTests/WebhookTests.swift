import Foundation
import Realtime
import TestSupport
import Testing

/// Webhooks of tools with the real program, and a receiver in Python that checks the signatures by itself.
@Suite(.timeLimit(.minutes(3))) struct WebhookTests {
    private static let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

    /// A program that is called, on a port of its own.
    private struct Receiver {
        let process: ChildProcess
        let port: Int

        static func run<Result>(_ body: (Receiver) async throws -> Result) async throws -> Result {
            let script = PythonTool.root.appending(path: "Tests/Tools/webhook_server.py").path
            let process = try ChildProcess(
                URL(filePath: "/usr/bin/env"), ["python3", script], environment: ["REALTIME_BRIDGE_WEBHOOK_SECRET": secret])
            defer { process.kill() }
            let ready = try await process.nextLine()
            return try await body(Receiver(process: process, port: try #require(Int(ready.split(separator: " ").last ?? ""))))
        }

        /// The next request, as it was received.
        func request() async throws -> JSON {
            let request = try JSON.parse(try await process.nextLine(within: .seconds(60)))
            #expect(request["signed"]?.bool == true)
            return request
        }
    }

    private struct Scene {
        let bridge: BridgeProcess
        let receiver: Receiver
        let curl: Curl
        /// Of the session.
        let path: String

        /// Asks for what makes the model call the tool, once the response that runs has ended: its words come before its end.
        func ask() async throws {
            let asked = try await curl("POST", path + "/responses", json: #"{"input":"Get weather in Oslo","if_active":"queue"}"#)
            try #require(asked.status == 200, "\(asked.text)")
        }

        /// The events of tools until this one comes.
        func events(until type: String) async throws -> [JSON] {
            let stream = try CurlStream(bridge.address + path + "/events?types=bridge.tool.*,response.text.done")
            let events = try await stream.until(type)
            try await stream.stop()
            return try events.map { try $0.json() }
        }

        /// What the model was given, of every output there is.
        func outputs() async throws -> [String] {
            let items = try await curl("GET", path + "/items?limit=100").json()["data"]?.elements ?? []
            return items.filter { $0["type"]?.string == "function_call_output" }.map { $0["output"]?.string ?? "" }
        }
    }

    /// - Parameter timeout: of the webhook, in seconds.
    private static func play(
        _ tool: String, upstream: String = "ga", timeout: Int = 30, _ arguments: [String] = [], _ body: (Scene) async throws -> Void
    ) async throws {
        try await Receiver.run { receiver in
            let base = "http://127.0.0.1:\(receiver.port)/local"
            try await BridgeProcess.run(
                "demo", ["--webhook-allow", base, "--webhook-timeout", "\(timeout)", "--upstream-dialect", upstream] + arguments,
                environment: ["REALTIME_BRIDGE_WEBHOOK_SECRET": secret]
            ) { bridge in
                let curl = Curl(base: bridge.address)
                let webhook =
                    #"{"type":"function","name":"get_weather","x-webhook":"\#(base)/\#(tool)?token=SECRET","#
                    + #""parameters":{"type":"object","properties":{"city":{"type":"string"}}}}"#
                let created = try await curl("POST", "/v1/sessions", json: #"{"session":{"modalities":["text"],"tools":[\#(webhook)]}}"#)
                try #require(created.status == 201, "\(created.text)")
                let id = try #require(try created.json()["id"]?.string)
                try await body(Scene(bridge: bridge, receiver: receiver, curl: curl, path: "/v1/sessions/\(id)"))
                #expect(!bridge.errorText.contains("SECRET") && !bridge.errorText.contains("token"), "\(bridge.errorText)")
            }
        }
    }

    @Test(arguments: ["ga", "beta"])
    func aToolIsCalledAndTheModelGoesOn(upstream: String) async throws {
        try await Self.play("good", upstream: upstream) { scene in
            try await scene.ask()
            let request = try await scene.receiver.request()
            #expect(request["path"]?.string == "/local/good?token=SECRET")
            #expect(request["body"]?["name"]?.string == "get_weather")
            #expect(request["body"]?["arguments"]?.string?.contains("Oslo") == true)
            let events = try await scene.events(until: "response.text.done")
            #expect(events.map { $0["type"]?.string } == ["bridge.tool.started", "bridge.tool.completed", "response.text.done"])
            #expect(events[0]["webhook_id"]?.string == request["id"]?.string)
            #expect(events[2]["text"]?.string?.contains("celsius") == true)
            #expect(try await scene.outputs() == [#"{"celsius":4}"#])
        }
    }

    @Test func aFailureIsTriedAgainUnderTheSameID() async throws {
        try await Self.play("flaky") { scene in
            try await scene.ask()
            var ids: Set<String> = []
            for count in 1...3 {
                let request = try await scene.receiver.request()
                #expect(request["count"]?.int == count)
                ids.insert(request["id"]?.string ?? "")
            }
            #expect(ids.count == 1)
            let events = try await scene.events(until: "response.text.done")
            #expect(
                events.map { "\($0["type"]?.string ?? "") \($0["attempt"]?.int ?? 0)" } == [
                    "bridge.tool.started 1", "bridge.tool.failed 1", "bridge.tool.started 2", "bridge.tool.failed 2",
                    "bridge.tool.started 3",
                    "bridge.tool.completed 3", "response.text.done 0",
                ])
            #expect(try await scene.outputs() == [#"{"celsius":4}"#])
        }
    }

    @Test(arguments: [
        ("redirect", #"{"error":"the webhook answered 307"}"#, 1),
        ("big", #"{"error":"the webhook's answer is too large"}"#, 1),
        ("hang", #"{"error":"the webhook did not answer in time"}"#, 3),
    ])
    func theModelIsToldOfAWebhookThatFails(tool: String, output: String, attempts: Int) async throws {
        try await Self.play(tool, timeout: tool == "hang" ? 1 : 30) { scene in
            try await scene.ask()
            for _ in 0..<attempts { #expect(try await scene.receiver.request()["path"]?.string?.hasPrefix("/local/\(tool)") == true) }
            let events = try await scene.events(until: "response.text.done")
            #expect(events.count { $0["type"]?.string == "bridge.tool.started" } == attempts)
            #expect(try await scene.outputs() == [output])
            // A redirect leads nowhere: the next request is that of the next call.
            try await scene.ask()
            #expect(try await scene.receiver.request()["path"]?.string?.hasPrefix("/local/\(tool)") == true)
        }
    }

    /// Killed while the webhook is called: it is called again under the same id, and its call has one output.
    @Test func aKilledBridgeCallsAgainUnderTheSameIDAndAnswersOnce() async throws {
        try await Self.play("killed") { scene in
            try await scene.ask()
            let first = try await scene.receiver.request()
            try await scene.bridge.kill()
            try await scene.bridge.start()
            // Nobody asks for the session.
            let second = try await scene.receiver.request()
            #expect(second["id"]?.string == first["id"]?.string)
            #expect(
                second["body"].map { String(decoding: $0.lexeme, as: UTF8.self) }
                    == first["body"].map { String(decoding: $0.lexeme, as: UTF8.self) })
            let events = try await scene.events(until: "response.text.done")
            #expect(
                events.map { $0["type"]?.string } == [
                    "bridge.tool.started", "bridge.tool.started", "bridge.tool.completed", "response.text.done",
                ])
            #expect(try await scene.outputs() == [#"{"celsius":4}"#])
            // What is answered is not called for by another start.
            try await scene.bridge.kill()
            try await scene.bridge.start()
            try await scene.ask()
            #expect(try await scene.receiver.request()["id"]?.string != first["id"]?.string)
        }
    }

    @Test func aBridgeThatIsToldToStopWaitsForAWebhook() async throws {
        try await Self.play("slow") { scene in
            try await scene.ask()
            let first = try await scene.receiver.request()
            #expect(try await scene.bridge.stop() == 0)
            try await scene.bridge.start()
            #expect(try await scene.outputs() == ["slowly"])
            try await scene.ask()
            #expect(try await scene.receiver.request()["id"]?.string != first["id"]?.string)
        }
    }

    @Test func oneThatTakesLongerIsCutOffAndCalledAgain() async throws {
        try await Self.play("killed", ["--drain-timeout", "1"]) { scene in
            try await scene.ask()
            let first = try await scene.receiver.request()
            // The webhook would answer after 30 s.
            #expect(try await scene.bridge.stop(within: .seconds(25)) == 0)
            try await scene.bridge.start()
            #expect(try await scene.receiver.request()["id"]?.string == first["id"]?.string)
            _ = try await scene.events(until: "response.text.done")
            #expect(try await scene.outputs() == [#"{"celsius":4}"#])
        }
    }

    @Test func withoutASecretNothingMayBeCalled() async throws {
        let child = try ChildProcess(
            BridgeProcess.binary(),
            ["demo", "--data-dir", ":memory:", "--listen", "127.0.0.1:0", "--webhook-allow", "https://h.example.com/"])
        defer { child.kill() }
        #expect(try await child.exit() == 78)
        #expect(child.errorText.contains("REALTIME_BRIDGE_WEBHOOK_SECRET"))
    }
}
