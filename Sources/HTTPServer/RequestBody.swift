import NIOConcurrencyHelpers

/// A request's body, read as it arrives.
///
/// At most 256 KiB wait here for the reader; beyond that the server stops reading the socket, so a slow reader slows its client down. A
/// body that nobody reads is dropped by the server after the answer. One reader at a time: two overlapping calls trap.
package final class RequestBody: Sendable {
    private enum Source {
        case exchange(Exchange)
        case whole(NIOLockedValueBox<[UInt8]>)
    }

    private let source: Source

    init(exchange: Exchange) {
        source = .exchange(exchange)
    }

    /// A body that is all there, for handlers that are called without a server.
    package init(_ bytes: [UInt8]) {
        source = .whole(NIOLockedValueBox(bytes))
    }

    /// The bytes that arrived since the last call, in order and at least one; waits for them. Nil after the last byte, and ever after.
    ///
    /// The boundaries mean nothing: small chunks are joined.
    /// - Throws: `.disconnected` if the client went away, the server stops or the task is cancelled; `.idleTimeout` if the client sent
    ///   nothing for `bodyIdleTimeout`. Nothing can be answered after either.
    package func next() async throws(RequestBodyError) -> [UInt8]? {
        switch source {
        case .exchange(let exchange):
            return try await exchange.nextBodyBytes()
        case .whole(let rest):
            return rest.withLockedValue { rest in
                defer { rest = [] }
                return rest.isEmpty ? nil : rest
            }
        }
    }

    /// The whole body, or what of it was not read yet.
    ///
    /// - Throws: `.tooLarge` once more than `limitBytes` have come; what follows is then dropped by the server, so answering is possible.
    package func collect(upTo limitBytes: Int) async throws(RequestBodyError) -> [UInt8] {
        if case .exchange(let exchange) = source, let announced = exchange.announcedBodyBytes, announced > limitBytes {
            throw .tooLarge(limitBytes: limitBytes)
        }
        guard var whole = try await next() else { return [] }
        while whole.count <= limitBytes {
            guard let bytes = try await next() else { return whole }
            whole += bytes
        }
        throw .tooLarge(limitBytes: limitBytes)
    }
}

/// Why a body cannot be read to its end.
package enum RequestBodyError: Error, Equatable {
    case tooLarge(limitBytes: Int)
    case disconnected
    case idleTimeout
}
