import NIOCore
import NIOHTTP1

/// Reads the head of the answer to an upgrade request, and nothing behind it.
///
/// Not NIO's upgrade handlers: they leave the pipeline one turn of the event loop after the 101. When the end of the stream comes in the same
/// turn, as it does when a server answers 101, `error`, CLOSE at once, what followed the 101 is lost with them, and so is the reason.
struct ResponseHeadReader {
    /// As much as common servers accept of a request; announcements of an answer count together.
    private static let maximumBytes = 64 << 10
    private static let start = Array("HTTP/1.".utf8)
    private static let blankLine = Array("\r\n\r\n".utf8)

    private var unread = ByteBuffer()
    /// Bytes of the heads that only announced another one.
    private var announcementBytes = 0

    enum Outcome: Equatable {
        case needMore
        case head(HTTPResponseHead, leftOver: ByteBuffer)
        /// Not HTTP/1, or a head or announcements without end.
        case malformed
    }

    mutating func read(_ bytes: ByteBuffer) -> Outcome {
        unread.writeImmutableBuffer(bytes)
        while true {
            let view = unread.readableBytesView
            guard view.prefix(Self.start.count).elementsEqual(Self.start.prefix(view.count)) else { return .malformed }
            guard let end = view.firstRange(of: Self.blankLine) else {
                return view.count < Self.maximumBytes ? .needMore : .malformed
            }
            guard let head = Self.parse(String(decoding: view[..<end.lowerBound], as: UTF8.self)) else { return .malformed }
            unread.moveReaderIndex(forwardBy: end.upperBound - view.startIndex)
            // 100 and 103 announce the real answer.
            if (100..<200).contains(head.status.code), head.status != .switchingProtocols {
                announcementBytes += end.upperBound - view.startIndex
                guard announcementBytes < Self.maximumBytes else { return .malformed }
                continue
            }
            return .head(head, leftOver: unread)
        }
    }

    private static func parse(_ text: String) -> HTTPResponseHead? {
        var lines = text.split(separator: "\r\n", omittingEmptySubsequences: false)
        let statusLine = lines.removeFirst().split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard statusLine.count >= 2, statusLine[1].utf8.count == 3, let status = Int(statusLine[1]), (100...599).contains(status) else {
            return nil
        }
        var headers = HTTPHeaders()
        for line in lines {
            guard let colon = line.utf8.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex else { return nil }
            let name = line[..<colon]
            guard name.utf8.allSatisfy(\.isHeaderNameByte) else { return nil }
            let value = line[line.utf8.index(after: colon)...]
            headers.add(name: String(name), value: String(value.trimmingOptionalWhitespace()))
        }
        return HTTPResponseHead(version: .http1_1, status: HTTPResponseStatus(statusCode: status), headers: headers)
    }
}

extension UInt8 {
    /// RFC 9110, 5.6.2: token.
    var isHeaderNameByte: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "!#$%&'*+-.^_`|~".utf8.contains(self)
        }
    }
}

extension Substring {
    fileprivate func trimmingOptionalWhitespace() -> Substring {
        var rest = self[...]
        while let first = rest.first, first == " " || first == "\t" { rest.removeFirst() }
        while let last = rest.last, last == " " || last == "\t" { rest.removeLast() }
        return rest
    }
}
