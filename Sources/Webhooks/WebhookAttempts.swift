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
        case retry(error: String, after: Duration)
        case giveUp(error: String)
        /// Neither reported nor repeated by this process.
        case drop
    }

    mutating func begin() { number += 1 }

    /// - Parameter random: from 0 to 1, so that many calls that failed at once do not come back at once.
    mutating func ended(_ answer: WebhookAnswer, random: Double) -> Action {
        switch answer {
        case .answered(let status, let body, let retryAfter):
            return answered(status, body, retryAfter, random)
        case .failed(.timedOut): return failed("the webhook did not answer in time", random: random)
        case .failed(.unreachable(let why)): return failed("the webhook cannot be reached: \(why)", random: random)
        case .failed(.addressRefused):
            return .giveUp(error: "the webhook's host has an address that may not be called (setting --webhook-allow-address)")
        case .failed(.tooLarge(let limit)): return .giveUp(error: "the webhook's answer is larger than \(limit) bytes")
        case .failed(.malformed(let why)): return .giveUp(error: "the webhook's answer \(why)")
        case .failed(.cancelled): return .drop
        }
    }

    private func answered(_ status: Int, _ body: [UInt8], _ retryAfter: Int?, _ random: Double) -> Action {
        switch status {
        case 200..<300:
            guard let output = String(validating: body, as: UTF8.self) else {
                return .giveUp(error: "the webhook's answer is not UTF-8 text")
            }
            return .answer(status: status, output: output)
        case 300..<400: return .giveUp(error: "the webhook answered \(status), a redirect, which is not followed")
        case 408, 425, 429, 500..<600: return failed("the webhook answered \(status)", retryAfter: retryAfter, random: random)
        default: return .giveUp(error: "the webhook answered \(status)")
        }
    }

    private func failed(_ error: String, retryAfter: Int? = nil, random: Double) -> Action {
        guard number < Self.maximum, retryAfter ?? 0 <= Self.longestWaitSeconds else { return .giveUp(error: error) }
        let wait = Self.waits[number - 1]
        return .retry(error: error, after: max(wait / 2 + wait / 2 * random, .seconds(max(0, retryAfter ?? 0))))
    }

    /// What the model is told in place of an output, so that the conversation goes on.
    static func output(of error: String) -> String {
        String(decoding: JSONValue.object([("error", .string(error))]).bytes, as: UTF8.self)
    }
}
