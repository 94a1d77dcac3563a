import EventLog
import HTTPServer
import Logging
import NIOPosix
import Realtime
import Sessions
import Simulator
import TestSupport
import Testing
import Upstream
import Webhooks

@testable import BridgeAPI

/// The whole bridge behind its HTTP door, without a socket: requests go in as heads and bytes, answers come out.
struct APIFixture: Sendable {
    let api: BridgeAPI
    let log: EventLog
    let directory: SessionDirectory
    /// Whether its upstream is the simulator, so that what it shows of events is worth a ``PayloadRecord``.
    private let keepsPayloads: Bool

    /// In front of the simulator.
    static func run(
        dialect: Dialect = .beta, deltaDelay: Duration = .zero, storage: EventLogConfiguration = EventLogConfiguration(storage: .memory),
        record: String? = nil,
        configure: (inout BridgeAPIConfiguration) throws -> Void = { _ in },
        _ body: (APIFixture) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        var settings = SimulatorConfiguration(dialect: dialect)
        settings.deltaDelay = deltaDelay
        settings.speech = .tone
        settings.recordFile = record
        let simulator = Simulator(configuration: settings, group: group, logger: logger)
        let address = try await simulator.start()
        let connector = NIOUpstreamConnector(group: group, logger: logger)
        try await run(
            connector: connector, url: address.url, dialect: dialect, storage: storage, keepsPayloads: true, configure: configure, body)
        await simulator.stop()
    }

    static func run(
        connector: any UpstreamConnecting, url: String = "ws://scripted", dialect: Dialect = .beta,
        limits: SessionLimits = SessionLimits(), others: [UpstreamConfiguration] = [], pool: [UpstreamPoolStatus] = [],
        storage: EventLogConfiguration = EventLogConfiguration(storage: .memory), keepsPayloads: Bool = false, webhooks: Webhooks? = nil,
        configure: (inout BridgeAPIConfiguration) throws -> Void = { _ in },
        _ body: (APIFixture) async throws -> Void
    ) async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let log = try EventLog.open(storage, logger: logger)
        let standard = UpstreamConfiguration(
            name: "u", url: url, dialect: dialect, tls: UpstreamTLS(), defaultModel: "gpt-realtime-2", apiKey: "server-key",
            takesCallersCredential: true)
        let upstreams = [standard] + others
        let directory = SessionDirectory(
            log: log, upstreams: upstreams, connector: connector, limits: limits, webhooks: webhooks, logger: logger)
        var configuration = BridgeAPIConfiguration(version: "test")
        // What upstream speaks is what is shown, unless a test is about something else.
        configuration.dialect = dialect
        try configure(&configuration)
        let api = BridgeAPI(
            configuration: configuration, directory: directory, log: log, upstreams: upstreams, poolStatus: { pool }, logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await directory.run() }
            do {
                try await body(APIFixture(api: api, log: log, directory: directory, keepsPayloads: keepsPayloads))
            } catch {
                await directory.stop(within: .zero)
                throw error
            }
            await directory.stop(within: .zero)
            try await group.waitForAll()
        }
        await log.close()
    }

    /// What the server does with a request.
    func send(
        _ method: String, _ target: String, _ body: String? = nil, headers: HTTPHeaders = [:], host: String? = "localhost:8080",
        listener: ListenAddress = .tcp(host: "127.0.0.1", port: 8080)
    ) async throws -> APIAnswer {
        let head = try Self.head(method, target, bodyBytes: body?.utf8.count, headers: headers, host: host, listener: listener)
        var response = api.refusal(of: head)
        if response == nil {
            response = await api.respond(to: Request(head: head, body: RequestBody(Array((body ?? "").utf8))))
        }
        let answer = try #require(response)
        api.answered(head, status: answer.status)
        if case .route(let route, _) = RouteTable.match(method: method, path: head.segments) {
            #expect(
                OpenAPIContract.shared.allows(operation: route.operation, status: answer.status),
                "\(route.operation) answered \(answer.status), which openapi.json does not say")
        }
        let read = try await APIAnswer(answer)
        await keep(read, target, headers)
        return read
    }

    /// Of answers that hold events, for the ``PayloadRecord``.
    private func keep(_ answer: APIAnswer, _ target: String, _ headers: HTTPHeaders) async {
        guard keepsPayloads, PayloadRecord.shared != nil, let session = ShownEvents.session(in: target) else { return }
        let stored = try? await log.storedSession(String(session.split(separator: "/").last ?? ""), withProducedContent: false)
        let shown = ShownEvents(target: target, betaHeader: headers["openai-beta"]) { _ in stored?.record.dialect }
        shown?.add(body: Array(answer.text.utf8), contentType: answer.headers["content-type"] ?? "")
    }

    /// A body of bytes; what comes of it is not held against `openapi.json`.
    func upload(_ bytes: [UInt8], to target: String, method: String = "PUT", headers: HTTPHeaders = [:]) async throws -> APIAnswer {
        let head = try Self.head(method, target, bodyBytes: bytes.count, headers: headers)
        if let refusal = api.refusal(of: head) { return try await APIAnswer(refusal) }
        return try await APIAnswer(await api.respond(to: Request(head: head, body: RequestBody(bytes))))
    }

    /// Made and answered as created; its id.
    func newSession(_ body: String = "{}", headers: HTTPHeaders = [:]) async throws -> String {
        let answer = try await send("POST", "/v1/sessions", body, headers: headers)
        try #require(answer.status == 201, "\(answer.text)")
        return try #require(answer.json?["id"]?.string)
    }

    static func head(
        _ method: String, _ target: String, bodyBytes: Int? = nil, headers: HTTPHeaders = [:], host: String? = "localhost:8080",
        listener: ListenAddress = .tcp(host: "127.0.0.1", port: 8080)
    ) throws -> RequestHead {
        var fields = headers
        if let host, fields["host"] == nil { fields.add("host", host) }
        if let bodyBytes { fields.add("content-length", String(bodyBytes)) }
        return try #require(RequestHead(method: method, target: target, headers: fields, remoteAddress: "127.0.0.1", listener: listener))
    }
}

