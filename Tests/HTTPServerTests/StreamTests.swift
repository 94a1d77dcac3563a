import Dispatch
import HTTPServer
import NIOConcurrencyHelpers
import Testing

/// The contract of pulled bodies.
struct StreamTests {
    private static let get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

    @Test func headersAndEachEventLeaveAtOnce() async throws {
        let stream = TestStream()
        try await withServer(TestHandler { _ in .stream(stream) }) { address in
            let client = try RawClient(address)
            try client.send(Self.get)
            let head = try client.readHead()
            #expect(head.headers["transfer-encoding"] == "chunked")
            #expect(head.headers["content-length"] == nil)
            try stream.waitingLatch.wait("the first pull")
            for number in 0..<100 {
                stream.feed("data: \(number)\n\n")
                #expect(try client.readChunk() == Array("data: \(number)\n\n".utf8))
            }
            stream.finish()
            #expect(try client.readChunk() == nil)
            try stream.closedLatch.wait("the stream's end")
            #expect(stream.counts == .init(opened: 1, closed: 1))
            stream.wake()
        }
    }

    @Test func aBodyOfKnownLengthIsAnnouncedAndSleepsLikeOthers() async throws {
        let streams = [TestStream(), TestStream(), TestStream()]
        let next = NIOLockedValueBox(streams)
        let handler = TestHandler { _ in
            Response(status: 200, body: .sizedStream(next.withLockedValue { $0.removeFirst() }, bytes: 10))
        }
        try await withServer(handler) { address in
            let client = try RawClient(address)
            try client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
            let head = try client.readHead()
            #expect(head.headers["content-length"] == "10" && head.headers["transfer-encoding"] == nil)
            try streams[0].closedLatch.wait("the end of what was only asked about")
            #expect(streams[0].counts == .init(opened: 0, closed: 1))
            // On the same connection, since HEAD has left nothing behind.
            for stream in streams.dropFirst() {
                try client.send(Self.get)
                try stream.waitingLatch.wait("the first pull")
                stream.feed("0123")
                try stream.waitingLatch.wait("the pull after the first bytes")
                stream.feed("456789")
                let response = try client.readResponse()
                #expect(response.text == "0123456789" && response.headers["content-length"] == "10")
                try stream.closedLatch.wait("the stream's end")
                #expect(stream.counts == .init(opened: 1, closed: 1))
            }
        }
    }

    /// A client must not take for all what is not.
    @Test(arguments: [false, true], [false, true])
    func aBodyThatCannotGoOnCutsTheConnection(isSized: Bool, fails: Bool) async throws {
        // The clean end of a body of unknown length is no failure.
        guard isSized || fails else { return }
        let stream = TestStream()
        let handler = TestHandler { _ in
            Response(status: 200, body: isSized ? .sizedStream(stream, bytes: 10) : .stream(stream))
        }
        try await withServer(handler) { address in
            let client = try RawClient(address)
            try client.send(Self.get)
            _ = try client.readHead()
            try stream.waitingLatch.wait("the first pull")
            stream.feed("0123")
            try stream.waitingLatch.wait("the pull after the first bytes")
            if fails { stream.fail() } else { stream.finish() }
            let rest = try client.readToEnd()
            #expect(rest.contains("0123") && !rest.hasSuffix("0\r\n\r\n"), "\(rest)")
            try stream.closedLatch.wait("the stream's end")
        }
    }

    @Test func afterAFinishedStreamTheConnectionIsUsedAgain() async throws {
        let handler = TestHandler { _ in
            let stream = TestStream()
            stream.feed("hello", wake: false)
            stream.finish()
            return .stream(stream)
        }
        try await withServer(handler) { address in
            let client = try RawClient(address)
            for _ in 0..<10 {
                try client.send(Self.get)
                #expect(try client.readResponse().text == "hello")
            }
        }
    }

    @Test func aSleepingStreamIsNotPulled() async throws {
        let stream = TestStream()
        try await withServer(TestHandler { _ in .stream(stream) }) { address in
            let client = try RawClient(address)
            try client.send(Self.get)
            _ = try client.readHead()
            try stream.waitingLatch.wait("the first pull")
            stream.feed("a")
            _ = try client.readChunk()
            try stream.waitingLatch.wait("the pull after the event")
            #expect(stream.pulls == 3)
        }
    }

    /// libmicrohttpd would write the last chunk of a body that it did not send, so the connection is closed instead.
    @Test(arguments: [("HEAD", 200), ("GET", 204), ("GET", 304)])
    func whereNoBodyIsSentNoStreamIsOpened(method: String, status: Int) async throws {
        let stream = TestStream()
        let handler = TestHandler { _ in
            Response(status: status, headers: ["content-type": "text/event-stream"], body: .stream(stream))
        }
        try await withServer(handler) { address in
            let client = try RawClient(address)
            try client.send("\(method) / HTTP/1.1\r\nHost: h\r\n\r\n")
            let head = try client.readHead()
            #expect(head.status == status)
            #expect(head.headers["content-type"] == "text/event-stream")
            #expect(try client.readToEnd() == "")
            try stream.closedLatch.wait("the stream's end")
            #expect(stream.counts == .init(opened: 0, closed: 1))
            #expect(stream.pulls == 0)
        }
    }

