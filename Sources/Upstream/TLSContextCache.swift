import NIOConcurrencyHelpers
import NIOPosix

/// One ``TLSContext`` per setting, made when first needed: the authorities are parsed once and not for every connection.
///
/// Grows with the number of different settings in the configuration.
final class TLSContextCache: Sendable {
    private let contexts = NIOLockedValueBox<[UpstreamTLS: TLSContext]>([:])

    func context(for settings: UpstreamTLS) async throws(UpstreamError) -> TLSContext {
        if let context = contexts.withLockedValue({ $0[settings] }) { return context }
        let made: Result<TLSContext, UpstreamError>
        do {
            // Reads files.
            made = try await NIOThreadPool.singleton.runIfActive {
                do throws(UpstreamError) {
                    return .success(try TLSContext(settings))
                } catch {
                    return .failure(error)
                }
            }
        } catch {
            throw UpstreamError(.cancelled, "connecting to upstream was cancelled", cause: error)
        }
        let context = try made.get()
        // Two first connections may both have made one; they are alike.
        contexts.withLockedValue { $0[settings] = context }
        return context
    }
}
