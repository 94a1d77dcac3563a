/// Raw bytes both ways, from a socket or from `openssl s_server`.
package protocol Wire {
    mutating func read() async throws -> [UInt8]?
    func write(_ bytes: [UInt8]) async throws
}

package struct PeerGone: Error {}

/// The client broke RFC 6455.
package struct ClientFault: Error, CustomStringConvertible {
    package let what: String

    package init(what: String) {
        self.what = what
    }

    package var description: String { "the client sent \(what)" }
}

/// The server's half of a WebSocket, written out by hand so that it can also do wrong.
package struct WebSocketPeer<W: Wire> {
    package var wire: W
    private var unread: [UInt8] = []
    /// Where the unread bytes begin.
    private var position = 0
    package private(set) var request = ""

    package struct Frame: Equatable {
        package var opcode: UInt8
        package var isFinal: Bool
        package var mask: [UInt8]
        package var payload: [UInt8]
        package var text: String { String(decoding: payload, as: UTF8.self) }
        /// Of a CLOSE.
        package var closeCode: UInt16? { payload.count >= 2 ? UInt16(payload[0]) << 8 | UInt16(payload[1]) : nil }
        package var closeReason: String { String(decoding: payload.dropFirst(2), as: UTF8.self) }
    }

    package init(wire: W) {
        self.wire = wire
    }

    // MARK: Handshake

    /// Reads the head of a request into ``request``.
    package mutating func readRequest() async throws {
        let blankLine = Array("\r\n\r\n".utf8)
        while true {
            if let end = unread[position...].firstRange(of: blankLine)?.upperBound {
                request = String(decoding: unread[position..<end], as: UTF8.self)
                position = end
                return
            }
            try await fill()
        }
    }

    /// Reads the upgrade request and returns the good answer to it.
    package mutating func upgradeAnswer(extraHeaders: String = "") async throws -> [UInt8] {
        try await readRequest()
        return Array(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: \(accept)\r\n\(extraHeaders)\r\n"
                .utf8)
    }

    /// The right `Sec-WebSocket-Accept` for the request.
    package var accept: String { WebSocketAccept.value(for: header("Sec-WebSocket-Key") ?? "") }

    package func header(_ name: String) -> String? {
        for line in request.split(separator: "\r\n") where line.lowercased().hasPrefix(name.lowercased() + ": ") {
            return String(line.dropFirst(name.utf8.count + 2))
        }
        return nil
    }

    // MARK: Frames out

    package static func frame(_ opcode: UInt8, _ payload: [UInt8], isFinal: Bool = true, reserved: UInt8 = 0, mask: Bool = false) -> [UInt8]
    {
        var bytes: [UInt8] = [(isFinal ? 0x80 : 0) | reserved | opcode]
        let maskBit: UInt8 = mask ? 0x80 : 0
        switch payload.count {
        case ...125: bytes.append(maskBit | UInt8(payload.count))
        case ...0xFFFF: bytes += [maskBit | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
        default: bytes += [maskBit | 127] + (0..<8).reversed().map { UInt8(payload.count >> ($0 * 8) & 0xFF) }
        }
        if mask { bytes += [0, 0, 0, 0] }
        return bytes + payload
    }

    package static func text(_ text: String) -> [UInt8] { frame(1, Array(text.utf8)) }

    package static func close(_ code: UInt16, _ reason: String = "") -> [UInt8] {
        frame(8, [UInt8(code >> 8), UInt8(code & 0xFF)] + reason.utf8)
    }

    package func send(_ bytes: [UInt8]) async throws { try await wire.write(bytes) }
    package func send(text: String) async throws { try await wire.write(Self.text(text)) }

    // MARK: Frames in

    package mutating func receive() async throws -> Frame {
        let head = try await take(2)
        var length = Int(head[1] & 0x7F)
        if length == 126 { length = try await take(2).reduce(0) { $0 << 8 | Int($1) } }
        if length == 127 { length = try await take(8).reduce(0) { $0 << 8 | Int($1) } }
        guard head[1] & 0x80 != 0 else { throw ClientFault(what: "a frame that is not masked (RFC 6455, 5.1)") }
        guard head[0] & 0x70 == 0 else { throw ClientFault(what: "a frame with a reserved bit") }
        let mask = try await take(4)
        var payload = try await take(length)
        for index in payload.indices { payload[index] ^= mask[index % 4] }
        return Frame(opcode: head[0] & 0x0F, isFinal: head[0] & 0x80 != 0, mask: mask, payload: payload)
    }

    /// Until the client has closed its side.
    package mutating func drain() async throws {
        while try await wire.read() != nil {}
    }

    private mutating func take(_ count: Int) async throws -> [UInt8] {
        while unread.count - position < count { try await fill() }
        defer { position += count }
        return Array(unread[position..<(position + count)])
    }

    private mutating func fill() async throws {
        guard let bytes = try await wire.read() else { throw PeerGone() }
        unread.removeFirst(position)
        position = 0
        unread += bytes
    }
}
