import HTTPServer
import NIOConcurrencyHelpers
import Testing

/// The contract of request bodies: back-pressure, limits, and every way to end early.
struct UploadTests {
    private static func post(_ headers: String) -> String { "POST / HTTP/1.1\r\nHost: h\r\n\(headers)\r\n" }
    private static let chunked = post("Transfer-Encoding: chunked\r\n")

    /// A full channel suspends the connection. libmicrohttpd goes on handing over chunks that it has buffered unless the call that suspended
    /// left bytes; a second suspend would corrupt its lists. Several connections share one worker, so that the lists have something in them.
    @Test func thousandsOfTinyChunksInOneSegmentWaitForAStalledReader() async throws {
        let mayRead = Latch()
        let clientCount = 4
        // More than a channel holds.
        let bytes = (0..<280_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let handler = TestHandler { request in
            guard request.head.hasBody else { return .text("ok") }
            try? await mayRead.opened("the reader's start")
            let body = (try? await request.body.collect(upTo: 10_000_000)) ?? []
            return .text("\(body.count) \(body == bytes)")
        }
        try await withServer(handler, configure: { $0.workerThreads = 1 }) { address in
            var wire = Array(Self.chunked.utf8)
            for byte in bytes { wire += [0x31, 0x0d, 0x0a, byte, 0x0d, 0x0a] }
            wire += Array("".chunk.utf8)
            let clients = try (0..<clientCount).map { _ in try RawClient(address) }
            var sent = [Int](repeating: 0, count: clientCount)
            // The worker takes about 12 KiB from each connection between two answers to the bystander, so after these rounds it has filled
            // every channel (1.6 MB of these chunks) and has suspended all uploads.
            let bystander = try RawClient(address)
            for _ in 0..<600 {
                for index in clients.indices where sent[index] < wire.count {
                    sent[index] += clients[index].sendWhatFits(Array(wire[sent[index]...]))
                }
                try bystander.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                #expect(try bystander.readResponse().text == "ok")
            }
            for _ in clients { mayRead.open() }
            for (index, client) in clients.enumerated() { try client.send(Array(wire[sent[index]...])) }
            for client in clients { #expect(try client.readResponse().text == "280000 true") }
        }
    }

    @Test func aStalledReaderStopsTheClient() async throws {
        let mayRead = Latch()
        let handler = TestHandler { request in
            try? await mayRead.opened("the reader's start")
            var total = 0
            var largest = 0
            while let bytes = try? await request.body.next() {
                total += bytes.count
                largest = max(largest, bytes.count)
            }
            return .text("\(total) \(largest <= 256 * 1024)")
        }
        try await withServer(handler) { address in
            let client = try RawClient(address)
            let total = 64 * 1024 * 1024
            try client.send(Self.post("Content-Length: \(total)\r\n"))
            let sent = client.sendWhatFits([UInt8](repeating: 1, count: total))
            // Socket buffers on both sides and 256 KiB, but not the body.
            #expect(sent < 16 * 1024 * 1024)
            mayRead.open()
            try client.send([UInt8](repeating: 1, count: total - sent))
            #expect(try client.readResponse().text == "\(total) true")
        }
    }

    @Test func aBodyIsReadWhileItArrives() async throws {
        let got = Latch()
        let handler = TestHandler { request in
            var pieces: [String] = []
            while let bytes = try? await request.body.next() {
                pieces.append(String(decoding: bytes, as: UTF8.self))
                got.open()
            }
            return .text(pieces.joined(separator: "|"))
        }
        try await withServer(handler) { address in
            let client = try RawClient(address)
            try client.send(Self.chunked)
            for piece in ["a", "bc", "def"] {
                try client.send(piece.chunk)
                try got.wait("piece \(piece)")
            }
            try client.send("".chunk)
            #expect(try client.readResponse().text == "a|bc|def")
        }
    }

    @Test(arguments: ["Content-Length: 11\r\n\r\nhello world", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"])
    func collectRefusesWhatIsTooLargeAndTheConnectionLives(rest: String) async throws {
        let handler = TestHandler { request in
            do {
                return .text(String(decoding: try await request.body.collect(upTo: 10), as: UTF8.self))
            } catch {
                return .text("\(error)", status: 413)
            }
        }
        try await withServer(handler) { address in
            let client = try RawClient(address)
            try client.send("POST / HTTP/1.1\r\nHost: h\r\n" + rest)
            let refusal = try client.readResponse()
            #expect(refusal.status == 413)
            #expect(refusal.text == "tooLarge(limitBytes: 10)")
            try client.send(Self.post("Content-Length: 10\r\n") + "0123456789")
            #expect(try client.readResponse().text == "0123456789")
        }
    }

    @Test func anUnreadBodyIsDroppedBeforeTheAnswer() async throws {
        try await withServer(TestHandler()) { address in
            let client = try RawClient(address)
            for _ in 0..<3 {
                try client.send(Self.post("Content-Length: 1000000\r\n"))
                try client.send([UInt8](repeating: 1, count: 1_000_000))
                #expect(try client.readResponse().text == "ok")
            }
        }
    }

    /// Who refuses: the head alone, or the handler.
    private static func refuser(byHead: Bool) -> TestHandler {
        TestHandler(answer: { _ in .text("no", status: 404) }, refuse: { _ in byHead ? .text("no", status: 404) : nil })
    }

    /// Many clients read nothing before they have sent all. Closing the connection over what they still send would reset it, and take the
    /// answer from them.
    @Test(arguments: [true, false], ["Content-Length: 10000000\r\n", "Transfer-Encoding: chunked\r\n"])
    func aClientThatSendsAllOfALargeBodyFindsItsAnswer(byHead: Bool, framing: String) async throws {
        let handler = Self.refuser(byHead: byHead)
        try await withServer(handler, configure: { $0.drainTime = .seconds(20) }) { address in
            let client = try RawClient(address)
            let body = [UInt8](repeating: 1, count: 10_000_000)
            try client.send(Self.post(framing))
            if framing.hasPrefix("T") {
                try client.send(Array("989680\r\n".utf8) + body + Array("\r\n0\r\n\r\n".utf8))
            } else {
                try client.send(body)
            }
            let answer = try client.readResponse()
            #expect(answer.status == 404)
            #expect(answer.text == "no")
            #expect(answer.headers["connection"] == "close")
            #expect(answer.headers["content-type"] == "text/plain")
            #expect(answer.headers["date"]?.hasSuffix(" GMT") == true)
            #expect(try client.readToEnd() == "")
            #expect(handler.answered == ["POST / 404"])
        }
    }

    @Test func aBodyWithoutEndIsAnsweredBeyondTheDrainLimitAndCutIfItGoesOn() async throws {
        let handler = Self.refuser(byHead: false)
        try await withServer(
            handler,
            configure: {
                $0.drainLimitBytes = 100_000
                $0.drainTime = .milliseconds(500)
            }
        ) { address in
            let client = try RawClient(address)
            try client.send(Self.chunked)
            let chunk = String(repeating: "x", count: 10_000).chunk
            for _ in 0..<11 { try client.send(chunk) }
            #expect(try client.readResponse().status == 404)
            let deadline = Deadline(20)
            #expect(throws: ClientProblem.self) {
                while !deadline.isOver { try client.send(chunk) }
            }
            #expect(handler.answered == ["POST / 404"])
        }
    }

    @Test func aBodyThatDrainsTooLongIsAnsweredAndCut() async throws {
        try await withServer(TestHandler(), configure: { $0.drainTime = .milliseconds(100) }) { address in
            let client = try RawClient(address)
            try client.send(Self.post("Content-Length: 1000\r\n") + "some")
            let answer = try client.readResponse()
            #expect(answer.text == "ok")
            #expect(answer.headers["connection"] == "close")
            #expect(try client.readToEnd() == "")
        }
    }

    @Test func anAnswerThatIsPulledDoesNotComeInTheMiddleOfABody() async throws {
        let stream = TestStream()
        try await withServer(TestHandler { _ in .stream(stream) }, configure: { $0.drainTime = .milliseconds(100) }) { address in
            let client = try RawClient(address)
            try client.send(Self.post("Content-Length: 1000\r\n") + "some")
            #expect(try client.readToEnd() == "")
            try stream.closedLatch.wait("the stream's end")
            #expect(stream.counts == .init(opened: 0, closed: 1))
        }
    }

    // MARK: Expect: 100-continue

    @Test(arguments: ["Content-Length: 5000000\r\n", "Transfer-Encoding: chunked\r\n"])
    func aClientThatWaitsIsAnsweredInPlaceOfItsBody(framing: String) async throws {
        let handler = Self.refuser(byHead: false)
        try await withServer(handler) { address in
            let client = try RawClient(address)
            try client.send(Self.post(framing + "Expect: 100-continue\r\n"))
            let answer = try client.readResponse()
            #expect(answer.status == 404)
            #expect(answer.headers["connection"] == "close")
            #expect(try client.readToEnd() == "")
            #expect(handler.answered == ["POST / 404"])
        }
    }

    @Test func aClientThatWaitsIsToldToGoOnAndTheConnectionLives() async throws {
        let handler = TestHandler { request in
            .text(String(decoding: (try? await request.body.collect(upTo: 1_000_000)) ?? [], as: UTF8.self))
        }
        try await withServer(handler) { address in
            let client = try RawClient(address)
            for number in 0..<50 {
                let body = String(repeating: "\(number)", count: 200_000)
                try client.send(Self.post("Content-Length: \(body.utf8.count)\r\nExpect: 100-Continue\r\n"))
                #expect(try client.readHead().status == 100)
                try client.send(body)
                #expect(try client.readResponse().text == body)
            }
        }
    }

    /// As curl does after a second.
    @Test(arguments: [true, false]) func aClientThatDoesNotWaitLongEnoughFindsItsAnswer(isRead: Bool) async throws {
        let asked = Latch()
        let mayAnswer = Latch()
        let handler = TestHandler { request in
            asked.open()
            try? await mayAnswer.opened("the answer's start")
            guard isRead else { return .text("no", status: 404) }
            return .text("\((try? await request.body.collect(upTo: 10_000_000))?.count ?? 0)")
        }
        try await withServer(handler, configure: { $0.drainTime = .seconds(20) }) { address in
            let client = try RawClient(address)
            try client.send(Self.post("Content-Length: 5000000\r\nExpect: 100-continue\r\n"))
            try asked.wait("the request")
            let sent = client.sendWhatFits([UInt8](repeating: 1, count: 5_000_000))
            mayAnswer.open()
            try client.send([UInt8](repeating: 1, count: 5_000_000 - sent))
            #expect(try client.readHead().status == 100)
            let answer = try client.readResponse()
            #expect(answer.status == (isRead ? 200 : 404))
            #expect(answer.text == (isRead ? "5000000" : "no"))
        }
    }

    @Test func http10KnowsNoWaiting() async throws {
        let handler = TestHandler { request in
            .text(String(decoding: (try? await request.body.collect(upTo: 10)) ?? [], as: UTF8.self))
        }
        try await withServer(handler) { address in
            let client = try RawClient(address)
            try client.send("POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello")
            let answer = try client.readResponse()
            #expect(answer.status == 200)
            #expect(answer.text == "hello")
        }
    }

    @Test func aClientThatLeavesWhileItWaitsIsFoundByTheHandlersFirstRead() async throws {
        let asked = Latch()
        let mayRead = Latch()
        let ended = Latch()
        let outcome = NIOLockedValueBox<String?>(nil)
        let handler = TestHandler { request in
            asked.open()
            try? await mayRead.opened("the first read")
            do {
                while try await request.body.next() != nil {}
            } catch {
                outcome.withLockedValue { $0 = "\(error)" }
            }
            ended.open()
            return .text("nobody reads this")
        }
        try await withServer(handler) { address in
            let client = try RawClient(address)
            try client.send(Self.post("Content-Length: 5\r\nExpect: 100-continue\r\n"))
            try asked.wait("the request")
            client.close()
            mayRead.open()
            try ended.wait("the handler's end")
            #expect(outcome.withLockedValue { $0 } == "disconnected")
            #expect(handler.answered == [])
        }
    }

    @Test func anUploadThatStopsIsToldSo() async throws {
        let outcome = NIOLockedValueBox<String?>(nil)
        let ended = Latch()
        let handler = TestHandler { request in
            do {
                while try await request.body.next() != nil {}
            } catch {
                outcome.withLockedValue { $0 = "\(error)" }
            }
            ended.open()
            return .text("too late")
        }
        try await withServer(handler, configure: { $0.bodyIdleTimeout = .seconds(1) }) { address in
            let client = try RawClient(address)
            try client.send(Self.post("Content-Length: 1000\r\n") + "some")
            let response = try client.readResponse()
            #expect(response.status == 408)
            #expect(response.text.contains("request_timeout"))
            #expect(try client.readToEnd() == "")
            try ended.wait("the handler's end")
            #expect(outcome.withLockedValue { $0 } == "idleTimeout")
            #expect(handler.answered == ["POST / 408"])
        }
    }

    @Test func aClientThatLeavesItsUploadEndsTheReader() async throws {
        let reading = Latch()
        let ended = Latch()
        let outcome = NIOLockedValueBox<String?>(nil)
        let handler = TestHandler { request in
            do {
                while try await request.body.next() != nil { reading.open() }
            } catch {
                outcome.withLockedValue { $0 = "\(error) \(Task.isCancelled)" }
            }
            ended.open()
            return .text("nobody reads this")
        }
        try await withServer(handler) { address in
            let client = try RawClient(address)
            try client.send(Self.post("Content-Length: 1000\r\n") + "some")
            try reading.wait("the first bytes")
            client.close()
            try ended.wait("the handler's end")
            #expect(outcome.withLockedValue { $0?.hasPrefix("disconnected") } == true)
            #expect(handler.answered == [])
        }
    }

    @Test func malformedChunksEndTheRequest() async throws {
        let ended = Latch()
        let handler = TestHandler { request in
            while (try? await request.body.next()) != nil {}
            ended.open()
            return .text("no")
        }
        try await withServer(handler) { address in
            let client = try RawClient(address)
            try client.send(Self.chunked + "abc".chunk + "zz\r\n")
            #expect(try client.readHead().status == 400)
            try ended.wait("the handler's end")
        }
    }

    /// While suspended nobody watches the socket; the answer is then written into the void and everything is let go.
    @Test func aClientThatLeavesWhileItsAnswerIsAwaitedIsFoundByTheAnswer() async throws {
        let asked = Latch()
        let mayAnswer = Latch()
        let stream = TestStream()
        let handler = TestHandler { request in
            guard request.head.path == "/slow" else { return .text("ok") }
            asked.open()
            try? await mayAnswer.opened("the answer's start")
            return .stream(stream)
        }
        try await withServer(handler) { address in
            let client = try RawClient(address)
            try client.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
            try asked.wait("the request")
            client.reset()
            mayAnswer.open()
            try stream.closedLatch.wait("the stream's end")
            #expect(stream.counts.closed == 1)
            let other = try RawClient(address)
            try other.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            #expect(try other.readResponse().text == "ok")
        }
    }
}
