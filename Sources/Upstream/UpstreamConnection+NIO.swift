import NIOCore

extension UpstreamConnection {
    /// The door's closures over a channel whose last handler is a ``WebSocketHandler``. Any thread.
    convenience init(channel: any Channel, created: [UInt8], inbound: InboundQueue, endpoint: UpstreamEndpoint) {
        self.init(
            created: created,
            next: {
                await withTaskCancellationHandler {
                    await inbound.next()
                } onCancel: {
                    channel.close(promise: nil)
                }
            },
            unread: { inbound.takeUnread() },
            send: { (text) async throws(UpstreamError) in
                guard text.count <= endpoint.maximumMessageBytes else {
                    throw UpstreamError(
                        .messageTooLarge, "a message of \(text.count) bytes is over the limit of \(endpoint.maximumMessageBytes)")
                }
                do {
                    try await channel.writeAndFlush(text).get()
                } catch {
                    throw UpstreamError(.closed, "the connection to upstream has ended", cause: error)
                }
            },
            close: { code, reason in
                let code = CloseCode.isValidOnTheWire(code) ? code : 1000
                channel.triggerUserOutboundEvent(CloseRequest(code: code, reason: reason), promise: nil)
                // Fails never: it is the channel's promise that it has closed, and the closing handshake bounds the wait.
                try? await channel.closeFuture.get()
            },
            isOpen: { !inbound.hasEnded },
            onEnd: { inbound.onEnd($0) },
            abandon: { channel.close(promise: nil) })
    }
}
