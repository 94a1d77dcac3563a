package import NIOCore

/// TLS for connections that other rooms make: the same verification, of the chain and the host's name, as for an upstream.
///
/// Authorities are read once per setting, when first needed.
package final class TLSClient: Sendable {
    /// What connections under one setting share.
    package struct Context: Sendable {
        fileprivate let context: TLSContext
    }

    private let contexts = TLSContextCache()

    package init() {}

    /// - Throws: `.tlsFailed` if a file of the settings cannot be used; `.cancelled`.
    package func context(for settings: UpstreamTLS) async throws(UpstreamError) -> Context {
        Context(context: try await contexts.context(for: settings))
    }

    /// Adds TLS as the last handler of a channel with an open TCP connection; on its event loop.
    ///
    /// Begins with a ``TransportReady`` that comes from the channel's head, and passes one on once the server is verified. A failure is an
    /// `UpstreamError` in `errorCaught`, and closes the channel; so does an end without a close-notify.
    /// - Parameter host: the name or IP address that the certificate must be for.
    package static func begin(
        _ context: Context, on pipeline: ChannelPipeline.SynchronousOperations, host: String
    ) throws {
        try pipeline.addHandler(TLSHandler(session: TLSSession(context.context, host: host), host: host))
    }
}
