import Audio
import HTTPServer

/// Sound whose length is known, as a file that is served whole or in parts.
struct SoundFile {
    private let container: SoundContainer
    private let format: SoundFormat
    private let dataBytes: Int
    private let prefix: [UInt8]
    private let suffix: [UInt8]

    init(_ container: SoundContainer, _ format: SoundFormat, dataBytes: Int) {
        self.container = container
        self.format = format
        self.dataBytes = dataBytes
        prefix = container.header(format, dataBytes: dataBytes)
        // RIFF: a chunk of an odd size is followed by a byte that its size does not count.
        suffix = container == .wav && !dataBytes.isMultiple(of: 2) ? [0] : []
    }

    private var count: Int { prefix.count + dataBytes + suffix.count }

    /// Of one address the sound only ever becomes shorter (by a truncation), so its length tells it from what it was before.
    private var tag: String { "\"\(container.rawValue)-\(dataBytes)\"" }

    /// What of the file is sent: its first bytes, a range of its samples, its last bytes.
    struct Part {
        let prefix: [UInt8]
        let data: Range<Int>
        let suffix: [UInt8]
        var count: Int { prefix.count + data.count + suffix.count }
    }

    private func part(_ range: Range<Int>) -> Part {
        let end = prefix.count + dataBytes
        let data = range.clamped(to: prefix.count..<end)
        return Part(
            prefix: Array(prefix[range.clamped(to: 0..<prefix.count)]),
            data: data.lowerBound - prefix.count..<data.upperBound - prefix.count,
            suffix: Array(suffix[(range.lowerBound - end..<range.upperBound - end).clamped(to: 0..<suffix.count)]))
    }

    /// 200, 206, 304, 412 or 416, as the request asks.
    /// - Parameter body: makes it of the part; at least one byte.
    func response(to head: RequestHead, _ body: (Part) -> ResponseBody) throws(APIError) -> Response {
        let precondition = Precondition(head, tag: tag)
        if precondition == .failed { throw Self.isNotWhatIsMatched(tag: tag) }
        let whole = part(0..<count)
        if precondition == .notModified {
            // With the length of what is not sent: a `content-length` of 304 may be no other (RFC 9110, section 8.6).
            return Response(
                status: 304, headers: ["cache-control": Self.noStore, "etag": tag], body: whole.count == 0 ? .none : body(whole))
        }
        var headers = Self.headers(container, format)
        headers.add("accept-ranges", "bytes")
        headers.add("etag", tag)
        switch ByteRange(head, of: count, tag: tag) {
        case .whole:
            return Response(status: 200, headers: headers, body: whole.count == 0 ? .none : body(whole))
        case .part(let range):
            headers.add("content-range", "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(count)")
            return Response(status: 206, headers: headers, body: body(part(range)))
        case .unsatisfiable:
            throw APIError(
                .rangeNotSatisfiable, code: "range_not_satisfiable", "There are \(count) bytes; the range begins behind them.",
                param: "range", headers: ["content-range": "bytes */\(count)", "accept-ranges": "bytes"])
        }
    }

    /// - Parameter tag: nil while it is still being produced.
    static func isNotWhatIsMatched(tag: String?) -> APIError {
        APIError(
            .preconditionFailed, code: "precondition_failed",
            "The audio is not the one that 'If-Match' names: it was cut since, or is still being produced. Fetch it without.",
            param: "if-match", headers: tag.map { ["etag": $0] } ?? [:])
    }

    private static let noStore = "no-store, no-transform"

    /// Proxies must neither keep nor recode what can still be cut, and may not hold back what is being produced.
    static func headers(_ container: SoundContainer, _ format: SoundFormat) -> HTTPHeaders {
        [
            "content-type": container.contentType(format), "cache-control": noStore, "x-accel-buffering": "no",
        ]
    }
}
