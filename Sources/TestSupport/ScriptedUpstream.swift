import NIOConcurrencyHelpers
package import Upstream

/// A Realtime server that does what the test says. Each `connect` takes the next script; without one it fails as unreachable.
package final class ScriptedUpstream: UpstreamConnecting {
    package enum Script: Sendable {
        /// The session opens with this event.
        case open(created: String)
        case fail(UpstreamError)
        /// `connect` does not return until its task is cancelled.
        case stall

        /// A session with nothing but an id.
        package static func session(_ id: String = "sess_1") -> Script {
            .open(
                created:
                    #"{"type":"session.created","event_id":"event_created","session":{"id":"\#(id)","type":"realtime","object":"realtime.session"}}"#
            )
        }
    }

    private let scripts: NIOLockedValueBox<[Script]>
    private let endpoints = NIOLockedValueBox<[UpstreamEndpoint]>([])
    private let opened = Mailbox<ScriptedConnection>("a connection to the scripted upstream")

    package init(_ scripts: [Script] = []) {
        self.scripts = NIOLockedValueBox(scripts)
    }

    /// Appends what later connects will meet.
    package func script(_ script: Script) {
        scripts.withLockedValue { $0.append(script) }
    }

    /// Everything that was connected to, refused or not, oldest first.
    package var connectedEndpoints: [UpstreamEndpoint] { endpoints.withLockedValue { $0 } }

    /// The server's side of the next connection that opened.
    package func nextConnection(within limit: Duration = .seconds(30)) async throws -> ScriptedConnection {
        try await opened.next(within: limit)
    }

    package func connect(to endpoint: UpstreamEndpoint) async throws(UpstreamError) -> UpstreamConnection {
        endpoints.withLockedValue { $0.append(endpoint) }
        let script = scripts.withLockedValue { $0.isEmpty ? nil : $0.removeFirst() }
        switch script {
        case .open(let created):
            let connection = ScriptedConnection()
            opened.put(connection)
            return connection.clientSide(created: Array(created.utf8))
        case .fail(let error):
            throw error
        case .stall:
            await untilCancelled()
            throw UpstreamError(.cancelled, "connecting to upstream was cancelled")
        case nil:
            throw UpstreamError(.unreachable, "the test has scripted no further connection")
        }
    }

    private func untilCancelled() async {
        let (stream, continuation) = AsyncStream.makeStream(of: Never.self, bufferingPolicy: .bufferingOldest(1))
        for await _ in stream {}
        continuation.finish()
    }
}

/// The server's side of one scripted connection.
package final class ScriptedConnection: Sendable {
    private struct State {
        var end: UpstreamEnd?
        var inbound: [UpstreamInbound] = []
        var reader: CheckedContinuation<UpstreamInbound, Never>?
        var watchers: [@Sendable () -> Void] = []
    }

    private let state = NIOLockedValueBox(State())
    private let sent = Mailbox<[UInt8]>("a frame from the bridge")
    private let ended = Mailbox<UpstreamEnd>("the end of the scripted connection")

    package init() {}

    /// Sends one event to the bridge; ignored after the end.
    package func push(_ json: String) {
        deliver(.frame(Array(json.utf8)))
    }

    /// Ends the connection from the server's side; only the first end counts.
    package func end(_ end: UpstreamEnd) {
        deliver(.ended(end))
    }

    /// The next frame that the bridge sent.
    package func nextSent(within limit: Duration = .seconds(30)) async throws -> String {
        String(decoding: try await sent.next(within: limit), as: UTF8.self)
    }

    /// Frames sent and not yet taken by ``nextSent(within:)``.
    package var pendingSent: [String] { sent.pending.map { String(decoding: $0, as: UTF8.self) } }

    /// How the connection ended, whoever ended it: this side, the bridge's `close`, or the bridge dropping it. Once.
    package func waitForEnd(within limit: Duration = .seconds(30)) async throws -> UpstreamEnd {
        try await ended.next(within: limit)
    }

    private func deliver(_ inbound: UpstreamInbound) {
        let (reader, watchers, isFirstEnd) = state.withLockedValue {
            state -> (CheckedContinuation<UpstreamInbound, Never>?, [@Sendable () -> Void], Bool) in
            guard state.end == nil else { return (nil, [], false) }
            if case .ended(let end) = inbound { state.end = end }
            let reader = state.reader.take()
            guard state.end != nil else {
                if reader == nil { state.inbound.append(inbound) }
                return (reader, [], false)
            }
            defer { state.watchers = [] }
            return (reader, state.watchers, true)
        }
        reader?.resume(returning: inbound)
        if isFirstEnd, case .ended(let end) = inbound { ended.put(end) }
        for watcher in watchers { watcher() }
    }

    private var hasEnded: Bool { state.withLockedValue { $0.end != nil } }

    private func onEnd(_ body: @escaping @Sendable () -> Void) {
        let hasEnded = state.withLockedValue { state in
            if state.end == nil { state.watchers.append(body) }
            return state.end != nil
        }
        if hasEnded { body() }
    }

    /// The bridge's side. Dropping it ends the connection, as dropping a real one does.
    package func clientSide(created: [UInt8]) -> UpstreamConnection {
        UpstreamConnection(
            created: created,
            next: { [self] in
                await withTaskCancellationHandler {
                    await withCheckedContinuation { continuation in
                        let ready: UpstreamInbound? = state.withLockedValue { state in
                            if !state.inbound.isEmpty { return state.inbound.removeFirst() }
                            if let end = state.end { return .ended(end) }
                            precondition(state.reader == nil, "two tasks read one connection")
                            state.reader = continuation
                            return nil
                        }
                        if let ready { continuation.resume(returning: ready) }
                    }
                } onCancel: {
                    end(UpstreamEnd(.closedByUs))
                }
            },
            unread: { [self] in
                state.withLockedValue { state in
                    precondition(state.reader == nil, "a connection is looked at that somebody reads")
                    defer { state.inbound = [] }
                    return state.inbound.compactMap { if case .frame(let frame) = $0 { frame } else { nil } }
                }
            },
            send: { [self] (text) async throws(UpstreamError) in
                guard !hasEnded else {
                    throw UpstreamError(.closed, "the connection to upstream has ended")
                }
                sent.put(text)
            },
            close: { [self] code, reason in end(UpstreamEnd(.closedByUs, code: code, reason: reason)) },
            isOpen: { [self] in !hasEnded },
            onEnd: { [self] in onEnd($0) },
            abandon: { [self] in end(UpstreamEnd(.closedByUs)) })
    }
}
