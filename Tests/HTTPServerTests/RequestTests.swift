import HTTPServer
import Testing

/// The contract of requests and plain answers, on a real socket.
struct RequestTests {
    private let get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

    @Test func answersWithLengthDateAndNothingItWasNotAskedFor() async throws {
        let handler = TestHandler()
        try await withServer(handler) { address in
            let client = try RawClient(address)
            try client.send(get)
            let response = try client.readResponse()
            #expect(response.status == 200)
            #expect(response.text == "ok")
            #expect(Set(response.headers.keys) == ["content-length", "content-type", "date"])
            #expect(handler.answered == ["GET / 200"])
        }
    }

    @Test func theHeadIsTakenApart() async throws {
        let handler = TestHandler { request in
            let head = request.head
            return .text(
                "\(head.method)|\(head.target)|\(head.path)|\(head.segments)|\(head.query.map { "\($0.name)=\($0.value)" })|"
                    + "\(head.headers.values("x"))|\(head.isHTTP10)|\(head.remoteAddress ?? "-")|\(head.listener)|"
                    + "\(head.contentLength ?? -1)|\(head.hasBody)")
        }
        try await withServer(handler) { address in
            let client = try RawClient(address)
            try client.send("PUT /a%2Fb/c?d=e+f HTTP/1.1\r\nHost: h\r\nX: 1\r\nx:  2 \r\nContent-Length: 1\r\n\r\nz")
            let text = try client.readResponse().text
            #expect(
                text
                    == #"PUT|/a%2Fb/c?d=e+f|/a%2Fb/c|["a/b", "c"]|["d=e f"]|["1", "2"]|false|127.0.0.1|\#(address)|1|true"#)
        }
    }

    @Test func pipelinedRequestsAreAnsweredInOrder() async throws {
        let handler = TestHandler { request in
            let body = (try? await request.body.collect(upTo: 100)) ?? []
            return .text(request.head.path + String(decoding: body, as: UTF8.self))
        }
        try await withServer(handler) { address in
            let client = try RawClient(address)
            let requests = (0..<50).map { number in
                number % 2 == 0
                    ? "GET /\(number) HTTP/1.1\r\nHost: h\r\n\r\n"
                    : "POST /\(number) HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"
            }
            try client.send(requests.joined())
            for number in 0..<50 {
                #expect(try client.readResponse().text == "/\(number)" + (number % 2 == 0 ? "" : "body"))
            }
        }
    }

    @Test func aConnectionIsUsedAgainAndAgain() async throws {
        try await withServer(TestHandler()) { address in
            let client = try RawClient(address)
            for _ in 0..<1_000 {
                try client.send(get)
                #expect(try client.readResponse().status == 200)
            }
        }
    }

    @Test func headHasTheHeadersAndNoBody() async throws {
        try await withServer(TestHandler()) { address in
            let client = try RawClient(address)
            try client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" + get)
            #expect(try client.readResponse(toHEAD: true).headers["content-length"] == "2")
            #expect(try client.readResponse().text == "ok")
        }
    }

    @Test func http10ClosesUnlessAskedNotTo() async throws {
        try await withServer(TestHandler()) { address in
            let client = try RawClient(address)
            try client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            #expect(try client.readResponse().text == "ok")
            try client.send("GET / HTTP/1.0\r\n\r\n")
            #expect(try client.readResponse().text == "ok")
            #expect(try client.readToEnd() == "")
        }
    }

    @Test func emptyAnswersAndCloseAreHonoured() async throws {
        let handler = TestHandler { request in
            request.head.path == "/204"
                ? Response(status: 204) : Response(status: 200, headers: ["connection": "close", "content-length": "99"], body: .bytes([]))
        }
        try await withServer(handler) { address in
            let client = try RawClient(address)
            try client.send("GET /204 HTTP/1.1\r\nHost: h\r\n\r\n" + get)
            let empty = try client.readResponse()
            #expect(empty.status == 204)
            #expect(empty.headers["content-length"] == nil)
            let closing = try client.readResponse()
            #expect(closing.headers["content-length"] == "0")
            #expect(closing.headers["connection"] == "close")
            #expect(try client.readToEnd() == "")
        }
    }

