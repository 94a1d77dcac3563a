import NIOCore

/// A `response.output_text.delta` of a given size, as a whole WebSocket frame, with the time of its sending inside.
struct DeltaFrame {
    /// Precedes the 19 digits of the time in nanoseconds.
    static let timeMark = #""sent":""#
    static let timeDigits = 19

    private let bytes: [UInt8]
    private let timeOffset: Int

    /// - Parameter bytes: of the JSON; at least what the event needs without a delta.
    init(bytes count: Int) {
        let json = Self.json(bytes: count, sentAt: 0)
        let frame = Self.webSocketFrame(json)
        bytes = Array(frame.readableBytesView)
        let mark = Array(Self.timeMark.utf8)
        let place = json.indices.first { json[$0...].starts(with: mark) } ?? 0
        timeOffset = bytes.count - json.count + place + mark.count
    }

    static func json(bytes count: Int, sentAt time: Int) -> [UInt8] {
        let digits = String(time)
        let padded = String(repeating: "0", count: max(0, timeDigits - digits.count)) + digits
        let head =
            #"{"type":"response.output_text.delta","event_id":"event_1","response_id":"resp_1","item_id":"item_1","\#(timeMark.dropFirst())\#(padded)","delta":""#
        return Array((head + String(repeating: "x", count: max(0, count - head.utf8.count - 2)) + #""}"#).utf8)
    }

    func copies(_ count: Int, sentAt time: Int) -> ByteBuffer {
        var one = bytes
        var rest = time
        for place in stride(from: timeOffset + Self.timeDigits - 1, through: timeOffset, by: -1) {
            one[place] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
        var buffer = ByteBuffer()
        buffer.reserveCapacity(one.count * count)
        for _ in 0..<count { buffer.writeBytes(one) }
        return buffer
    }

    /// RFC 6455, section 5.2: a text frame of a server, which is not masked.
    static func webSocketFrame(_ json: [UInt8]) -> ByteBuffer {
        precondition(json.count < 65_536, "a frame with a length of more than two bytes")
        var buffer = ByteBuffer()
        buffer.writeInteger(UInt8(0x81))
        if json.count < 126 {
            buffer.writeInteger(UInt8(json.count))
        } else {
            buffer.writeInteger(UInt8(126))
            buffer.writeInteger(UInt16(json.count))
        }
        buffer.writeBytes(json)
        return buffer
    }
}
