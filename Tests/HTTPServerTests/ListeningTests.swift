import Glibc
import Logging
import Testing

@testable import HTTPServer

/// The contract of addresses: what is bound, what is refused, what is left behind.
struct ListeningTests {
    private static let get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

    private static func server(_ listen: [ListenAddress], handler: TestHandler = TestHandler()) -> HTTPServer {
        var configuration = HTTPServerConfiguration(listen: listen)
        configuration.connectionLimit = 100
        return HTTPServer(configuration: configuration, handler: handler, logger: Logger(label: "test"))
    }

    private static func withFolder(_ body: (String) async throws -> Void) async throws {
        var template = Array("\(P_tmpdir)/http-server-test-XXXXXX".utf8CString)
        let folder = String(cString: try #require(mkdtemp(&template)))
        defer { rmdir(folder) }
        try await body(folder)
    }

    private static func mode(of path: String) -> mode_t? {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & 0o777 : nil
    }

    @Test func aUnixSocketHasItsModeServesAndLeavesNoFile() async throws {
        try await Self.withFolder { folder in
            let path = "\(folder)/s"
            let handler = TestHandler { .text("\($0.head.remoteAddress ?? "-") \($0.head.listener)") }
            let server = Self.server([.unix(path: path)], handler: handler)
            #expect(try server.start() == [.unix(path: path)])
            #expect(Self.mode(of: path) == 0o600)
            try await offPool {
                let client = try RawClient(.unix(path: path))
                try client.send(Self.get)
                #expect(try client.readResponse().text == "- unix:\(path)")
            }
            await server.stop(within: .zero)
            #expect(Self.mode(of: path) == nil)
        }
    }

    @Test func aStaleSocketFileIsReplacedAndALiveOneIsNot() async throws {
        try await Self.withFolder { folder in
            let path = "\(folder)/s"
            var name = sockaddr_un()
            name.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: path.utf8) }
            let left = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            withUnsafePointer(to: name) { name in
                name.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    _ = bind(left, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            close(left)
            #expect(Self.mode(of: path) != nil)

            let first = Self.server([.unix(path: path)])
            _ = try first.start()
            let second = Self.server([.unix(path: path)])
            let error = #expect(throws: HTTPServerError.self) { try second.start() }
            #expect(error?.code == .addressInUse)
            try await offPool {
                let client = try RawClient(.unix(path: path))
                try client.send(Self.get)
                #expect(try client.readResponse().text == "ok")
            }
            await first.stop(within: .zero)
        }
    }

    @Test func aFileThatIsNoSocketIsNotTouched() async throws {
        try await Self.withFolder { folder in
            let path = "\(folder)/file"
            let file = open(path, O_CREAT | O_WRONLY, 0o600)
            close(file)
            let error = #expect(throws: HTTPServerError.self) { try Self.server([.unix(path: path)]).start() }
            #expect(error?.code == .badUnixPath)
            #expect(Self.mode(of: path) == 0o600)
            unlink(path)
        }
    }

    @Test func badPathsAreNamed() {
        let long = ListenAddress.unix(path: "\(P_tmpdir)/" + String(repeating: "x", count: 200))
        for address in [long, .unix(path: "\(P_tmpdir)/no-such-folder-at-all/s")] {
            let error = #expect(throws: HTTPServerError.self) { try Self.server([address]).start() }
            #expect(error?.code == .badUnixPath)
            #expect(error?.message.contains(address.description) == true)
        }
    }

    @Test func anAddressInUseIsNamedAndNothingIsLeftListening() async throws {
        let first = Self.server([.tcp(host: "localhost", port: 0)])
        let taken = try first.start()[0]
        #expect(taken.isLoopback)
        try await Self.withFolder { folder in
            let path = "\(folder)/s"
            let second = Self.server([.unix(path: path), taken])
            let error = #expect(throws: HTTPServerError.self) { try second.start() }
            #expect(error?.code == .addressInUse)
            #expect(error?.message.contains(taken.description) == true)
            #expect(Self.mode(of: path) == nil)
        }
        await first.stop(within: .zero)
        let third = Self.server([taken])
        #expect(try third.start() == [taken])
        await third.stop(within: .zero)
    }

    @Test func anUnknownHostIsUnavailable() {
        let error = #expect(throws: HTTPServerError.self) { try Self.server([.tcp(host: "203.0.113.1", port: 0)]).start() }
        #expect(error?.code == .addressUnavailable)
    }

    @Test func severalListenersServeOneHandler() async throws {
        let server = Self.server([.tcp(host: "127.0.0.1", port: 0), .tcp(host: "127.0.0.1", port: 0)])
        let addresses = try server.start()
        #expect(Set(addresses.map(\.description)).count == 2)
        try await offPool {
            for address in addresses {
                let client = try RawClient(address)
                try client.send(Self.get)
                #expect(try client.readResponse().text == "ok")
            }
        }
        await server.stop(within: .zero)
    }

    @Test func connectionsBeyondTheLimitAreClosedAndRoomComesBack() async throws {
        try await withServer(TestHandler(), configure: { $0.connectionLimit = 10 }) { address in
            var clients: [RawClient] = []
            for _ in 0..<10 {
                let client = try RawClient(address)
                try client.send(Self.get)
                #expect(try client.readResponse().status == 200)
                clients.append(client)
            }
            let refused = try RawClient(address)
            #expect(try refused.readToEnd() == "")
            clients.removeLast().close()
            // The server learns of the end in its own time.
            let deadline = Deadline(10)
            while true {
                let client = try RawClient(address)
                if (try? client.send(Self.get)) != nil, let response = try? client.readResponse() {
                    #expect(response.status == 200)
                    break
                }
                try #require(!deadline.isOver)
            }
        }
    }

    @Test func theKernelWatchesOverAcceptedSockets() {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        SocketOptions.setOnAccepted(descriptor)
        func option(_ level: Int32, _ name: Int32) -> Int32 {
            var value: Int32 = -1
            var length = socklen_t(MemoryLayout<Int32>.size)
            getsockopt(descriptor, level, name, &value, &length)
            return value
        }
        let tcp = Int32(IPPROTO_TCP)
        #expect(option(SOL_SOCKET, SO_KEEPALIVE) == 1)
        #expect(option(tcp, TCP_KEEPIDLE) == 30)
        #expect(option(tcp, TCP_KEEPINTVL) == 10)
        #expect(option(tcp, TCP_KEEPCNT) == 3)
        #expect(option(tcp, TCP_USER_TIMEOUT) == 120_000)
        #expect(option(tcp, TCP_NODELAY) == 1)
    }

    @Test func aLimitAboveTheOpenFilesIsRefused() {
        var configuration = HTTPServerConfiguration(listen: [.tcp(host: "127.0.0.1", port: 0)])
        configuration.connectionLimit = 2_000_000_000
        let server = HTTPServer(configuration: configuration, handler: TestHandler(), logger: Logger(label: "test"))
        let error = #expect(throws: HTTPServerError.self) { try server.start() }
        #expect(error?.code == .connectionLimitTooHigh)
    }
}
