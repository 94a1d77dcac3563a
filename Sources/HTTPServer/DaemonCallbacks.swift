import CMicroHTTPD
import Glibc
import Logging

// libmicrohttpd's callbacks: unwrap the context, forward, return. File-scope functions, so that they carry no isolation to its threads.

private func listener(_ context: UnsafeMutableRawPointer?) -> ListenerContext? {
    // `Daemon` retains it for as long as the threads run.
    context.map { Unmanaged<ListenerContext>.fromOpaque($0).takeUnretainedValue() }
}

// A `va_list` is a pointer on x86-64, and comes in as an optional one; on arm64 it is a structure.
#if arch(x86_64)
    typealias LogArguments = CVaListPointer?
#else
    typealias LogArguments = CVaListPointer
#endif

func logMessage(_ context: UnsafeMutableRawPointer?, _ format: UnsafePointer<CChar>?, _ arguments: LogArguments) {
    let arguments: CVaListPointer? = arguments
    guard let listener = listener(context), let format, let arguments, listener.logger.logLevel <= .debug else { return }
    let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { buffer -> String in
        guard let start = buffer.baseAddress, vsnprintf(start, buffer.count, format, arguments) >= 0 else { return "" }
        return String(cString: start)
    }
    listener.logger.debug("libmicrohttpd reports", metadata: ["bridge.http_report": "\(text.prefix { $0 != "\n" })"])
}

func acceptConnection(
    _ context: UnsafeMutableRawPointer?, _ address: UnsafePointer<sockaddr>?, _ length: socklen_t
) -> MHD_Result {
    listener(context)?.gate.hasRoom == true ? .YES : .NO
}

func connectionChanged(
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

func requestBegan(
    _ context: UnsafeMutableRawPointer?, _ target: UnsafePointer<CChar>?, _ connection: OpaquePointer?
) -> UnsafeMutableRawPointer? {
    guard let listener = listener(context), let connection else { return nil }
    let exchange = Exchange(
        context: listener, connection: MHDConnection(pointer: connection), target: target.map { String(cString: $0) } ?? "")
    listener.live.exchangeBegan(exchange)
    // Retained; `requestEnded` takes it back. libmicrohttpd calls that for every request it has announced here.
    return Unmanaged.passRetained(exchange).toOpaque()
}

func requestProceeds(
    _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?, _ url: UnsafePointer<CChar>?, _ method: UnsafePointer<CChar>?,
    _ version: UnsafePointer<CChar>?, _ bytes: UnsafePointer<CChar>?, _ count: UnsafeMutablePointer<Int>?,
    _ request: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
    guard let exchange = request?.pointee else { return .NO }
    return Unmanaged<Exchange>.fromOpaque(exchange).takeUnretainedValue()
        .proceed(method: method, version: version, bytes: bytes, count: count)
}

func requestEnded(
    _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?, _ request: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
    _ reason: MHD_RequestTerminationCode
) {
    guard let exchange = request?.pointee else { return }
    request?.pointee = nil
    Unmanaged<Exchange>.fromOpaque(exchange).takeRetainedValue().ended(timedOut: reason == .REQUEST_TERMINATED_TIMEOUT_REACHED)
}
