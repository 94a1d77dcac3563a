import HTTPServer
import NIOConcurrencyHelpers

/// How many bytes all request bodies in memory, and what is made of them when they are read as JSON, may have together (API.md section 7).
final class BodyBudget: Sendable {
    private let limitBytes: Int
    private let usedBytes = NIOLockedValueBox(0)

    init(limitBytes: Int) {
        self.limitBytes = limitBytes
    }

    var used: Int { usedBytes.withLockedValue { $0 } }

    func take(_ bytes: Int) throws(APIError) {
        let fits = usedBytes.withLockedValue { used in
            guard used + bytes <= limitBytes else { return false }
            used += bytes
            return true
        }
        guard fits else {
            throw APIError(
                .serviceUnavailable, code: "bodies_too_large_together",
                "The requests in progress fill the memory set aside for bodies; try again soon.", retry: .after(seconds: 1))
        }
    }

    func giveBack(_ bytes: Int) {
        usedBytes.withLockedValue { $0 -= bytes }
    }
}

/// Reads one request's body within the bridge's limits. What was read counts against the budget until the reader is let go.
final class BodyReader: Sendable {
    private let body: RequestBody
    private let budget: BodyBudget
    private let limitBytes: Int
    private let takenBytes = NIOLockedValueBox(0)
    private let kept = NIOLockedValueBox<[UInt8]?>(nil)
    private let wasKept = NIOLockedValueBox(false)

    init(limitBytes: Int, budget: BodyBudget, body: RequestBody) {
        self.limitBytes = limitBytes
        self.budget = budget
        self.body = body
    }

    deinit {
        budget.giveBack(takenBytes.withLockedValue { $0 })
    }

    /// What has arrived since the last call; nil at the end. Not counted against the budget: for what is passed on as it comes.
    func next() async throws(RequestBodyError) -> [UInt8]? {
        if wasKept.withLockedValue({ $0 }) { return kept.withLockedValue { $0.take() } }
        return try await body.next()
    }

    /// The whole body. To be called once, or again after ``keep(_:)``.
    /// - Parameter beginning: what was read of it by ``next()``.
    func collect(after beginning: [UInt8] = []) async throws -> [UInt8] {
        // Counted already.
        if wasKept.withLockedValue({ $0 }) { return beginning + (kept.withLockedValue { $0.take() } ?? []) }
        var whole = beginning
        guard whole.count <= limitBytes else { throw RequestBodyError.tooLarge(limitBytes: limitBytes) }
        try take(whole.count)
        while let bytes = try await body.next() {
            guard whole.count + bytes.count <= limitBytes else { throw RequestBodyError.tooLarge(limitBytes: limitBytes) }
            try take(bytes.count)
            if whole.isEmpty { whole = bytes } else { whole += bytes }
        }
        try take(Self.bytesPerValue * min(Self.mostValues, Self.values(in: whole)))
        return whole
    }

    /// Puts back what was collected, for the next one to ask.
    func keep(_ whole: [UInt8]) {
        kept.withLockedValue { $0 = whole }
        wasKept.withLockedValue { $0 = true }
    }

    private func take(_ bytes: Int) throws(APIError) {
        try budget.take(bytes)
        takenBytes.withLockedValue { $0 += bytes }
    }

    /// A parsed value or name takes 16 bytes, in an array that doubles when it grows: of a hostile text far more than the text itself.
    private static let bytesPerValue = 32
    /// No JSON text with more of them is read.
    private static let mostValues = 1 << 20

    /// At least as many as there are values and names in a JSON text, since one of these bytes stands before each but the first.
    private static func values(in text: [UInt8]) -> Int {
        text.withUnsafeBufferPointer { bytes in
            var count = 1
            for byte in bytes {
                let isBefore =
                    byte == UInt8(ascii: ",") || byte == UInt8(ascii: ":") || byte == UInt8(ascii: "[") || byte == UInt8(ascii: "{")
                count += isBefore ? 1 : 0
            }
            return count
        }
    }
}