/// An answer as a client has it; a stream is read to its end.
struct APIAnswer: Sendable {
    let status: Int
    let headers: HTTPHeaders
    let bytes: [UInt8]
    var text: String { String(decoding: bytes, as: UTF8.self) }

    init(_ response: Response) async throws {
        status = response.status
        headers = response.headers
        switch response.body {
        case .none: bytes = []
        case .bytes(let given): bytes = given
        case .stream(let stream): bytes = try await Self.read(stream)
        case .sizedStream(let stream, let count):
            let read = try await Self.read(stream)
            #expect(read.count == count, "a body is as long as was announced")
            bytes = read
        }
    }

    var json: JSON? { try? JSON.parse(text, maximumDepth: 256) }
    var error: JSON? { json?["error"] }
    var code: String? { error?["code"]?.string }

    private static func read(_ stream: any ResponseStream) async throws -> [UInt8] {
        let body = stream
        let (wakes, waker) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        body.opened(StreamWaker { waker.yield() })
        defer { body.closed() }
        return try await withThrowingTaskGroup(of: [UInt8].self) { group in
            group.addTask {
                var bytes: [UInt8] = []
                for await _ in wakes where try pull(body, into: &bytes) { break }
                return bytes
            }
            group.addTask {
                try await Task.sleep(for: .seconds(20))
                throw WaitedTooLong(what: "the end of a stream")
            }
            waker.yield()
            let bytes = try #require(try await group.next())
            group.cancelAll()
            return bytes
        }
    }

    /// True at the end.
    private static func pull(_ body: any ResponseStream, into bytes: inout [UInt8]) throws -> Bool {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4_096, alignment: 8)
        defer { buffer.deallocate() }
        while true {
            switch body.pull(into: buffer) {
            case .wrote(let count): bytes += buffer[..<count]
            case .waiting: return false
            case .finished: return true
            case .failed: throw BodyCut(received: bytes)
            }
        }
    }
}

/// A body ended in a failure, as a cut connection shows it.
struct BodyCut: Error {
    let received: [UInt8]
}
