package import Logging

/// Calls webhooks: sixteen at a time in the whole bridge, in the order in which they came.
///
/// From: `Session`, for each function call whose tool has a webhook. To: ``WebhookSending``.
package final class Webhooks: Sendable {
    package let rules: WebhookRules
    private let secrets: WebhookSecrets
    private let sender: any WebhookSending
    private let attemptTime: Duration
    private let logger: Logger
    private let clock: any WebhookClock

    private let turns = Turns(places: maximumRunning)

    /// Enough for a busy bridge whose webhooks take a tenth of a second, and few enough that one that hangs costs little.
    package static let maximumRunning = 16

    /// What a call has come to. The errors are fit for the session's owner: no path, no query, nothing of the answer.
    package enum Step: Sendable, Equatable {
        case started(attempt: Int)
        case failed(attempt: Int, error: String, willRetry: Bool)
        case completed(attempt: Int, status: Int, duration: Duration)
    }

    /// - Parameter attemptTime: for one attempt in all, looking up the name included.
    package init(
        rules: WebhookRules, secrets: WebhookSecrets, sender: any WebhookSending, attemptTime: Duration = .seconds(10), logger: Logger,
        clock: any WebhookClock = SystemWebhookClock()
    ) {
        self.rules = rules
        self.secrets = secrets
        self.sender = sender
        self.attemptTime = attemptTime
        self.logger = logger
        self.clock = clock
    }

    /// By the clock that calls go by.
    /// - Returns: false if the task was cancelled.
    package func pause(_ duration: Duration) async -> Bool { await clock.sleep(for: duration) }

    var waiting: Int { turns.waitingCount }

    /// What a call gets, of whichever attempt.
    package struct Output: Sendable, Equatable {
        package let text: String
        package let attempt: Int
    }

    /// What the model is told where there is no output, so that the conversation goes on. It goes upstream.
    package static func output(ofError error: String) -> String { WebhookAttempts.output(of: error) }

    /// Calls, up to three times, and returns the call's output: the answer's text, or an error for the model to read.
    ///
    /// While it waits, for its turn or for the next attempt, it takes no place from others.
    /// - Parameter tell: told of each step. What it answers to `.started` decides whether the attempt is made: false once the call needs no
    ///   output any more, and only true when what was told is stored.
    /// - Returns: nil if the call was dropped: by `tell`, or because the task was cancelled.
    package func output(of call: WebhookCall, telling tell: @Sendable (Step) async -> Bool) async -> Output? {
        var attempts = WebhookAttempts()
        while true {
            guard await turns.enter() else { return nil }
            attempts.begin()
            guard await tell(.started(attempt: attempts.number)) else {
                turns.leave()
                return nil
            }
            let began = clock.now
            let (answer, place) = await attempt(call)
            turns.leave()
            let action = answer.map { attempts.ended($0, random: clock.random) } ?? .giveUp(.notAllowed)
            switch action {
            case .answer(let status, let output):
                _ = await tell(.completed(attempt: attempts.number, status: status, duration: clock.now - began))
                return Output(text: output, attempt: attempts.number)
            case .retry(let failure, let wait):
                log(failure, call, place)
                _ = await tell(.failed(attempt: attempts.number, error: failure.detail, willRetry: true))
                guard await clock.sleep(for: wait) else { return nil }
            case .giveUp(let failure):
                log(failure, call, place)
                _ = await tell(.failed(attempt: attempts.number, error: failure.detail, willRetry: false))
                return Output(text: WebhookAttempts.output(of: failure.told), attempt: attempts.number)
            case .drop:
                return nil
            }
        }
    }

    /// Nil if the URL may not be called any more.
    private func attempt(_ call: WebhookCall) async -> (answer: WebhookAnswer?, place: String) {
        guard let url = try? rules.check(call.url) else { return (nil, "-") }
        let request = WebhookRequest(call, to: url, timestamp: clock.unixSeconds, secrets: secrets)
        return (await sender.send(request, under: rules, within: attemptTime), url.place)
    }

    private func log(_ failure: WebhookFailure, _ call: WebhookCall, _ place: String) {
        logger.warning(
            "a webhook failed",
            metadata: [
                "bridge.session": "\(call.sessionID)", "bridge.call": "\(call.callID)", "bridge.webhook": "\(place)",
                "bridge.error": "\(failure.detail)",
            ])
    }
}
