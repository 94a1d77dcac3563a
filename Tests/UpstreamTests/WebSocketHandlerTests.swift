import NIOCore
import NIOEmbedded
import NIOWebSocket
import Testing

@testable import Upstream

/// What cannot be brought about on purpose with a real socket.
struct WebSocketHandlerTests {
    /// A server that pings without reading must not fill our memory with pongs.
    @Test func onlyTheNewestPingIsAnsweredOnceTheSocketTakesBytesAgain() throws {
        let channel = EmbeddedChannel()
        let opened = channel.eventLoop.makePromise(of: UpstreamConnection.self)
        opened.futureResult.whenComplete { _ in }
        let inbound = InboundQueue(resumeReading: {})
        try channel.pipeline.syncOperations.addHandler(
            WebSocketHandler(endpoint: UpstreamEndpoint(name: "x", url: "ws://x"), inbound: inbound, opened: opened))
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()

        channel.isWritable = false
        for number in 0..<1000 {
            try channel.writeInbound(WebSocketFrame(fin: true, opcode: .ping, data: ByteBuffer(integer: UInt16(number))))
        }
        #expect(try channel.readOutbound(as: WebSocketFrame.self) == nil)

        channel.isWritable = true
        channel.pipeline.fireChannelWritabilityChanged()
        let pong = try #require(try channel.readOutbound(as: WebSocketFrame.self))
        #expect(pong.opcode == .pong)
        #expect(pong.data == ByteBuffer(integer: UInt16(999)))
        #expect(try channel.readOutbound(as: WebSocketFrame.self) == nil)
        _ = try channel.finish()
    }

    @Test func anUnreadQueueHoldsTheReadBackUntilHalfIsFree() {
        var buffer = InboundBuffer()
        for _ in 0..<InboundBuffer.maximumFrames { buffer.append([1]) }
        let holdsAtTheBound = buffer.holdReadIfFull()
        #expect(!holdsAtTheBound)
        buffer.append([1])
        let holdsOverTheBound = buffer.holdReadIfFull()
        #expect(holdsOverTheBound)
        var resumes: [Int] = []
        for taken in 1...(InboundBuffer.maximumFrames + 1) {
            if buffer.take()?.resumesReading == true { resumes.append(taken) }
        }
        #expect(resumes == [InboundBuffer.maximumFrames / 2 + 1])
        let nothing = buffer.take()
        #expect(nothing == nil)
        let holdsWhenEmpty = buffer.holdReadIfFull()
        #expect(!holdsWhenEmpty)
    }

    @Test func silenceIsAskedAboutAndThenTakenForAnEnd() {
        let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
        var keepAlive = KeepAlive(interval: .seconds(20), timeout: .seconds(5), now: start)
        #expect(keepAlive.nextCheck == start + .seconds(20))
        let afterTheInterval = keepAlive.timerFired(now: start + .seconds(20), isReading: true)
        #expect(afterTheInterval == .sendPing)
        #expect(keepAlive.nextCheck == start + .seconds(25))
        // A pong pulls the next check forward: it must not wait for the ping's timeout.
        let wasAsked = keepAlive.heard(now: start + .seconds(21))
        #expect(wasAsked)
        let wasAskedStill = keepAlive.heard(now: start + .seconds(22))
        #expect(!wasAskedStill)
        let tooEarly = keepAlive.timerFired(now: start + .seconds(41), isReading: true)
        #expect(tooEarly == .wait)
        let afterTheNextInterval = keepAlive.timerFired(now: start + .seconds(42), isReading: true)
        #expect(afterTheNextInterval == .sendPing)
        let afterTheTimeout = keepAlive.timerFired(now: start + .seconds(47), isReading: true)
        #expect(afterTheTimeout == .giveUp)
    }

    /// While we hold the socket's bytes back ourselves, the peer's silence proves nothing.
    @Test func aPeerThatIsNotReadIsNotGivenUp() {
        let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
        var keepAlive = KeepAlive(interval: .seconds(20), timeout: .seconds(5), now: start)
        let afterTheInterval = keepAlive.timerFired(now: start + .seconds(20), isReading: true)
        #expect(afterTheInterval == .sendPing)
        let whileNotReading = keepAlive.timerFired(now: start + .seconds(25), isReading: false)
        #expect(whileNotReading == .wait)
        #expect(keepAlive.nextCheck == start + .seconds(45))
    }
}
