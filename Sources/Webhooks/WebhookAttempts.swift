import Realtime

/// Decides what follows from each attempt at one call: an output, another attempt, or the end of trying.
struct WebhookAttempts: Sendable {
    /// The attempts that were begun.
    private(set) var number = 0

    static let maximum = 3
    /// A receiver that wants to be left alone for longer is not asked again: the model waits meanwhile.
    static let longestWaitSeconds = 10
    /// Before the second and the third attempt.
    private static let waits = [Duration.milliseconds(500), .seconds(2)]

    enum Action: Equatable {
        /// Status and text of a good answer.
        case answer(status: Int, output: String)
        case retry(WebhookFailure, after: Duration)
        case giveUp(WebhookFailure)
        /// Neither reported nor repeated by this process.
        case drop
    }

    mutating func begin() { number += 1 }

    /// - Parameter random: from 0 to 1, so that many calls that failed at once do not come back at once.
    mutating func ended(_ answer: WebhookAnswer, random: Double) -> Action {
        switch answer {
        case .answered(let status, let body, let retryAfter):
            return answered(status, body, retryAfter, random)
        case .failed(.timedOut): return failed(.timedOut, random: random)
        case .failed(.unreachable(let why)): return failed(.unreachable(why), random: random)
        case .failed(.addressRefused): return .giveUp(.addressRefused)
        case .failed(.tooLarge(let limit)): return .giveUp(.tooLarge(limitBytes: limit))
        case .failed(.malformed(let why)): return .giveUp(.malformed(why))
        case .failed(.cancelled): return .drop
        }
    }

    private func answered(_ status: Int, _ body: [UInt8], _ retryAfter: Int?, _ random: Double) -> Action {
        switch status {
        case 200..<300:
            guard let output = String(validating: body, as: UTF8.self) else { return .giveUp(.noText) }
            return .answer(status: status, output: output)
        case 408, 425, 429, 500..<600: return failed(.answered(status), retryAfter: retryAfter, random: random)
        default: return .giveUp(.answered(status))
        }
    }

    private func failed(_ failure: WebhookFailure, retryAfter: Int? = nil, random: Double) -> Action {
        guard number < Self.maximum, retryAfter ?? 0 <= Self.longestWaitSeconds else { return .giveUp(failure) }
        let wait = Self.waits[number - 1]
        return .retry(failure, after: max(wait / 2 + wait / 2 * random, .seconds(max(0, retryAfter ?? 0))))
    }

    /// What the model is told in place of an output, so that the conversation goes on.
    static func output(of error: String) -> String {
        String(decoding: JSONValue.object([("error", .string(error))]).bytes, as: UTF8.self)
    }
}