    @Test func http10StreamsEndWithTheConnection() async throws {
        let stream = TestStream()
        try await withServer(TestHandler { _ in .stream(stream) }) { address in
            let client = try RawClient(address)
            try client.send("GET / HTTP/1.0\r\n\r\n")
            let head = try client.readHead()
            #expect(head.headers["transfer-encoding"] == nil)
            try stream.waitingLatch.wait("the first pull")
            stream.feed("one ")
            try client.read(through: "one ")
            stream.feed("two")
            stream.finish()
            #expect(try client.readToEnd() == "two")
            try stream.closedLatch.wait("the stream's end")
            #expect(stream.counts == .init(opened: 1, closed: 1))
        }
    }

    @Test func aVanishedClientIsFoundByTheNextEvents() async throws {
        let stream = TestStream()
        try await withServer(TestHandler { _ in .stream(stream) }) { address in
            let client = try RawClient(address)
            try client.send(Self.get)
            _ = try client.readHead()
            try stream.waitingLatch.wait("the first pull")
            client.reset()
            stream.feed("a")
            try stream.closedLatch.wait("the stream's end")
            #expect(stream.counts == .init(opened: 1, closed: 1))
            stream.wake()
        }
    }

    /// A pull finds nothing; before it returns, bytes come and the waker is called: the connection is not asleep yet, so there is nothing to
    /// resume. If the wake is forgotten the body sleeps with bytes in it for ever.
    @Test func aWakeBetweenAPullsLookAndItsReturnIsNotLost() async throws {
        final class Racing: ResponseStream {
            let state = NIOLockedValueBox<(waker: StreamWaker?, pulls: Int)>((nil, 0))
            func opened(_ waker: StreamWaker) { state.withLockedValue { $0.waker = waker } }
            func pull(into buffer: UnsafeMutableRawBufferPointer) -> StreamPull {
                let (waker, pulls) = state.withLockedValue { state in
                    state.pulls += 1
                    return (state.waker, state.pulls)
                }
                guard pulls % 2 == 0 else {
                    waker?.wake()
                    return .waiting
                }
                buffer[0] = UInt8(ascii: "x")
                return pulls > 100 ? .finished : .wrote(1)
            }
            func closed() { state.withLockedValue { $0.waker = nil } }
        }
        try await withServer(TestHandler { _ in .stream(Racing()) }) { address in
            let client = try RawClient(address)
            try client.send(Self.get)
            #expect(try client.readResponse().text == String(repeating: "x", count: 50))
        }
    }

    /// Wakes come from threads that know nothing of the pull: before, during and after the moment in which it decides to sleep. A lost one
    /// leaves the stream asleep with bytes in it, a doubled resume corrupts libmicrohttpd's lists.
    @Test func wakesThatRaceWithPullsAreNeitherLostNorDoubled() async throws {
        let streams = (0..<8).map { _ in TestStream() }
        let next = NIOLockedValueBox(0)
        let handler = TestHandler { _ in
            .stream(
                streams[
                    next.withLockedValue { next in
                        defer { next += 1 }
                        return next
                    }])
        }
        let events = 3_000
        try await withServer(handler) { address in
            let clients = try streams.map { stream in
                let client = try RawClient(address)
                try client.send(Self.get)
                _ = try client.readHead()
                try stream.openedLatch.wait("the opening")
                return client
            }
            let done = DispatchGroup()
            for (index, stream) in streams.enumerated() {
                for thread in 0..<3 {
                    DispatchQueue(label: "waker-\(index)-\(thread)").async(group: done) {
                        for _ in 0..<events {
                            if thread == 0 { stream.feed("x") } else { stream.wake() }
                        }
                    }
                }
            }
            for (client, stream) in zip(clients, streams) {
                var count = 0
                while count < events { count += try client.readChunk()?.count ?? 0 }
                #expect(count == events)
                stream.finish()
                #expect(try client.readChunk() == nil)
            }
            #expect(done.wait(timeout: .now() + 20) == .success)
        }
        for stream in streams { #expect(stream.counts == .init(opened: 1, closed: 1)) }
    }

    /// Only what the client takes is pulled; nothing waits in memory but the pull buffer and the socket's own.
    @Test func aReaderThatStopsIsNotPulledFor() async throws {
        final class Endless: ResponseStream {
            let pulled = NIOLockedValueBox(0)
            let full = Latch()
            func opened(_ waker: StreamWaker) {}
            func pull(into buffer: UnsafeMutableRawBufferPointer) -> StreamPull {
                buffer.initializeMemory(as: UInt8.self, repeating: 1)
                pulled.withLockedValue { $0 += buffer.count }
                return .wrote(buffer.count)
            }
            func closed() { full.open() }
        }
        let stream = Endless()
        try await withServer(TestHandler { _ in .stream(stream) }, configure: { $0.idleTimeout = .seconds(1) }) { address in
            let client = try RawClient(address, receiveBufferBytes: 8 * 1024)
            try client.send(Self.get)
            try stream.full.wait("the end of a client that reads nothing")
            #expect(stream.pulled.withLockedValue { $0 } < 16 * 1024 * 1024)
        }
    }
}
