import Dispatch
import Glibc
import HTTPServer
import Logging
import NIOConcurrencyHelpers
import Realtime
import Sessions
import TestSupport
import Testing
import Upstream

@testable import BridgeAPI

/// Uploads through libmicrohttpd and a socket, piece by piece: what others meet meanwhile, slow upstreams, clients that vanish.
@Suite struct UploadSocketTests {
    /// A Realtime server whose socket takes nothing until ``open()``.
    private final class Gated: UpstreamConnecting {
        private let scripted = ScriptedUpstream([.session()])
        private let gate = Promise<Void>()

        init(isOpen: Bool) {
            if isOpen { open() }
        }

        func open() { gate.fulfil(()) }

        func server() async throws -> ScriptedConnection { try await scripted.nextConnection() }

        func connect(to endpoint: UpstreamEndpoint) async throws(UpstreamError) -> UpstreamConnection {
            let inner = try await scripted.connect(to: endpoint)
            let gate = gate
            return UpstreamConnection(
                created: inner.created, next: { await inner.next() }, unread: { inner.takeUnread() },
                send: { (text) async throws(UpstreamError) in
                    _ = await gate.value(within: .seconds(60))
                    try await inner.send(text)
                },
                close: { await inner.close(code: $0, reason: $1) }, isOpen: { inner.isOpen }, onEnd: { inner.onEnd($0) }, abandon: {})
        }
    }

    /// One request by hand. Each call blocks a thread of its own.
    private final class Client: Sendable {
        private let descriptor: Int32
        private let queue = DispatchQueue(label: "client")

        init(_ address: ListenAddress, head: String) async throws {
            guard case .tcp(_, let port) = address else { throw TestProblem(description: "no port") }
            descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var small: Int32 = 128 << 10
            setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &small, socklen_t(MemoryLayout<Int32>.size))
            for option in [SO_RCVTIMEO, SO_SNDTIMEO] { limit(option, seconds: 20) }
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_port = port.bigEndian
            name.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
            let connected = withUnsafePointer(to: name) { name in
                name.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            guard connected == 0 else { throw TestProblem(description: "connect: \(errno)") }
            _ = await send(Array(head.utf8))
        }

        deinit { close(descriptor) }

        private func limit(_ option: Int32, seconds: Int) {
            var limit = timeval(tv_sec: seconds, tv_usec: 0)
            setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }

        /// How long ``send(_:)`` waits for room; 20 s at first.
        func waitsForRoom(seconds: Int) { limit(SO_SNDTIMEO, seconds: seconds) }

        func vanish() { shutdown(descriptor, Int32(SHUT_RDWR)) }

        /// - Returns: how many bytes were taken; fewer than given if for so long none was, or the connection is cut.
        func send(_ bytes: [UInt8]) async -> Int {
            await run { descriptor in
                var sent = 0
                while sent < bytes.count {
                    let count = bytes.withUnsafeBytes {
                        Glibc.send(descriptor, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
                    }
                    guard count > 0 else { break }
                    sent += count
                }
                return sent
            }
        }

        /// One chunk of the chunked coding.
        func chunk(_ bytes: [UInt8]) async {
            _ = await send(Array("\(String(bytes.count, radix: 16))\r\n".utf8) + bytes + Array("\r\n".utf8))
        }

        /// Up to the end of the connection.
        func answer() async -> String {
            await run { descriptor in
                var received: [UInt8] = []
                var buffer = [UInt8](repeating: 0, count: 4_096)
                while case let count = recv(descriptor, &buffer, buffer.count, 0), count > 0 { received += buffer[..<count] }
                return String(decoding: received, as: UTF8.self)
            }
        }

        private func run<Result: Sendable>(_ body: @escaping @Sendable (Int32) -> Result) async -> Result {
            await withCheckedContinuation { continuation in
                queue.async { [descriptor] in continuation.resume(returning: body(descriptor)) }
            }
        }
    }

    private struct Setting {
        let bridge: APIFixture
        let upstream: Gated
        let server: ScriptedConnection
        let address: ListenAddress
        let session: String

        var path: String { "/v1/sessions/\(session)/input_audio" }

        func client(_ type: String, length: Int? = nil, path: String? = nil) async throws -> Client {
            let framing = length.map { "Content-Length: \($0)" } ?? "Transfer-Encoding: chunked"
            return try await Client(
                address,
                head:
                    "PUT \(path ?? self.path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: \(type)\r\n\(framing)\r\n\r\n"
            )
        }

