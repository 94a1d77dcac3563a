import CMicroHTTPD
import Glibc

/// An answer as bytes for the socket: for the middle of a body, where libmicrohttpd queues none.
///
/// Nothing but `100 Continue` has been written before it, so there is room for the few hundred bytes of an error. The connection's end follows it:
/// that is how the client knows where it ends, and that the rest of its body is not wanted. Until the client stops, its bytes must be read: a
/// socket that is closed over unread ones is reset, and the client may lose the answer with it (RFC 9112 section 9.6).
struct LastWord {
    private let bytes: [UInt8]

    /// Nil for answers whose body is pulled.
    init?(_ response: Response, to head: RequestHead) {
        let body: [UInt8]
        switch response.body {
        case .none: body = []
        case .bytes(let bytes): body = bytes
        case .stream, .sizedStream: return nil
        }
        let reason = String(cString: MHD_get_reason_phrase_for(UInt32(clamping: response.status)))
        var text = "HTTP/1.1 \(response.status) \(reason)\r\nDate: \(Self.now)\r\nConnection: close\r\nContent-Length: \(body.count)\r\n"
        for field in response.headers.fields where Self.isSendable(field) { text += "\(field.name): \(field.value)\r\n" }
        bytes = Array((text + "\r\n").utf8) + (head.method == "HEAD" ? [] : body)
    }

    /// On the connection's thread, or under the lock that knows it alive. Does not block.
    /// - Returns: false if it did not fit; what was written of it is of no use then, nor is the connection.
    func say(on connection: MHDConnection) -> Bool {
        let descriptor = connection.descriptor
        let sent = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL)) }
        return sent == bytes.count && shutdown(descriptor, Int32(SHUT_WR)) == 0
    }

    /// As in libmicrohttpd's answers (RFC 9110 section 5.6.7).
    private static var now: String {
        var seconds = time(nil)
        var moment = tm()
        gmtime_r(&seconds, &moment)
        var text = [CChar](repeating: 0, count: 32)
        // The process keeps the C locale, whose names are English.
        let count = strftime(&text, text.count, "%a, %d %b %Y %H:%M:%S GMT", &moment)
        return String(decoding: text[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// As libmicrohttpd sees it, but that ours are the framing and the date.
    private static func isSendable(_ field: HTTPHeaders.Field) -> Bool {
        !["connection", "content-length", "transfer-encoding", "date"].contains { field.name.equalsIgnoringASCIICase($0) }
            && !(field.name + field.value).utf8.contains { $0 < 0x20 && $0 != UInt8(ascii: "\t") }
    }
}
