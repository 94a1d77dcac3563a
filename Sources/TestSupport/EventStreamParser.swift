/// Bytes of an event stream in, its frames out (WHATWG HTML section 9.2.6, as far as the bridge uses it).
package struct EventStreamParser {
    package struct Frame: Equatable, Sendable {
        package var id: String?
        package var type = "message"
        /// nil for a frame that fires no event.
        package var data: String?
        package var retry: Int?
    }

    private var partial: [UInt8] = []

    package init() {}

    /// A frame counts when the empty line after it has come, as a client counts it.
    package mutating func add(_ bytes: [UInt8]) -> [Frame] {
        partial += bytes
        var frames: [Frame] = []
        var start = 0
        while let end = partial[start...].firstRange(of: [0x0A, 0x0A]) {
            frames.append(Self.frame(String(decoding: partial[start..<end.lowerBound], as: UTF8.self)))
            start = end.upperBound
        }
        partial.removeFirst(start)
        return frames
    }

    private static func frame(_ block: String) -> Frame {
        var frame = Frame()
        var data: [Substring] = []
        for line in block.split(separator: "\n", omittingEmptySubsequences: false) where !line.hasPrefix(":") {
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count < 2 ? "" : parts[1].hasPrefix(" ") ? parts[1].dropFirst() : parts[1]
            switch parts[0] {
            case "data": data.append(value)
            case "event": frame.type = String(value)
            case "id": frame.id = String(value)
            case "retry": frame.retry = Int(value)
            default: break
            }
        }
        if !data.isEmpty { frame.data = data.joined(separator: "\n") }
        return frame
    }
}
