import NIOCore
import NIOHTTP1
import Testing

@testable import Upstream

struct ResponseHeadReaderTests {
    private static let answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nUpgrade:  websocket \r\nX-Empty:\r\n\r\n"

    @Test(arguments: [1, 2, 3, 7, 1000])
    func theHeadEndsAtTheBlankLineWhereverTheBytesAreCut(pieceBytes: Int) throws {
        var reader = ResponseHeadReader()
        let bytes = Array((Self.answer).utf8)
        for start in stride(from: 0, to: bytes.count, by: pieceBytes) {
            let piece = ByteBuffer(bytes: bytes[start..<min(start + pieceBytes, bytes.count)])
            let outcome = reader.read(piece)
            guard start + pieceBytes >= bytes.count else {
                #expect(outcome == .needMore)
                continue
            }
            guard case .head(let head, let leftOver) = outcome else {
                Issue.record("no head: \(outcome)")
                return
            }
            #expect(head.status == .switchingProtocols)
            #expect(head.headers["upgrade"] == ["websocket"])
            #expect(head.headers["x-empty"] == [""])
            #expect(leftOver.readableBytes == 0)
        }
    }

    @Test func whatFollowsTheHeadIsHandedOn() {
        var reader = ResponseHeadReader()
        guard case .head(_, let leftOver) = reader.read(ByteBuffer(string: Self.answer + "\u{1}rest\r\n\r\n")) else {
            Issue.record("no head")
            return
        }
        #expect(leftOver == ByteBuffer(string: "\u{1}rest\r\n\r\n"))
    }

    @Test(arguments: [
        "SSH-2.0", "HTTP/2 200\r\n\r\n", "HTTP/1.1 1x1 No\r\n\r\n", "HTTP/1.1\r\n\r\n", "HTTP/1.1 101 S\r\nno colon\r\n\r\n",
        "HTTP/1.1 101 S\r\nA: b\r\n folded\r\n\r\n", "HTTP/1.1 101 S\r\nBad Name: x\r\n\r\n", "HTTP/1.1 101 S\r\n: x\r\n\r\n",
        "HTTP/1.1 999 S\r\n\r\n", "HTTP/1.1 200 " + String(repeating: "x", count: 65536),
    ])
    func whatIsNoHeadIsMalformed(text: String) {
        var reader = ResponseHeadReader()
        #expect(reader.read(ByteBuffer(string: text)) == .malformed)
    }
}