        /// The audio of the next append.
        func appended() async throws -> [UInt8] {
            let frame = try JSON.parse(try await server.nextSent())
            #expect(frame["type"]?.string == "input_audio_buffer.append")
            return try #require(Base64.decoded(Array((frame["audio"]?.string ?? "").utf8)[...]))
        }

        /// Waits for it.
        func failure() async throws -> JSON {
            let page = try await bridge.send(
                "GET", "/v1/sessions/\(session)/events?types=bridge.input_audio.failed&wait=20", headers: ["accept": "application/json"])
            return try #require(page.json?["data"]?.elements.first?["event"], "\(page.text)")
        }
    }

    private static func run(isOpen: Bool = true, _ body: (Setting) async throws -> Void) async throws {
        let upstream = Gated(isOpen: isOpen)
        try await APIFixture.run(connector: upstream) { bridge in
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            var configuration = HTTPServerConfiguration(listen: [.tcp(host: "127.0.0.1", port: 0)])
            configuration.connectionLimit = 20
            let server = HTTPServer(configuration: configuration, handler: bridge.api, logger: logger)
            let address = try server.start()[0]
            let session = try await bridge.newSession()
            try await body(
                Setting(bridge: bridge, upstream: upstream, server: try await upstream.server(), address: address, session: session))
            await server.stop(within: .seconds(1))
        }
    }

    private static let piece = [UInt8](repeating: 1, count: 4_800)

    @Test func soundIsPassedOnWhileTheClientStillSends() async throws {
        try await Self.run { setting in
            let client = try await setting.client("audio/pcm")
            for number in 1...5 {
                let piece = [UInt8](repeating: UInt8(number), count: 4_800)
                await client.chunk(piece)
                // Nothing more is sent until it has come.
                #expect(try await setting.appended() == piece)
            }
            await client.chunk([7, 7])
            await client.chunk([])
            #expect(try await setting.appended() == [7, 7])
            let answer = await client.answer()
            #expect(answer.hasPrefix("HTTP/1.1 202 "))
            #expect(answer.hasSuffix(#"{"bytes":24002,"duration_ms":500,"appends":6}"# + "\n"))
        }
    }

    @Test func aSecondUploadIsRefusedAndJSONWaits() async throws {
        try await Self.run { setting in
            let (bridge, path) = (setting.bridge, setting.path)
            let client = try await setting.client("audio/pcm")
            await client.chunk(Self.piece)
            #expect(try await setting.appended() == Self.piece)
            let second = try await bridge.upload(Self.piece, to: path, headers: ["content-type": "audio/pcm"])
            #expect(second.status == 409)
            #expect(second.code == "audio_upload_active")
            #expect(second.headers["x-should-retry"] == "false")
            let json = #"{"audio":"AgICAg=="}"#
            let impatient = try await bridge.send("POST", path, json, headers: ["prefer": "wait=0"])
            #expect(impatient.code == "audio_upload_active")

            async let patient = bridge.send("POST", path, json)
            await client.chunk(Self.piece)
            #expect(try await setting.appended() == Self.piece)
            await client.chunk([])
            #expect(await client.answer().hasPrefix("HTTP/1.1 202 "))
            #expect(try await patient.status == 202)
            #expect(try await setting.appended() == [2, 2, 2, 2])
            // The place is free again.
            let third = try await bridge.upload(Self.piece, to: path, headers: ["content-type": "audio/pcm"])
            #expect(third.status == 202)
        }
    }

