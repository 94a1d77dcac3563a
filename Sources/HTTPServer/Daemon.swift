import CMicroHTTPD
import Glibc

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
    /// The context pointer is retained until ``stop()`` has joined the threads: a server that is dropped without being stopped goes on.
    init(on socket: ListeningSocket, threads: Int, context: ListenerContext) throws(HTTPServerError) {
        let configuration = context.configuration
        let flags =
            MHD_USE_EPOLL_INTERNAL_THREAD.rawValue | MHD_ALLOW_SUSPEND_RESUME.rawValue | MHD_USE_ITC.rawValue
            | MHD_USE_ERROR_LOG.rawValue
        // The gate keeps the count; libmicrohttpd's limit, a share of which each worker gets, is only to be out of reach.
        let limit = UInt32(clamping: (configuration.connectionLimit + 1_000) * threads)
        let retained = Unmanaged.passRetained(context)
        let handedOver = fcntl(socket.descriptor, F_DUPFD_CLOEXEC, 0)
        guard
            handedOver >= 0,
            let daemon = bridge_mhd_start_daemon(
                flags, handedOver, UInt32(clamping: threads), limit, configuration.connectionMemoryBytes,
                configuration.idleTimeout.wholeSeconds, retained.toOpaque(),
                logMessage, acceptConnection, connectionChanged, requestBegan, requestProceeds, requestEnded)
        else {
            // Whether libmicrohttpd has closed its number depends on where it failed. At worst a number is lost: the socket listens no more.
            socket.close()
            retained.release()
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
        Unmanaged.passUnretained(context).release()
    }
}
