import Dispatch
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Realtime
import TestSupport
import Testing
import Upstream

@testable import Webhooks

/// The client against servers that do right and wrong.
@Suite(.timeLimit(.minutes(2))) struct NIOWebhookSenderTests {
    /// A DNS that a test makes up; it counts the questions.
    private final class Names: WebhookResolving {
        private let answers: [String]
        private let port: Int?
        let questions = NIOLockedValueBox<[String]>([])

        /// - Parameter port: where the answers lead, whatever was asked for.
        init(_ answers: [String], port: Int? = nil) { (self.answers, self.port) = (answers, port) }

        func addresses(
            of host: String, port: Int, on loop: any EventLoop, while isWanted: @escaping @Sendable () -> Bool
        ) -> EventLoopFuture<[SocketAddress]> {
            questions.withLockedValue { $0.append(host) }
            return loop.makeCompletedFuture { try answers.map { try SocketAddress(ipAddress: $0, port: self.port ?? port) } }
        }
    }

    /// A DNS that says nothing.
    private struct Silence: WebhookResolving {
        func addresses(
            of host: String, port: Int, on loop: any EventLoop, while isWanted: @escaping @Sendable () -> Bool
        ) -> EventLoopFuture<[SocketAddress]> {
            // Kept when the test is over.
            loop.scheduleTask(in: .seconds(5)) { [] }.futureResult
        }
    }

    private static func send(
        to url: String, allowed: [String]? = nil, networks: [String] = [], names: any WebhookResolving = Names(["127.0.0.1"]),
        tls: UpstreamTLS = UpstreamTLS(), limit: Duration = patience, body: String = "{}"
    ) async throws -> WebhookAnswer {
        let rules = try WebhookRules(allowed: allowed ?? [url], networks: try networks.map(IPNetwork.init))
        let call = WebhookCall(
            sessionID: "rts_1", callID: "call_1", name: "f", arguments: .raw(Array(body.utf8)), responseID: nil, itemID: "i",
            metadata: Array("{}".utf8), url: url)
        let request = WebhookRequest(
            call, to: try rules.check(url), timestamp: 1, secrets: try WebhookSecrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
        let sender = NIOWebhookSender(group: MultiThreadedEventLoopGroup.singleton, resolver: names, tls: tls)
        return await sender.send(request, under: rules, within: limit)
    }

    /// What a server that says these bytes, once it has the request, is taken for.
    private static func answer(
        _ said: [String], ends: Bool = true, limit: Duration = patience
    ) async throws -> (answer: WebhookAnswer, request: String) {
        let heads = Mailbox<String>("a request")
        let answer = try await ScriptedServer.run { peer in
            try await peer.readRequest()
            heads.put(peer.request)
            for part in said { try? await peer.wire.write(Array(part.utf8)) }
            if !ends { while try await peer.wire.read() != nil {} }
        } client: { server in
            try await send(to: "http://127.0.0.1:\(server.port)/hooks?x=1", allowed: ["http://127.0.0.1:\(server.port)/"], limit: limit)
        }
        return (answer, try await heads.next())
    }

    private static let big = String(repeating: "x", count: 1 << 20)
    private static let chunk = String(repeating: "x", count: 1 << 16)

    struct Said: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let parts: [String]
        let answer: WebhookAnswer
        let ends: Bool
        init(_ name: String, _ parts: [String], _ answer: WebhookAnswer, ends: Bool = true) {
            (testDescription, self.parts, self.answer, self.ends) = (name, parts, answer, ends)
        }
    }

    private static func good(_ body: String, _ status: Int = 200, retryAfter: Int? = nil) -> WebhookAnswer {
        .answered(status: status, body: Array(body.utf8), retryAfter: retryAfter)
    }

    private static let broken = WebhookAnswer.failed(.unreachable("the connection ended before the whole answer had come"))

    @Test(arguments: [
        Said("a length", ["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"], good("{}"), ends: false),
        Said("byte by byte", "HTTP/1.1 201 Made\r\nContent-Length: 2\r\n\r\nok".map(String.init), good("ok", 201), ends: false),
        Said("chunks", ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n1\r\n!\r\n0\r\n\r\n"], good("{}!"), ends: false),
        Said("until the end", ["HTTP/1.0 200 OK\r\n\r\n", "all of it"], good("all of it")),
        Said("nothing", ["HTTP/1.1 204 No Content\r\n\r\n"], good("", 204), ends: false),
        Said("an announcement first", ["HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx"], good("x"), ends: false),
        Said("a mebibyte", ["HTTP/1.1 200 OK\r\ncontent-length: \(big.utf8.count)\r\n\r\n", big], good(big), ends: false),
        Said(
            "a byte more, announced", ["HTTP/1.1 200 OK\r\ncontent-length: 1048577\r\n\r\n"], .failed(.tooLarge(limitBytes: 1_048_576)),
            ends: false),
        Said(
            "a byte more, in chunks",
            ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"] + [String](repeating: "10000\r\n\(chunk)\r\n", count: 16)
                + ["1\r\nx\r\n"], .failed(.tooLarge(limitBytes: 1_048_576)), ends: false),
        Said("more, until the end", ["HTTP/1.1 200 OK\r\n\r\n", big, "x"], .failed(.tooLarge(limitBytes: 1_048_576)), ends: false),
        Said(
            "chunk extensions without end",
            ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"] + [String](repeating: "1;\(chunk)\r\nx\r\n", count: 150),
            .failed(.tooLarge(limitBytes: 1_048_576)), ends: false),
        Said("a redirect", ["HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\n\r\n"], good("", 302), ends: false),
        Said(
            "an error whose body never comes", ["HTTP/1.1 503 No\r\nretry-after: 3\r\ncontent-length: 9\r\n\r\n"],
            good("", 503, retryAfter: 3), ends: false),
        Said(
            "a date to come back at", ["HTTP/1.1 429 No\r\nretry-after: Fri, 31 Dec 1999 23:59:59 GMT\r\n\r\n"], good("", 429), ends: false),
        Said("cut short", ["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}"], broken),
        Said("cut in a chunk", ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{}"], broken),
        Said("cut in the head", ["HTTP/1.1 200 OK\r\ncont"], broken), Said("nothing at all", [], broken),
        Said(
            "packed", ["HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1\r\n\r\nx"],
            .failed(.malformed("is encoded, which was not asked for (accept-encoding: identity)")), ends: false),
        Said("no HTTP", ["220 mail.example.com ESMTP\r\n"], .failed(.malformed("is not HTTP")), ends: false),
        Said(
            "a head without end",
            ["HTTP/1.1 200 OK\r\n"] + [String](repeating: "x-filler: \(String(repeating: "y", count: 1_000))\r\n", count: 200),
            .failed(.malformed("has a head of more than 65536 bytes")), ends: false),
        Said(
            "announcements without end",
            [String](repeating: "HTTP/1.1 103 Early\r\nx: \(String(repeating: "y", count: 1_000))\r\n\r\n", count: 200),
            .failed(.malformed("has a head of more than 65536 bytes")), ends: false),
    ])
    func anAnswerIsReadWithinItsBounds(_ said: Said) async throws {
        let (answer, request) = try await Self.answer(said.parts, ends: said.ends)
        #expect(answer == said.answer)
        #expect(request.hasPrefix("POST /hooks?x=1 HTTP/1.1\r\n"))
        for line in [
            "content-type: application/json", "accept-encoding: identity", "connection: close", "webhook-id: msg_", "webhook-timestamp: 1",
        ] {
            #expect(request.contains("\r\n\(line)"), "\(request)")
        }
        #expect(request.contains("\r\nwebhook-signature: v1,"))
        #expect(!request.lowercased().contains("transfer-encoding"))
    }

    @Test func whoSaysNothingIsLeft() async throws {
        let (answer, _) = try await Self.answer([], ends: false, limit: .seconds(1))
        #expect(answer == .failed(.timedOut))
    }

    /// The limit is for all of it, not for each byte.
    @Test func whoTricklesIsLeft() async throws {
        let answer = try await ScriptedServer.run { peer in
            try await peer.readRequest()
            try await peer.wire.write(Array("HTTP/1.1 200 OK\r\n\r\n".utf8))
            while (try? await peer.wire.write([0x78])) != nil { try await Task.sleep(for: .milliseconds(20)) }
        } client: { server in
            try await Self.send(to: "http://127.0.0.1:\(server.port)/", limit: .seconds(1))
        }
        #expect(answer == .failed(.timedOut))
    }

    @Test func aNameServerThatSaysNothingIsLeft() async throws {
        let answer = try await Self.send(to: "https://h.example.com/", names: Silence(), limit: .milliseconds(100))
        #expect(answer == .failed(.timedOut))
    }

    @Test func aNameThatIsNotThereIsSaidToBe() async throws {
        let answer = try await Self.send(to: "https://h.example.com/", names: Names([]))
        #expect(answer == .failed(.unreachable("its name cannot be resolved")))
    }

    @Test func aPortWhereNobodyListensIsSaidToBe() async throws {
        let probe = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(probe.localAddress?.port)
        try await probe.close()
        #expect(try await Self.send(to: "http://127.0.0.1:\(port)/") == .failed(.unreachable("connection refused")))
    }

    @Test func aCancelledAttemptEnds() async throws {
        let answer = try await ScriptedServer.run { peer in
            // It may be cancelled before it has sent anything.
            guard (try? await peer.readRequest()) != nil else { return }
            while try await peer.wire.read() != nil {}
        } client: { server in
            let task = Task { try await Self.send(to: "http://127.0.0.1:\(server.port)/") }
            task.cancel()
            return try await task.value
        }
        #expect(answer == .failed(.cancelled))
    }

    // MARK: Where a name leads

    /// The only server there is stands on the address that is not allowed: if it were called, it would answer.
    @Test(arguments: [
        ["127.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["127.0.0.1", "93.184.215.14"], ["::ffff:127.0.0.1"], ["10.1.1.1", "127.0.0.1"],
    ])
    func aNameWithOneAddressThatIsNotAllowedIsNotCalled(_ addresses: [String]) async throws {
        let answer = try await ScriptedServer.run { peer in
            Issue.record("somebody called")
        } client: { server in
            try await Self.send(
                to: "https://rebound.example.com:\(server.port)/", networks: ["10.0.0.0/8"], names: Names(addresses, port: server.port))
        }
        #expect(answer == .failed(.addressRefused))
    }

    /// Asked twice, a name server could answer twice.
    @Test func aNameIsLookedUpOnceAndItsNextAddressIsTried() async throws {
        let names = NIOLockedValueBox<Names?>(nil)
        let answer = try await ScriptedServer.run { peer in
            try await peer.readRequest()
            #expect(peer.request.contains("\r\nhost: localhost:"))
            try await peer.wire.write(Array("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx".utf8))
        } client: { server in
            // Nobody listens on the first one.
            let made = Names(["127.0.0.9", "127.0.0.1"], port: server.port)
            names.withLockedValue { $0 = made }
            return try await Self.send(to: "http://localhost:\(server.port)/", names: made)
        }
        #expect(answer == Self.good("x"))
        #expect(names.withLockedValue { $0?.questions.withLockedValue { $0 } } == ["localhost"])
    }

    /// Without its dot a name would be looked for in the search domains first. TLS and `Host` know no dot.
    @Test(arguments: [
        ("https://h.example.com./", "h.example.com."), ("https://h.example.com/", "h.example.com"), ("http://localhost./", "localhost"),
    ])
    func anAbsoluteNameIsLookedUpAsOne(url: String, asked: String) async throws {
        let names = Names([])
        _ = try await Self.send(to: url, names: names)
        #expect(names.questions.withLockedValue { $0 } == [asked])
        #expect(try WebhookURL(url).host == (url.contains("localhost") ? "localhost" : "h.example.com"))
    }

    @Test func theSystemsResolverFindsThisMachine() async throws {
        let resolver = SystemWebhookResolver()
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let found = try await resolver.addresses(of: "localhost", port: 80, on: loop) { true }.get()
        #expect(found.allSatisfy { ["127.0.0.1", "::1"].contains($0.ipAddress) && $0.port == 80 } && !found.isEmpty)
        // A name may have no part of more than 63 bytes, so that no name server is asked, who could take its time.
        await #expect(throws: (any Error).self) {
            try await resolver.addresses(of: String(repeating: "x", count: 64) + ".invalid", port: 80, on: loop) { true }.get()
        }
    }

    // MARK: Name servers that hang

    /// A DNS that answers when the test says so.
    private final class LateNames: WebhookResolving {
        let question = Mailbox<EventLoopPromise<[SocketAddress]>>("a name to be looked up")

        func addresses(
            of host: String, port: Int, on loop: any EventLoop, while isWanted: @escaping @Sendable () -> Bool
        ) -> EventLoopFuture<[SocketAddress]> {
            let promise = loop.makePromise(of: [SocketAddress].self)
            question.put(promise)
            return promise.futureResult
        }
    }

    /// The first connection that the server takes is the test's own.
    @Test func afterTheLimitNobodyIsConnectedTo() async throws {
        let taken = Mailbox<Int>("a connection")
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { taken.put(channel.remoteAddress?.port ?? 0) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let names = LateNames()
        let port = try #require(server.localAddress?.port)
        let answer = try await Self.send(to: "http://localhost:\(port)/", names: names, limit: .milliseconds(50))
        #expect(answer == .failed(.timedOut))
        let promise = try await names.question.next()
        promise.succeed([try SocketAddress(ipAddress: "127.0.0.1", port: port)])
        // By then the attempt has heard of it.
        try await promise.futureResult.eventLoop.submit {}.get()
        let own = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(host: "127.0.0.1", port: port).get()
        #expect(try await taken.next() == own.localAddress?.port)
        try await own.close()
        try await server.close()
    }

    /// A resolver on one thread whose lookups wait for the test.
    private struct Lookups: Sendable {
        let begun = Mailbox<String>("a lookup")
        let mayEnd = DispatchSemaphore(value: 0)
        let threads = NIOThreadPool(numberOfThreads: 1)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let resolver: SystemWebhookResolver

        init() {
            threads.start()
            resolver = SystemWebhookResolver(threads: threads) { [begun, mayEnd] host in
                begun.put(host)
                _ = mayEnd.wait(timeout: .now() + 20)
                return [try SocketAddress(ipAddress: "192.0.2.1", port: 0)]
            }
        }

        func ask(
            _ host: String, port: Int = 443, while isWanted: @escaping @Sendable () -> Bool = { true }
        ) -> EventLoopFuture<[SocketAddress]> {
            resolver.addresses(of: host, port: port, on: loop, while: isWanted)
        }
    }

    @Test func aNameIsLookedUpOnceForAllWhoWait() async throws {
        let lookups = Lookups()
        let asked = [443, 8_443, 443].map { lookups.ask("h.example.com", port: $0) }
        #expect(try await lookups.begun.next() == "h.example.com")
        let late = lookups.ask("h.example.com", port: 1)
        lookups.mayEnd.signal()
        var ports: [Int?] = []
        for answer in asked + [late] { ports.append(try await answer.get().first?.port) }
        #expect(ports == [443, 8_443, 443, 1])
        // The next one asks anew: an answer is nobody's afterwards.
        lookups.mayEnd.signal()
        _ = try await lookups.ask("h.example.com").get()
        #expect(lookups.begun.pending == ["h.example.com"])
        try await lookups.threads.shutdownGracefully()
    }

    /// The only thread hangs meanwhile.
    @Test func whatNobodyWaitsForAnyMoreIsNotLookedUp() async throws {
        let lookups = Lookups()
        let isWanted = NIOLockedValueBox(true)
        let hanging = lookups.ask("hangs.example.com")
        #expect(try await lookups.begun.next() == "hangs.example.com")
        let left = lookups.ask("left.example.com") { isWanted.withLockedValue { $0 } }
        let other = lookups.ask("other.example.com")
        isWanted.withLockedValue { $0 = false }
        lookups.mayEnd.signal()
        _ = try await hanging.get()
        await #expect(throws: SystemWebhookResolver.NotFound.self) { try await left.get() }
        lookups.mayEnd.signal()
        _ = try await other.get()
        #expect(lookups.begun.pending == ["other.example.com"])
        try await lookups.threads.shutdownGracefully()
    }

    /// Who asks again and again while a lookup hangs is told each time that his time is over.
    @Test func whoHasLeftDoesNotWaitBehindALookupThatHangs() async throws {
        let lookups = Lookups()
        let isWanted = NIOLockedValueBox(true)
        let left = lookups.ask("hangs.example.com") { isWanted.withLockedValue { $0 } }
        _ = try await lookups.begun.next()
        isWanted.withLockedValue { $0 = false }
        let next = lookups.ask("hangs.example.com")
        await #expect(throws: SystemWebhookResolver.NotFound.self) { try await left.get() }
        lookups.mayEnd.signal()
        #expect(try await next.get().count == 1)
        try await lookups.threads.shutdownGracefully()
    }

    // MARK: TLS

    private static func secureAnswer(
        _ kind: TestCertificates.Kind, host: String = "localhost", trusting: Bool = true, closing: Bool = true
    ) async throws -> WebhookAnswer {
        try await OpenSSLServer.run(kind) { peer in
            guard trusting, kind == .good, host == "localhost" else { return }
            try await peer.readRequest()
            try await peer.wire.write(Array("HTTP/1.1 200 OK\r\n\r\nsafe".utf8))
            if closing { try peer.wire.close() }
        } client: { server in
            let authority = try TestCertificates.shared.get().authority
            let answer = Task {
                try await send(
                    to: "https://\(host):\(server.port)/", networks: ["127.0.0.0/8"], names: Names(["127.0.0.1"]),
                    tls: UpstreamTLS(caFile: trusting ? authority : nil, caSetting: "--webhook-ca"))
            }
            return try await answer.value
        }
    }

    @Test func aServerIsCalledOverTLS() async throws {
        #expect(try await Self.secureAnswer(.good) == Self.good("safe"))
    }

    @Test(arguments: [
        (TestCertificates.Kind.wrongHost, "localhost", true, "check the host in the webhook's URL"),
        (.expired, "localhost", true, "expired"),
        (.selfSigned, "localhost", true, "--webhook-ca"), (.good, "localhost", false, "--webhook-ca"),
        (.good, "other.example.com", true, "check the host in the webhook's URL"),
    ])
    func aServerThatIsNotProvenIsNotCalled(kind: TestCertificates.Kind, host: String, trusting: Bool, words: String) async throws {
        guard case .failed(.unreachable(let why)) = try await Self.secureAnswer(kind, host: host, trusting: trusting) else {
            Issue.record("it was called")
            return
        }
        #expect(why.contains("certificate") && why.contains(words) && !why.contains("upstream"), "\(why)")
    }

    @Test func aServerWithoutTLSIsSaidToBeOne() async throws {
        let answer = try await ScriptedServer.run { peer in
            try? await peer.wire.write(Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8))
            while (try? await peer.wire.read()) != nil {}
        } client: { server in
            try await Self.send(to: "https://localhost:\(server.port)/", networks: ["127.0.0.0/8"])
        }
        #expect(answer == .failed(.unreachable("localhost does not speak TLS on this port")))
    }
}
