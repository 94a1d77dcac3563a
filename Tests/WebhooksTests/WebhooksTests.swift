import Logging
import NIOConcurrencyHelpers
import Realtime
import TestSupport
import Testing

@testable import Webhooks

/// Attempts at a call: what is tried again, what is final, and who waits for whom.
@Suite(.timeLimit(.minutes(1))) struct WebhooksTests {
    private static func call(_ id: String = "call_1") -> WebhookCall {
        WebhookCall(
            sessionID: "rts_1", callID: id, name: "f", arguments: "{}", responseID: "resp_1", itemID: "item_1", metadata: Array("{}".utf8),
            url: "https://h.example.com/hooks?token=secret")
    }

    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let answers: [WebhookAnswer]
        let output: String?
        /// Of each attempt: what was said, and whether another was announced.
        let failures: [String]
        let waits: [Duration]

        init(_ name: String, _ answers: [WebhookAnswer], _ output: String?, _ failures: [String] = [], waits: [Duration] = []) {
            (testDescription, self.answers, self.output, self.failures, self.waits) = (name, answers, output, failures, waits)
        }
    }

    private static func status(_ status: Int, _ body: String = "no", retryAfter: Int? = nil) -> WebhookAnswer {
        .answered(status: status, body: Array(body.utf8), retryAfter: retryAfter)
    }

    private static let waits: [Duration] = [.milliseconds(500), .seconds(2)]

    @Test(arguments: [
        Case("200", [status(200, "4 °C")], "4 °C"), Case("empty", [status(204, "")], ""), Case("201", [status(201, "x")], "x"),
        Case("500, then good", [status(500), status(200, "x")], "x", ["answered 500 again"], waits: [waits[0]]),
        Case(
            "500, 503, then good", [status(500), status(503), status(200, "x")], "x", ["answered 500 again", "answered 503 again"],
            waits: waits),
        Case(
            "three times 500", [status(500), status(502), status(599)], #"{"error":"the webhook answered 599"}"#,
            ["answered 500 again", "answered 502 again", "answered 599 last"], waits: waits),
        Case("408", [status(408), status(200, "x")], "x", ["answered 408 again"], waits: [waits[0]]),
        Case("425", [status(425), status(200, "x")], "x", ["answered 425 again"], waits: [waits[0]]),
        Case(
            "429 that says when", [status(429, retryAfter: 7), status(200, "x")], "x", ["answered 429 again"], waits: [.seconds(7)]),
        Case("503 that says now", [status(503, retryAfter: 0), status(200, "x")], "x", ["answered 503 again"], waits: [waits[0]]),
        Case(
            "503 that says a negative time", [status(503, retryAfter: -9), status(200, "x")], "x", ["answered 503 again"], waits: [waits[0]]
        ),
        Case("503 that says much later", [status(503, retryAfter: 11)], #"{"error":"the webhook answered 503"}"#, ["answered 503 last"]),
        Case("404", [status(404)], #"{"error":"the webhook answered 404"}"#, ["answered 404 last"]),
        Case("401", [status(401)], #"{"error":"the webhook answered 401"}"#, ["answered 401 last"]),
        Case(
            "a redirect", [status(302)], #"{"error":"the webhook answered 302"}"#,
            ["a redirect, which is not followed last"]),
        Case("a new protocol", [status(101)], #"{"error":"the webhook answered 101"}"#, ["answered 101 last"]),
        Case(
            "silence", [.failed(.timedOut), .failed(.timedOut), .failed(.timedOut)],
            #"{"error":"the webhook did not answer in time"}"#, ["in time again", "in time again", "in time last"], waits: waits),
        Case(
            "nobody there, then good", [.failed(.unreachable("connection refused")), status(200, "x")], "x",
            ["the webhook cannot be reached: connection refused again"], waits: [waits[0]]),
        // The model's words go upstream: whom the operator calls, and with which files and settings, is not for it.
        Case(
            "a certificate that nobody trusts", [WebhookAnswer](repeating: .failed(.unreachable("h.internal: see /etc/ca.pem")), count: 3),
            #"{"error":"the webhook cannot be reached"}"#,
            ["h.internal: see /etc/ca.pem again", "h.internal: see /etc/ca.pem again", "h.internal: see /etc/ca.pem last"], waits: waits),
        Case(
            "no HTTP", [.failed(.malformed("is not HTTP"))], #"{"error":"the webhook's answer cannot be read"}"#,
            ["the webhook's answer is not HTTP last"]),
        Case(
            "too much", [.failed(.tooLarge(limitBytes: 1_048_576))],
            #"{"error":"the webhook's answer is too large"}"#, ["larger than 1048576 bytes last"]),
        Case(
            "an address that is refused", [.failed(.addressRefused)],
            #"{"error":"the webhook cannot be called"}"#,
            ["may not be called (setting --webhook-allow-address) last"]),
        Case(
            "no text", [.answered(status: 200, body: [0xFF, 0xFE], retryAfter: nil)],
            #"{"error":"the webhook's answer is no text"}"#, ["is not UTF-8 text last"]),
        Case("the process ends", [.failed(.cancelled)], nil),
    ])
    func anAnswerLeadsToAnOutputAnotherAttemptOrAnError(_ row: Case) async throws {
        let (script, clock) = (ScriptedWebhooks(row.answers), WebhookTestClock())
        let steps = NIOLockedValueBox<[Webhooks.Step]>([])
        let output = try await script.webhooks(clock: clock).output(of: Self.call()) { step in
            steps.withLockedValue { $0.append(step) }
            return true
        }
        #expect(output?.text == row.output)
        if let output { #expect(output.attempt == row.answers.count) }
        #expect(clock.all == row.waits)
        #expect(script.isDone)
        let told = steps.withLockedValue { $0 }
        let failures = told.compactMap {
            if case .failed(_, let error, let again) = $0 { "\(error) \(again ? "again" : "last")" } else { nil }
        }
        #expect(failures.count == row.failures.count && zip(failures, row.failures).allSatisfy { $0.hasSuffix($1) }, "\(failures)")
        #expect(told.filter { if case .started = $0 { true } else { false } } == row.answers.indices.map { .started(attempt: $0 + 1) })
        #expect(
            told.contains { if case .completed = $0 { true } else { false } } == (failures.count < row.answers.count && row.output != nil))
        // One identity for all attempts, and a time of its own for each.
        let requests = script.requests.pending
        #expect(Set(requests.compactMap { $0.header("webhook-id") }) == [Self.call().id])
        #expect(requests.compactMap { $0.header("webhook-timestamp") } == requests.indices.map { String(1_000 + $0) })
        #expect(Set(requests.compactMap { $0.header("webhook-signature") }).count == requests.count)
    }

    @Test func aCallThatNeedsNoOutputAnyMoreIsNotTriedAgain() async throws {
        let script = ScriptedWebhooks([Self.status(500)])
        let output = try await script.webhooks().output(of: Self.call()) { $0 != .started(attempt: 2) }
        #expect(output == nil)
        #expect(script.requests.pending.count == 1)
    }

    @Test func aURLThatIsNotAllowedAnyMoreIsNotCalled() async throws {
        let script = ScriptedWebhooks()
        let steps = NIOLockedValueBox<[Webhooks.Step]>([])
        let output = try await script.webhooks(allowed: ["https://h.example.com/other"]).output(of: Self.call()) { step in
            steps.withLockedValue { $0.append(step) }
            return true
        }
        #expect(output?.text == #"{"error":"the webhook cannot be called"}"#)
        let error = "the tool's webhook is not allowed any more (setting --webhook-allow)"
        #expect(
            steps.withLockedValue { $0 } == [.started(attempt: 1), .failed(attempt: 1, error: error, willRetry: false)])
        #expect(script.requests.pending.isEmpty)
    }

    @Test func whatIsLoggedHasNeitherPathNorQuery() async throws {
        let lines = NIOLockedValueBox<[String]>([])
        let webhooks = try ScriptedWebhooks([Self.status(404, "body")]).webhooks(
            logger: Logger(label: "test") { _ in CollectingLogHandler(lines: lines) })
        _ = await webhooks.output(of: Self.call()) { _ in true }
        let text = lines.withLockedValue { $0.joined() }
        #expect(text.contains("https://h.example.com") && text.contains("call_1"))
        #expect(!text.contains("secret") && !text.contains("hooks") && !text.contains("body"))
    }

    /// Sixteen are called, one waits. The first that ends lets it in; one that is cancelled while it waits gives its turn up.
    @Test func noMoreThanSixteenAreCalledAtOnceAndTheOthersKeepTheirOrder() async throws {
        let script = ScriptedWebhooks()
        let webhooks = try script.webhooks()
        let outputs = Mailbox<String>("an output")
        var tasks: [Task<Void, Never>] = []
        func start(_ number: Int) {
            tasks.append(
                Task {
                    let output = await webhooks.output(of: Self.call("call_\(number)")) { _ in true }
                    outputs.put("\(number) \(output?.text ?? "dropped")")
                })
        }
        for number in 0..<16 {
            start(number)
            _ = try await script.requests.next()
        }
        for number in 16..<19 {
            start(number)
            while webhooks.waiting < number - 15 { await Task.yield() }
        }
        #expect(script.requests.pending.isEmpty)
        tasks[16].cancel()
        #expect(try await outputs.next() == "16 dropped")
        script.answer(200, "x")
        #expect(try await script.requests.next().body == Self.call("call_17").body)
        script.answer(200, "x")
        #expect(try await script.requests.next().body == Self.call("call_18").body)
        for _ in 0..<17 { script.answer(200, "x") }
        for task in tasks { await task.value }
        #expect(webhooks.waiting == 0)
    }

    /// What waits for another attempt takes no place meanwhile.
    @Test func aCallThatIsCancelledBetweenAttemptsIsDropped() async throws {
        let script = ScriptedWebhooks([Self.status(500)])
        let webhooks = try script.webhooks()
        let output = await Task {
            await webhooks.output(of: Self.call()) { step in
                if case .failed(1, _, willRetry: true) = step { withUnsafeCurrentTask { $0?.cancel() } }
                return true
            }
        }.value
        #expect(output == nil)
        #expect(script.requests.pending.count == 1)
    }
}

private struct CollectingLogHandler: LogHandler {
    let lines: NIOLockedValueBox<[String]>
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }
    func log(event: LogEvent) {
        lines.withLockedValue { $0.append("\(event.message) \(event.metadata ?? [:])") }
    }
}
