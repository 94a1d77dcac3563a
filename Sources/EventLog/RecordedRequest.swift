/// Names one request with an `Idempotency-Key`, whenever and however often it is sent: a digest of its caller, method, path and key.
package struct RequestKey: Sendable, Hashable {
    package let digest: [UInt8]

    package init(digest: [UInt8]) { self.digest = digest }
}

/// One step of such a request: something that must not be done twice. Steps count from 0.
package struct StepID: Sendable, Hashable {
    package let request: RequestKey
    package let number: Int

    package init(request: RequestKey, number: Int) {
        self.request = request
        self.number = number
    }
}

/// What is remembered of a request, for ``EventLogConfiguration/requestsKeptFor``.
package struct RecordedRequest: Sendable, Equatable {
    /// A digest of what was asked for; the same key with another one is another request.
    package let fingerprint: [UInt8]
    /// Unix seconds of its first step.
    package let createdAt: Int
    /// Those that were begun, in order. A step that is not here was never begun.
    package var steps: [RecordedStep] = []

    package init(fingerprint: [UInt8], createdAt: Int) {
        self.fingerprint = fingerprint
        self.createdAt = createdAt
    }
}

/// What is remembered of one step. With neither an answer nor a note nobody knows what became of it.
package struct RecordedStep: Sendable, Equatable {
    package let number: Int
    /// What it can be recognised by, chosen before it was begun.
    package let mark: String
    /// The seq of the event that confirmed or refused it, stored in that event's own transaction.
    package var answerSeq: Int?
    /// What no event tells; means what its writer means by it. Empty: see ``SettledSteps/accepted``.
    package var note: [UInt8]?

    package init(number: Int, mark: String, answerSeq: Int? = nil, note: [UInt8]? = nil) {
        self.number = number
        self.mark = mark
        self.answerSeq = answerSeq
        self.note = note
    }
}

/// What became of steps that no event answers, as the session knows it, whoever still waits.
package struct SettledSteps: Sendable, Equatable {
    /// They were begun and will never be sent: as if they had not been begun.
    package var freed: [StepID] = []
    /// They were sent, and the server never answers such.
    package var accepted: [StepID] = []

    package init(freed: [StepID] = [], accepted: [StepID] = []) {
        (self.freed, self.accepted) = (freed, accepted)
    }

    package var isEmpty: Bool { freed.isEmpty && accepted.isEmpty }
}