    @Test func aLargeAnswerArrivesWhole() async throws {
        let size = 22 * 1024 * 1024
        let handler = TestHandler { _ in Response(status: 200, body: .bytes([UInt8](repeating: 7, count: size))) }
        try await withServer(handler) { address in
            let client = try RawClient(address)
            try client.send(get)
            let response = try client.readResponse()
            #expect(response.body.count == size)
            #expect(response.body.allSatisfy { $0 == 7 })
        }
    }

    @Test func aLineBreakInAHeaderValueIsNotSent() async throws {
        let handler = TestHandler { _ in Response(status: 200, headers: ["x-a": "b\r\nx-injected: c", "x-d": "e"]) }
        try await withServer(handler) { address in
            let client = try RawClient(address)
            try client.send(get)
            let response = try client.readResponse()
            #expect(response.headers["x-injected"] == nil)
            #expect(response.headers["x-d"] == "e")
        }
    }

    @Test func aClientThatEndsItsSideStillGetsItsAnswer() async throws {
        let asked = Latch()
        let mayAnswer = Latch()
        let handler = TestHandler { _ in
            asked.open()
            try? await mayAnswer.opened("the answer's start")
            return .text("ok")
        }
        try await withServer(handler) { address in
            let client = try RawClient(address)
            try client.send(get)
            try asked.wait("the request")
            client.finishSending()
            mayAnswer.open()
            #expect(try client.readResponse().text == "ok")
        }
    }

    @Test func anIdleConnectionIsClosed() async throws {
        try await withServer(TestHandler(), configure: { $0.idleTimeout = .seconds(1) }) { address in
            let client = try RawClient(address)
            try client.send(get)
            #expect(try client.readResponse().text == "ok")
            #expect(try client.readToEnd() == "")
        }
    }

    // MARK: Refusals

    @Test(arguments: ["/%00", "/a%00b", "/a%2", "/%ff", "/?q=%00"])
    func aTargetThatCannotBeDecodedIs400AndTheConnectionLives(target: String) async throws {
        let handler = TestHandler()
        try await withServer(handler) { address in
            let client = try RawClient(address)
            try client.send("GET \(target) HTTP/1.1\r\nHost: h\r\n\r\n" + get)
            let refusal = try client.readResponse()
            #expect(refusal.status == 400)
            #expect(refusal.headers["content-type"] == "application/json")
            #expect(refusal.text.contains(#""type":"invalid_request_error","code":"bad_request","param":null,"event_id":null}}"#))
            #expect(try client.readResponse().status == 200)
            #expect(handler.answered == ["GET \(target) 400", "GET / 200"])
        }
    }

    @Test func bytesThatAreNotUTF8InATargetAre400() async throws {
        try await withServer(TestHandler()) { address in
            let client = try RawClient(address)
            try client.send(Array("GET /".utf8) + [0xff, 0xfe] + Array(" HTTP/1.1\r\nHost: h\r\n\r\n".utf8))
            #expect(try client.readResponse().status == 400)
        }
    }

    @Test(arguments: [
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n",
        "Host: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
        "Host: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Host: a\r\nTransfer-Encoding: gzip\r\n",
        "Host: a\r\nTransfer-Encoding: gzip, chunked\r\n",
        "Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Host: a\r\nTransfer-Encoding: chunked, chunked\r\n",
        "Host: a\r\nTransfer-Encoding: chunked \r\n",
        "Host: a\r\nContent-Length : 5\r\n",
        "Host: a\r\nTransfer-Encoding : chunked\r\n",
        "Host: a\r\nContent-Length\t: 5\r\n",
        "Host: a\r\nX: 1\r\n Content-Length: 5\r\n",
        "Host: a\r\nX: 1\u{1}2\r\n",
    ])
    func framingThatCouldBeReadInTwoWaysIs400AndTheEnd(headers: String) async throws {
        let handler = TestHandler()
        try await withServer(handler) { address in
            let client = try RawClient(address)
            try client.send("POST / HTTP/1.1\r\n\(headers)\r\n")
            let response = try client.readResponse()
            #expect(response.status == 400)
            #expect(response.text.contains("bad_request"))
            #expect(response.headers["x-request-id"]?.hasPrefix("req_") == true)
            #expect(try client.readToEnd() == "")
            #expect(handler.answered == ["POST / 400"])
        }
    }