    @Test func onlySoManyAppendsWaitForAnUpload() async throws {
        let uploads = AudioUploads()
        let (ended, ender) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let (begun, beginner) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await uploads.upload(to: "s") {
                    beginner.yield()
                    for await _ in ended { break }
                }
            }
            for await _ in begun { break }
            let refused = NIOLockedValueBox(0)
            await withTaskGroup(of: Void.self) { waiting in
                for _ in 0..<20 {
                    waiting.addTask {
                        do throws(APIError) {
                            try await uploads.waitForEnd(of: "s", within: .seconds(30))
                        } catch {
                            #expect(error.status == .tooManyRequests)
                            // The last of those that find no place lets the others go on.
                            refused.withLockedValue { $0 += 1 }
                            if refused.withLockedValue({ $0 }) == 4 { ender.yield() }
                        }
                    }
                }
            }
            #expect(refused.withLockedValue { $0 } == 4)
            try await group.waitForAll()
        }
        // Other sessions are not concerned, and this one is free.
        try await uploads.waitForEnd(of: "t", within: .zero)
        try await uploads.waitForEnd(of: "s", within: .zero)
    }

    @Test func aSlowUpstreamSlowsTheClientAndNothingIsLost() async throws {
        try await Self.run(isOpen: false) { setting in
            let total = 20 << 20
            var random = SeededRandom(seed: 3)
            let pattern = (0..<251 * 4).map { _ in UInt8.random(in: 0...255, using: &random) }
            let sound = [UInt8](unsafeUninitializedCapacity: total) { buffer, count in
                for index in 0..<total { buffer[index] = pattern[index % pattern.count] }
                count = total
            }
            let client = try await setting.client("audio/pcm", length: total)
            client.waitsForRoom(seconds: 1)
            let taken = await client.send(sound)
            client.waitsForRoom(seconds: 20)
            // 1 MiB of frames, 256 KiB of body, and what the two sockets hold.
            #expect(taken < 14 << 20)
            #expect(setting.server.pendingSent.isEmpty)
            setting.upstream.open()
            async let sent = Self.send(sound, from: taken, over: client)
            var place = 0
            while place < total {
                let piece = try await setting.appended()
                // Compared in place, since half a million comparisons by #expect take their time.
                guard piece.count <= 4_800, piece.elementsEqual(sound[place..<place + piece.count]) else {
                    Issue.record("the sound differs in the piece at \(place)")
                    break
                }
                place += piece.count
            }
            #expect(await sent == total)
            #expect(await client.answer().contains(#""bytes":20971520"#))
        }
    }

    private static func send(_ sound: [UInt8], from start: Int, over client: Client) async -> Int {
        var sent = start
        while sent < sound.count {
            let count = await client.send(Array(sound[sent...]))
            guard count > 0 else { break }
            sent += count
        }
        return sent
    }

    @Test func aClientThatVanishesLeavesWhatCameAndIsTold() async throws {
        try await Self.run { setting in
            let client = try await setting.client("audio/pcm", length: 100_000)
            _ = await client.send(Self.piece + [1, 2, 3])
            #expect(try await setting.appended() == Self.piece)
            client.vanish()
            let failure = try await setting.failure()
            #expect(failure["appended_bytes"]?.int == 4_800)
            #expect(failure["message"]?.string?.contains("went away") == true)
            let next = try await setting.bridge.upload(Self.piece, to: setting.path, headers: ["content-type": "audio/pcm"])
            #expect(next.status == 202)
        }
    }

    @Test func aBodyThatGoesWrongIsAnsweredIfItEndsSoon() async throws {
        try await Self.run { setting in
            let client = try await setting.client("audio/wav")
            await client.chunk(Array("This is no WAV file at all.".utf8))
            await client.chunk([UInt8](repeating: 0, count: 100_000))
            await client.chunk([])
            let answer = await client.answer()
            #expect(answer.hasPrefix("HTTP/1.1 400 "))
            #expect(answer.contains(#""code":"invalid_audio""#) && answer.contains(#""appended_bytes":0"#))
        }
    }

    @Test func aBodyThatGoesWrongAndDoesNotEndIsAnsweredAmidstAndStandsOnTheStream() async throws {
        try await Self.run { setting in
            let client = try await setting.client("audio/wav")
            await client.chunk(Array("This is no WAV file at all.".utf8))
            let failure = try await setting.failure()
            #expect(failure["appended_bytes"]?.int == 0)
            #expect(failure["message"]?.string?.contains("not a WAV file") == true)
            // 1 MiB is dropped, or what comes in 2 s; then the answer comes, and what comes of the body is dropped for 2 s more.
            for _ in 0..<8 { await client.chunk([UInt8](repeating: 0, count: 1 << 20)) }
            let answer = await client.answer()
            #expect(answer.hasPrefix("HTTP/1.1 400 ") && answer.contains(#""appended_bytes":0"#), "\(answer)")
        }
    }

    @Test func aChangeOfTheSessionsFormatEndsAnUpload() async throws {
        try await Self.run { setting in
            let client = try await setting.client("audio/pcm")
            await client.chunk(Self.piece)
            #expect(try await setting.appended() == Self.piece)
            setting.server.push(#"{"type":"session.updated","session":{"id":"sess_1","input_audio_format":"g711_ulaw"}}"#)
            let seen = try await setting.bridge.send(
                "GET", "/v1/sessions/\(setting.session)/events?types=session.updated&wait=20", headers: ["accept": "application/json"])
            #expect(seen.json?["data"]?.elements.count == 1)
            await client.chunk(Self.piece)
            await client.chunk([])
            let answer = await client.answer()
            #expect(answer.hasPrefix("HTTP/1.1 409 ") && answer.contains("input_format_changed"), "\(answer)")
            #expect(answer.contains(#""appended_bytes":4800"#))
        }
    }
}
