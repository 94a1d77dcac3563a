import Dispatch
import EventLog
import Glibc
import HTTPServer
import Logging
import Realtime
import Testing

@testable import BridgeAPI

/// Streams through libmicrohttpd and a socket.
struct StreamSocketTests {
    private struct Handler: HTTPHandler {
        let streams: EventStreams
        let history: SessionHistory

        func refusal(of head: RequestHead) -> Response? { nil }

        func respond(to request: Request) async -> Response {
            do {
                return try await streams.respond(
                    to: try StreamRequest(format: .eventStream, query: request.head.query, headers: request.head.headers),
                    of: HistoryView(history: history, dialects: DialectView(of: .ga, in: .ga)))
            } catch {
                return Response(status: 500)
            }
        }

        func answered(_ head: RequestHead, status: Int) {}
    }

    /// Reads one response to its end; the chunked coding is taken off.
    private static func get(_ path: String, from address: ListenAddress, lastEventID: String) throws -> (head: String, body: [UInt8]) {
        guard case .tcp(_, let port) = address else { throw TestProblem(description: "no port") }
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let connected = withUnsafePointer(to: name) { name in
            name.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { throw TestProblem(description: "connect: \(errno)") }
        let request = Array("GET \(path) HTTP/1.1\r\nHost: h\r\nConnection: close\r\nLast-Event-ID: \(lastEventID)\r\n\r\n".utf8)
        guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else {
            throw TestProblem(description: "send: \(errno)")
        }
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count >= 0 else { throw TestProblem(description: "recv: \(errno) after \(received.count) bytes") }
            if count == 0 { break }
            received += buffer[..<count]
        }
        guard let end = received.firstRange(of: Array("\r\n\r\n".utf8)) else { throw TestProblem(description: "no head") }
        var rest = received[end.upperBound...]
        var body: [UInt8] = []
        while let line = rest.firstRange(of: Array("\r\n".utf8)),
            let size = Int(String(decoding: rest[..<line.lowerBound], as: UTF8.self), radix: 16), size > 0
        {
            body += rest[line.upperBound...].prefix(size)
            rest = rest[(line.upperBound + size + 2)...]
        }
        return (String(decoding: received[..<end.lowerBound], as: UTF8.self), body)
    }

    @Test func readersSeeEverythingThroughSockets() async throws {
        let session = try await TestSession(windowBytes: 8_000)
        let streams = EventStreams(registry: StreamRegistry(), logger: quiet)
        let server = HTTPServer(
            configuration: {
                var configuration = HTTPServerConfiguration(listen: [.tcp(host: "127.0.0.1", port: 0)])
                configuration.connectionLimit = 200
                return configuration
            }(), handler: Handler(streams: streams, history: session.history), logger: quiet)
        let address = try server.start()[0]
        let count = 2_000
        await session.append((0..<800).map { delta($0) })
        let bodies = try await withThrowingTaskGroup(of: (Int, String, [UInt8]).self) { group in
            for reader in 0..<8 {
                group.addTask {
                    try await withCheckedThrowingContinuation { continuation in
                        DispatchQueue(label: "reader-\(reader)").async {
                            continuation.resume(
                                with: Result {
                                    let answer = try Self.get("/events", from: address, lastEventID: "1.\(reader * 100)")
                                    return (reader, answer.head, answer.body)
                                })
                        }
                    }
                }
            }
            for start in stride(from: 800, to: count, by: 20) { await session.append((start..<start + 20).map { delta($0) }) }
            await session.end()
            var bodies: [(Int, String, [UInt8])] = []
            for try await body in group { bodies.append(body) }
            return bodies
        }
        for (reader, head, body) in bodies {
            #expect(head.hasPrefix("HTTP/1.1 200 "))
            #expect(head.contains("x-accel-buffering: no"))
            #expect(body.starts(with: Array("retry: 1000\nid: 1.\(reader * 100)\n\n".utf8)))
            var source = TestEventSource()
            source.feed(body)
            let isWhole = source.messages.map(\.lastEventID) == (reader * 100 + 1...count + 1).map { "1.\($0)" }
            #expect(isWhole, "reader \(reader) saw \(source.messages.count) events")
        }
        let after = try await withCheckedThrowingContinuation { continuation in
            DispatchQueue(label: "after").async {
                continuation.resume(with: Result { try Self.get("/events", from: address, lastEventID: "1.\(count + 1)").head })
            }
        }
        #expect(after.hasPrefix("HTTP/1.1 204 "))
        await server.stop(within: .seconds(1))
        #expect(streams.registry.gauges.open == 0)
    }
}
