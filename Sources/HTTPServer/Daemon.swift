import CMicroHTTPD
import Glibc
import Logging
import NIOConcurrencyHelpers

/// One libmicrohttpd daemon on one listening socket.
///
/// `@unchecked Sendable`: the daemon's functions used here may be called from any thread; the pointer is constant and ``stop()`` runs once.
final class Daemon: @unchecked Sendable {
    private let pointer: OpaquePointer
    private let context: ListenerContext
    private let socket: ListeningSocket
    /// The number under which libmicrohttpd knows the socket; it closes that one itself when it stops.
    private let handedOver: Int32

    /// Owns the socket from here on; closes it if this throws.
    ///
    /// The context pointer is unretained: this object owns the daemon and outlives its threads, which ``stop()`` joins.
    init(on socket: ListeningSocket, threads: Int, context: ListenerContext) throws(HTTPServerError) {
        let configuration = context.configuration
        let flags =
            MHD_USE_EPOLL_INTERNAL_THREAD.rawValue | MHD_ALLOW_SUSPEND_RESUME.rawValue | MHD_USE_ITC.rawValue
            | MHD_USE_ERROR_LOG.rawValue
        // The gate keeps the count; libmicrohttpd's limit, a share of which each worker gets, is only to be out of reach.
        let limit = UInt32(clamping: (configuration.connectionLimit + 1_000) * threads)
        let handedOver = fcntl(socket.descriptor, F_DUPFD_CLOEXEC, 0)
        guard
            handedOver >= 0,
            let daemon = bridge_mhd_start_daemon(
                flags, handedOver, UInt32(clamping: threads), limit, configuration.connectionMemoryBytes,
                configuration.idleTimeout.wholeSeconds, Unmanaged.passUnretained(context).toOpaque(),
                logMessage, acceptConnection, connectionChanged, requestBegan, requestProceeds, requestEnded)
        else {
            // Whether libmicrohttpd has closed its number depends on where it failed. At worst a number is lost: the socket listens no more.
            socket.close()
            throw HTTPServerError(code: .systemFailure, message: "libmicrohttpd does not start on \(context.address)")
        }
        self.pointer = daemon
        self.context = context
        self.socket = socket
        self.handedOver = handedOver
    }

    var address: ListenAddress { context.address }

    /// No new connections from here on.
    ///
    /// Not by `MHD_quiesce_daemon`: it and a busy worker may both take the socket out of that worker's epoll set, and the one that finds it
    /// gone ends the process (0.9.75, `daemon.c`). Putting a file that is never ready in the socket's place is atomic, and closing the socket
    /// takes it out of all epoll sets; a worker in the middle of accepting gets an error, which it logs.
    func quiesce() {
        let neverReady = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        if neverReady >= 0 {
            _ = dup2(neverReady, handedOver)
            _ = fcntl(handedOver, F_SETFD, FD_CLOEXEC)
            _ = Glibc.close(neverReady)
        }
        socket.close()
    }

    /// Blocks until the threads are joined. After ``quiesce()``, and when no request can suspend its connection any more: libmicrohttpd
    /// ends the process otherwise.
    func stop() {
        MHD_stop_daemon(pointer)
    }
}

// libmicrohttpd's callbacks. File-scope functions, so that they carry no isolation to its threads.

private func listener(_ context: UnsafeMutableRawPointer?) -> ListenerContext? {
    // `Daemon` keeps it alive while the daemon runs.
    context.map { Unmanaged<ListenerContext>.fromOpaque($0).takeUnretainedValue() }
}

// A `va_list` is a pointer on x86-64, and comes in as an optional one; on arm64 it is a structure.
#if arch(x86_64)
    private typealias LogArguments = CVaListPointer?
#else
    private typealias LogArguments = CVaListPointer
#endif

private func logMessage(_ context: UnsafeMutableRawPointer?, _ format: UnsafePointer<CChar>?, _ arguments: LogArguments) {
    let arguments: CVaListPointer? = arguments
    guard let listener = listener(context), let format, let arguments, listener.logger.logLevel <= .debug else { return }
    let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { buffer -> String in
        guard let start = buffer.baseAddress, vsnprintf(start, buffer.count, format, arguments) >= 0 else { return "" }
        return String(cString: start)
    }
    listener.logger.debug("libmicrohttpd reports", metadata: ["http.report": "\(text.prefix { $0 != "\n" })"])
}

private func acceptConnection(
    _ context: UnsafeMutableRawPointer?, _ address: UnsafePointer<sockaddr>?, _ length: socklen_t
) -> MHD_Result {
    listener(context)?.gate.hasRoom == true ? .YES : .NO
}

private func connectionChanged(
    _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
    _ socketContext: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ change: MHD_ConnectionNotificationCode
) {
    guard let listener = listener(context), let connection else { return }
    switch change {
    case .CONNECTION_NOTIFY_STARTED:
        listener.gate.connectionOpened()
        if case .tcp = listener.address { SocketOptions.setOnAccepted(MHDConnection(pointer: connection).descriptor) }
    case .CONNECTION_NOTIFY_CLOSED:
        listener.gate.connectionClosed()
    }
}

private func requestBegan(
    _ context: UnsafeMutableRawPointer?, _ target: UnsafePointer<CChar>?, _ connection: OpaquePointer?
) -> UnsafeMutableRawPointer? {
    guard let listener = listener(context), let connection else { return nil }
    let exchange = Exchange(
        context: listener, connection: MHDConnection(pointer: connection), target: target.map { String(cString: $0) } ?? "")
    listener.live.exchangeBegan(exchange)
    // Retained; `requestEnded` takes it back. libmicrohttpd calls that for every request it has announced here.
    return Unmanaged.passRetained(exchange).toOpaque()
}

private func requestProceeds(
    _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?, _ url: UnsafePointer<CChar>?, _ method: UnsafePointer<CChar>?,
    _ version: UnsafePointer<CChar>?, _ bytes: UnsafePointer<CChar>?, _ count: UnsafeMutablePointer<Int>?,
    _ request: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
    guard let exchange = request?.pointee else { return .NO }
    return Unmanaged<Exchange>.fromOpaque(exchange).takeUnretainedValue()
        .proceed(method: method, version: version, bytes: bytes, count: count)
}

private func requestEnded(
    _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?, _ request: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
    _ reason: MHD_RequestTerminationCode
) {
    guard let exchange = request?.pointee else { return }
    request?.pointee = nil
    Unmanaged<Exchange>.fromOpaque(exchange).takeRetainedValue().ended(timedOut: reason == .REQUEST_TERMINATED_TIMEOUT_REACHED)
}
