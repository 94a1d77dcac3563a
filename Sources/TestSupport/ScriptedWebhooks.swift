package import Logging
import NIOConcurrencyHelpers
package import Webhooks

/// Webhooks that answer when the test says so.
package final class ScriptedWebhooks: WebhookSending {
    /// What was called, in order.
    package let requests = Mailbox<WebhookRequest>("a webhook to be called")
    private let answers = Mailbox<WebhookAnswer>("an answer of a scripted webhook")

    package init(_ answers: [WebhookAnswer] = []) {
        for answer in answers { self.answers.put(answer) }
    }

    /// Answers whichever call waits longest, or the next one.
    package func answer(_ status: Int = 200, _ body: String = "done", retryAfter: Int? = nil) {
        answers.put(.answered(status: status, body: Array(body.utf8), retryAfter: retryAfter))
    }

    package func answer(_ answer: WebhookAnswer) { answers.put(answer) }

    /// Answers that nobody has asked for yet.
    package var isDone: Bool { answers.pending.isEmpty }

    package func send(_ request: WebhookRequest, under rules: WebhookRules, within limit: Duration) async -> WebhookAnswer {
        requests.put(request)
        return (try? await answers.next(within: patience)) ?? .failed(.cancelled)
    }

    /// Called under these rules, without waiting between attempts.
    package func webhooks(
        allowed: [String] = ["https://h.example.com/"], clock: any WebhookClock = WebhookTestClock(),
        logger: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    ) throws -> Webhooks {
        Webhooks(
            rules: try WebhookRules(allowed: allowed), secrets: try WebhookSecrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), sender: self,
            logger: logger, clock: clock)
    }
}

/// Time that passes when somebody sleeps.
package final class WebhookTestClock: WebhookClock {
    private let slept = NIOLockedValueBox<[Duration]>([])

    package init() {}

    /// Each sleep, in order.
    package var all: [Duration] { slept.withLockedValue { $0 } }
    package let now = ContinuousClock.now
    package var unixSeconds: Int { 1_000 + all.count }
    package let random = 1.0

    package func sleep(for duration: Duration) async -> Bool {
        slept.withLockedValue { $0.append(duration) }
        return !Task.isCancelled
    }
}

extension WebhookRequest {
    /// The value of a header.
    package func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}
