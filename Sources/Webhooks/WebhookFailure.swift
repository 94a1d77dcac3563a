import Upstream

/// Why there is no output, in two texts.
struct WebhookFailure: Error, Sendable, Equatable {
    /// For the model, whose words go upstream: one of a few that name neither host nor file nor setting.
    let told: String
    /// For the event and the log: what to change.
    let detail: String

    init(_ told: String, detail: String? = nil) { (self.told, self.detail) = (told, detail ?? told) }

    static let timedOut = WebhookFailure("the webhook did not answer in time")
    static let noText = WebhookFailure("the webhook's answer is no text", detail: "the webhook's answer is not UTF-8 text")
    /// The rules have changed since the tool was given.
    static let notAllowed = WebhookFailure(
        "the webhook cannot be called", detail: "the tool's webhook is not allowed any more (setting --webhook-allow)")
    static let addressRefused = WebhookFailure(
        "the webhook cannot be called", detail: "the webhook's host has an address that may not be called (setting --webhook-allow-address)"
    )

    static func unreachable(_ why: String) -> Self {
        Self("the webhook cannot be reached", detail: "the webhook cannot be reached: \(why)")
    }
    static func tooLarge(limitBytes: Int) -> Self {
        Self("the webhook's answer is too large", detail: "the webhook's answer is larger than \(limitBytes) bytes")
    }
    static func malformed(_ why: String) -> Self {
        Self("the webhook's answer cannot be read", detail: "the webhook's answer \(why)")
    }
    static func answered(_ status: Int) -> Self {
        let isRedirect = (300..<400).contains(status)
        let told = "the webhook answered \(status)"
        return Self(told, detail: isRedirect ? "\(told), a redirect, which is not followed" : told)
    }
}

extension WebhookAnswer.Failure {
    /// - Parameter error: of the connection or its TLS.
    static func connection(_ error: any Error) -> Self {
        if case .cancelled = (error as? UpstreamError)?.code { return .cancelled }
        return .unreachable(Self.reworded(ConnectFailure.shortReason(error)))
    }

    /// What is said of connections to upstream, for webhooks: other settings, and none for certificates of our own.
    private static let wordings = [
        ("the upstream URL", "the webhook's URL"), ("; is ws:// meant?", ""),
        ("; configure one for this upstream (its settings certificate and key)", ", which webhooks are not given"),
    ]

    private static func reworded(_ words: String) -> String {
        wordings.reduce(words) { $0.replacing($1.0, with: $1.1) }
    }
}
