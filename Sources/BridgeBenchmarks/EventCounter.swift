import Glibc

/// Counts the events with data in one HTTP/1.1 chunked event stream, whose bytes come in any pieces.
struct EventCounter {
    private enum Place { case size, data, dataEnd }

    private var place = Place.size
    private var chunkRest = 0
    private var isAtLineStart = true
    private var hasData = false

    /// - Returns: how many events these bytes completed.
    mutating func add(_ bytes: UnsafeRawBufferPointer) -> Int {
        var events = 0
        var index = 0
        while index < bytes.count {
            switch place {
            case .size:
                let byte = bytes[index]
                index += 1
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"): chunkRest = chunkRest * 16 + Int(byte - UInt8(ascii: "0"))
                case UInt8(ascii: "a")...UInt8(ascii: "f"): chunkRest = chunkRest * 16 + Int(byte - UInt8(ascii: "a")) + 10
                case UInt8(ascii: "A")...UInt8(ascii: "F"): chunkRest = chunkRest * 16 + Int(byte - UInt8(ascii: "A")) + 10
                case UInt8(ascii: "\n"): place = chunkRest > 0 ? .data : .dataEnd
                default: break
                }
            case .data:
                let count = min(chunkRest, bytes.count - index)
                events += addText(UnsafeRawBufferPointer(rebasing: bytes[index..<index + count]))
                index += count
                chunkRest -= count
                if chunkRest == 0 { place = .dataEnd }
            case .dataEnd:
                if bytes[index] == UInt8(ascii: "\n") { place = .size }
                index += 1
            }
        }
        return events
    }

    /// WHATWG HTML, section 9.2.6: an empty line ends an event; one without data is none.
    private mutating func addText(_ text: UnsafeRawBufferPointer) -> Int {
        guard let base = text.baseAddress else { return 0 }
        var events = 0
        var index = 0
        while index < text.count {
            if isAtLineStart {
                isAtLineStart = false
                switch text[index] {
                case UInt8(ascii: "\n"):
                    if hasData { events += 1 }
                    hasData = false
                case UInt8(ascii: "d"): hasData = true
                default: break
                }
            }
            guard let end = memchr(base + index, 0x0A, text.count - index) else { break }
            index = base.distance(to: UnsafeRawPointer(end)) + 1
            isAtLineStart = true
        }
        return events
    }
}