    @Test func aTargetThatContradictsTheHostIs400() async throws {
        try await withServer(TestHandler()) { address in
            let client = try RawClient(address)
            try client.send("GET http://evil/ HTTP/1.1\r\nHost: h\r\n\r\n")
            #expect(try client.readResponse().status == 400)
            let other = try RawClient(address)
            try other.send("GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n")
            #expect(try other.readResponse().status == 200)
        }
    }

    @Test func aHeadAbove16KiBIs431InOurWordsAndAHugeOneInLibmicrohttpds() async throws {
        try await withServer(TestHandler()) { address in
            let fits = try RawClient(address)
            try fits.send("GET / HTTP/1.1\r\nHost: h\r\nX: \(String(repeating: "a", count: 16 * 1024 - 40))\r\n\r\n")
            #expect(try fits.readResponse().status == 200)

            let large = try RawClient(address)
            try large.send("GET / HTTP/1.1\r\nHost: h\r\nX: \(String(repeating: "a", count: 17 * 1024))\r\n\r\n")
            let response = try large.readResponse()
            #expect(response.status == 431)
            #expect(response.text.contains("header_fields_too_large"))
            #expect(try large.readToEnd() == "")

            let huge = try RawClient(address)
            try huge.send("GET / HTTP/1.1\r\nHost: h\r\n" + String(repeating: "X: a\r\n", count: 10_000))
            #expect(try huge.readHead().status == 431)
        }
    }

    @Test(arguments: [
        "nonsense\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/3.0\r\nHost: h\r\n\r\n", "GET / HTTP/1.1\r\nHost h\r\n\r\n",
    ])
    func whatIsNotHTTPEndsTheConnectionAndNothingElse(bytes: String) async throws {
        try await withServer(TestHandler()) { address in
            let client = try RawClient(address)
            try client.send(bytes)
            client.finishSending()
            let answer = try client.readToEnd()
            #expect(!answer.contains(" 200 "))
            let other = try RawClient(address)
            try other.send(get)
            #expect(try other.readResponse().status == 200)
        }
    }

    @Test func aRefusedRequestWithASmallBodyKeepsItsConnection() async throws {
        let handler = TestHandler(refuse: { $0.path == "/no" ? .text("no", status: 404) : nil })
        try await withServer(handler) { address in
            let client = try RawClient(address)
            let body = String(repeating: "x", count: 1_000_000)
            try client.send("POST /no HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n" + body + get)
            #expect(try client.readResponse().status == 404)
            #expect(try client.readResponse().status == 200)
            try client.send("POST /no HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + "abc".chunk + "".chunk + get)
            #expect(try client.readResponse().status == 404)
            #expect(try client.readResponse().status == 200)
            #expect(handler.answered == ["POST /no 404", "GET / 200", "POST /no 404", "GET / 200"])
        }
    }

    @Test func aRefusalOfABodyThatWaitsIsAnsweredBeforeIt() async throws {
        let handler = TestHandler(refuse: { _ in .text("no", status: 413) })
        try await withServer(handler) { address in
            let client = try RawClient(address)
            try client.send("POST /no HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
            #expect(try client.readResponse().status == 413)
            #expect(try client.readToEnd() == "")
            #expect(handler.answered == ["POST /no 413"])
        }
    }

    @Test func expectContinueIsAnsweredBeforeTheBody() async throws {
        let handler = TestHandler { request in
            .text(String(decoding: (try? await request.body.collect(upTo: 10)) ?? [], as: UTF8.self))
        }
        try await withServer(handler) { address in
            let client = try RawClient(address)
            try client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
            #expect(try client.readHead().status == 100)
            try client.send("hello")
            #expect(try client.readResponse().text == "hello")
        }
    }
}
