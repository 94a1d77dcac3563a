import NIOCore
import NIOWebSocket

/// The server broke a rule; `closeCode` tells it which kind.
struct WebSocketFault: Equatable {
    var closeCode: UInt16
    var reason: String

    static func protocolError(_ reason: String) -> WebSocketFault { WebSocketFault(closeCode: 1002, reason: reason) }
    static let binary = WebSocketFault(closeCode: 1003, reason: "binary message")
    static let invalidText = WebSocketFault(closeCode: 1007, reason: "text that is not UTF-8")
    static let tooLarge = WebSocketFault(closeCode: 1009, reason: "message too large")
}

/// Makes messages of the server's frames and holds it to RFC 6455.
struct WebSocketReceiver {
    private let maximumMessageBytes: Int
    /// The message so far; nil between messages.
    private var fragments: [UInt8]?

    init(maximumMessageBytes: Int) {
        self.maximumMessageBytes = maximumMessageBytes
    }

    enum Action: Equatable {
        case none
        case message([UInt8])
        case answerPing(ByteBuffer)
        case peerClosed(code: UInt16?, reason: String)
        case fail(WebSocketFault)
    }

    mutating func receive(_ frame: WebSocketFrame) -> Action {
        guard frame.maskKey == nil else { return .fail(.protocolError("masked frame from a server")) }
        guard !frame.rsv1, !frame.rsv2, !frame.rsv3 else { return .fail(.protocolError("reserved bit set")) }
        switch frame.opcode {
        case .text:
            guard fragments == nil else { return .fail(.protocolError("new message within a message")) }
            return collect(frame)
        case .continuation:
            guard fragments != nil else { return .fail(.protocolError("continuation of nothing")) }
            return collect(frame)
        case .binary:
            return .fail(.binary)
        case .ping:
            return .answerPing(frame.data)
        case .pong:
            return .none
        case .connectionClose:
            return close(frame.data)
        default:
            return .fail(.protocolError("reserved opcode"))
        }
    }

    private mutating func collect(_ frame: WebSocketFrame) -> Action {
        guard frame.data.readableBytes + (fragments?.count ?? 0) <= maximumMessageBytes else { return .fail(.tooLarge) }
        var message = fragments.take() ?? []
        message.append(contentsOf: frame.data.readableBytesView)
        guard frame.fin else {
            fragments = message
            return .none
        }
        return message.isUTF8 ? .message(message) : .fail(.invalidText)
    }

    private func close(_ payload: ByteBuffer) -> Action {
        var payload = payload
        if payload.readableBytes == 0 { return .peerClosed(code: nil, reason: "") }
        guard let code = payload.readInteger(as: UInt16.self) else { return .fail(.protocolError("close code cut short")) }
        guard CloseCode.isValidOnTheWire(code) else { return .fail(.protocolError("close code \(code)")) }
        let reason = Array(payload.readableBytesView)
        guard reason.isUTF8 else { return .fail(.invalidText) }
        return .peerClosed(code: code, reason: String(decoding: reason, as: UTF8.self))
    }
}

/// RFC 6455, section 7.4.
enum CloseCode {
    /// 1004 to 1006 and 1015 may never be sent; 1012 to 1014 were registered later; 3000 and up are free for use.
    static func isValidOnTheWire(_ code: UInt16) -> Bool {
        switch code {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }
}

extension [UInt8] {
    fileprivate var isUTF8: Bool {
        (try? UTF8Span(validating: span)) != nil
    }
}
