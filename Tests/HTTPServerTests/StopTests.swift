import Dispatch
import Glibc
import HTTPServer
import Logging
import NIOConcurrencyHelpers
import Testing

/// The contract of stopping. libmicrohttpd ends the process if it is stopped with a suspended connection, so failing is loud here.
struct StopTests {
    private static let get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

    private static func server(_ handler: TestHandler) -> HTTPServer {
        var configuration = HTTPServerConfiguration(listen: [.tcp(host: "127.0.0.1", port: 0)])
        configuration.connectionLimit = 4_000
        return HTTPServer(configuration: configuration, handler: handler, logger: Logger(label: "test"))
    }

    @Test func stoppingWaitsForRunningRequestsAndClosesTheirConnections() async throws {
        let asked = Latch()
        let mayAnswer = Latch()
        let server = Self.server(
            TestHandler { _ in
                asked.open()
                try? await mayAnswer.opened("the answer's start")
                return .text("done")
            })
        let address = try server.start()[0]
        let client = try RawClient(address)
        try client.send(Self.get)
        try await asked.opened("the request")
        async let stopped: Void = server.stop(within: .seconds(30))
        try await offPool {
            // The listener is closed at once: no connection can be made any more.
            let deadline = Deadline(10)
            while (try? RawClient(address)) != nil { try #require(!deadline.isOver) }
        }
        mayAnswer.open()
        await stopped
        let response = try await offPool { [client = Unchecked(client)] in try client.value.readResponse() }
        #expect(response.text == "done")
        #expect(response.headers["connection"] == "close")
    }

    @Test func whatOutlastsTheGraceIsCancelledAndToldSo() async throws {
        let asked = Latch()
        let ended = Latch()
        let server = Self.server(
            TestHandler { request in
                asked.open()
                if request.head.method == "POST" { _ = try? await request.body.next() }
                while !Task.isCancelled { try? await Task.sleep(for: .seconds(60)) }
                ended.open()
                return .text("too late")
            })
        let address = try server.start()[0]
        let waiting = try RawClient(address)
        try waiting.send("GET / HTTP/1.1\r\nHost: h\r\nX-Request-ID: mine\r\n\r\n")
        let unnamed = try RawClient(address)
        try unnamed.send(Self.get)
        let uploading = try RawClient(address)
        try uploading.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
        // It waits to be told to send its body.
        let held = try RawClient(address)
        try held.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")
        for _ in 0..<4 { try await asked.opened("the requests") }
        await server.stop(within: .milliseconds(50))
        for _ in 0..<4 { try await ended.opened("the handlers' ends") }
        let (refused, other, cut, unsent) = try await offPool { [clients = Unchecked((waiting, unnamed, uploading, held))] in
            (
                try clients.value.0.readResponse(), try clients.value.1.readResponse(), try clients.value.2.readToEnd(),
                try clients.value.3.readResponse()
            )
        }
        #expect(unsent.status == 503)
        #expect(refused.status == 503)
        #expect(refused.text.contains("shutting_down"))
        // What the handler has done by then nobody knows, so that the request must not be repeated.
        #expect(refused.text.contains(#""type":"server_error""#))
        #expect(refused.headers["x-should-retry"] == "false")
        #expect(refused.headers["x-request-id"] == "mine")
        #expect(other.headers["x-request-id"]?.hasPrefix("req_") == true)
        #expect(cut == "")
    }

    @Test func stoppingIsIdempotentAndEndsTheServer() async throws {
        let server = Self.server(TestHandler())
        _ = try server.start()
        async let first: Void = server.stop(within: .seconds(1))
        async let second: Void = server.stop(within: .seconds(1))
        _ = await (first, second)
        await server.stop(within: .seconds(1))
        let error = #expect(throws: HTTPServerError.self) { try server.start() }
        #expect(error?.code == .alreadyStarted)
    }

    @Test func aServerThatNeverStartedCanBeStopped() async {
        await Self.server(TestHandler()).stop(within: .seconds(1))
    }

    /// Streams asleep and being woken, requests waiting for answers that come, uploads stalled in a full channel, and new connections: all
    /// at the moment of the stop.
    @Test func stoppingUnderLoadLosesNobody() async throws {
        let streams = NIOLockedValueBox<[TestStream]>([])
        let asked = Latch()
        let server = Self.server(
            TestHandler { request in
                switch request.head.path {
                case "/stream":
                    let stream = TestStream()
                    streams.withLockedValue { $0.append(stream) }
                    return .stream(stream)
                case "/wait":
                    asked.open()
                    try? await Task.sleep(for: .seconds(600))
                    return .text("ended")
                default:
                    return .text("ok")
                }
            })
        let address = try server.start()[0]
        let clients = try await offPool {
            var clients: [RawClient] = []
            for _ in 0..<1_000 {
                let client = try RawClient(address)
                try client.send("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n")
                _ = try client.readHead()
                clients.append(client)
            }
            for number in 0..<50 {
                let client = try RawClient(address)
                // Every other body is larger than the channel, so that its connection is suspended for room.
                let bytes = number % 2 == 0 ? 10 : 1_000_000
                // And some are suspended before their body.
                let expect = number % 4 == 3 ? "Expect: 100-continue\r\n" : ""
                try client.send("POST /wait HTTP/1.1\r\nHost: h\r\nContent-Length: \(bytes)\r\n\(expect)\r\n")
                _ = client.sendWhatFits([UInt8](repeating: 1, count: bytes))
                clients.append(client)
            }
            for _ in 0..<50 { try asked.wait("the waiting requests") }
            return Unchecked(clients)
        }
        let isOver = NIOLockedValueBox(false)
        let noise = DispatchGroup()
        DispatchQueue(label: "new-connections").async(group: noise) {
            while !isOver.withLockedValue({ $0 }) {
                guard let client = try? RawClient(address) else { continue }
                try? client.send(Self.get)
                _ = try? client.readResponse()
            }
        }
        DispatchQueue(label: "wakes").async(group: noise) {
            while !isOver.withLockedValue({ $0 }) {
                for stream in streams.withLockedValue({ $0 }) { stream.feed("x") }
            }
        }
        await server.stop(within: .milliseconds(200))
        isOver.withLockedValue { $0 = true }
        _ = try await offPool {
            #expect(noise.wait(timeout: .now() + 20) == .success)
            for client in clients.value { _ = try client.readToEnd() }
        }
        let all = streams.withLockedValue { $0 }
        #expect(all.count == 1_000)
        #expect(all.allSatisfy { $0.counts == .init(opened: 1, closed: 1) })
    }
}

/// Carries clients from one thread to another; the test hands them over and does not look back.
struct Unchecked<Value>: @unchecked Sendable {
    let value: Value

    init(_ value: Value) { self.value = value }
}
