import Logging

/// What libmicrohttpd's callbacks of one listener find behind their context pointer.
final class ListenerContext: Sendable {
    let address: ListenAddress
    let configuration: HTTPServerConfiguration
    let handler: any HTTPHandler
    let live: LiveExchanges
    let gate: ConnectionGate
    let logger: Logger

    init(
        address: ListenAddress, configuration: HTTPServerConfiguration, handler: any HTTPHandler, live: LiveExchanges,
        gate: ConnectionGate, logger: Logger
    ) {
        self.address = address
        self.configuration = configuration
        self.handler = handler
        self.live = live
        self.gate = gate
        self.logger = logger
    }
}
