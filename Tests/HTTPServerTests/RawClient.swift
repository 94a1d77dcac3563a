import Dispatch
import Glibc
import HTTPServer

/// Runs code that blocks, as raw sockets do, on a thread that may; the cooperative pool is needed by the handlers under test.
func offPool<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
    try await withCheckedThrowingContinuation { continuation in
        DispatchQueue(label: "raw-client").async { continuation.resume(with: Result { try body() }) }
    }
}

struct ClientProblem: Error, CustomStringConvertible {
    let description: String
}

/// An answer as a client reads it.
struct RawResponse: Equatable {
    var status: Int
    var headers: [String: String]
    var body: [UInt8]

    var text: String { String(decoding: body, as: UTF8.self) }
}

/// A client that writes and reads bytes as told. Every wait is bounded.
final class RawClient {
    private let descriptor: Int32
    private(set) var received: [UInt8] = []
    private(set) var isEnded = false
    private var isClosed = false

    init(_ address: ListenAddress, receiveBufferBytes: Int32? = nil) throws {
        switch address {
        case .tcp(_, let port):
            descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            if var bytes = receiveBufferBytes {
                setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, socklen_t(MemoryLayout<Int32>.size))
            }
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_port = port.bigEndian
            name.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            try connect(name)
        case .unix(let path):
            descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            var name = sockaddr_un()
            name.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: path.utf8) }
            try connect(name)
        }
    }

    deinit { close() }

    private func connect<Name>(_ name: Name) throws {
        let result = withUnsafePointer(to: name) { name in
            name.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<Name>.size)) }
        }
        guard result == 0 else {
            let reason = errno
            close()
            throw ClientProblem(description: "connect: \(String(cString: strerror(reason)))")
        }
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        _ = Glibc.close(descriptor)
    }

    /// Sends a reset instead of an orderly end.
    func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    func finishSending() {
        _ = shutdown(descriptor, Int32(SHUT_WR))
    }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func send(_ bytes: [UInt8], within seconds: Double = 20) throws {
        var rest = bytes[...]
        let deadline = Deadline(seconds)
        while !rest.isEmpty {
            try wait(for: POLLOUT, until: deadline, doing: "send")
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT)) }
            if count < 0, errno == EAGAIN { continue }
            guard count > 0 else { throw ClientProblem(description: "send: \(String(cString: strerror(errno)))") }
            rest = rest.dropFirst(count)
        }
    }

    /// Sends what the socket takes without waiting for the server to read; how much that was.
    func sendWhatFits(_ bytes: [UInt8]) -> Int {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
            }
            guard count > 0 else { break }
            sent += count
        }
        return sent
    }

    /// Reads once. False at the end of the stream.
    @discardableResult
    func receive(until deadline: Deadline) throws -> Bool {
        guard !isEnded else { return false }
        try wait(for: POLLIN, until: deadline, doing: "receive after \(String(decoding: received.suffix(200), as: UTF8.self))")
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count <= 0 {
            isEnded = true
            return false
        }
        received += buffer[..<count]
        return true
    }

    /// Everything until the server closes.
    func readToEnd(within seconds: Double = 20) throws -> String {
        let deadline = Deadline(seconds)
        while try receive(until: deadline) {}
        defer { received = [] }
        return String(decoding: received, as: UTF8.self)
    }

    /// Consumes up to and with the text.
    @discardableResult
    func read(through text: String, within seconds: Double = 20) throws -> String {
        let deadline = Deadline(seconds)
        let end = Array(text.utf8)
        while true {
            if let position = received.firstRange(of: end) {
                defer { received.removeSubrange(..<position.upperBound) }
                return String(decoding: received[..<position.upperBound], as: UTF8.self)
            }
            guard try receive(until: deadline) else {
                throw ClientProblem(description: "ended before \(text): \(String(decoding: received, as: UTF8.self))")
            }
        }
    }

    func readHead() throws -> RawResponse {
        let lines = try read(through: "\r\n\r\n").split(separator: "\r\n")
        let parts = (lines.first ?? "").split(separator: " ")
        guard parts.count >= 2, let status = Int(parts[1]) else { throw ClientProblem(description: "no status line: \(lines)") }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let name = line.prefix { $0 != ":" }
            headers[name.lowercased()] = String(line[name.endIndex...].dropFirst(2))
        }
        return RawResponse(status: status, headers: headers, body: [])
    }

    /// One whole response; what follows it stays for the next.
    func readResponse(toHEAD: Bool = false) throws -> RawResponse {
        var response = try readHead()
        if toHEAD || response.status < 200 || response.status == 204 || response.status == 304 { return response }
        if let length = response.headers["content-length"].flatMap({ Int($0) }) {
            response.body = try take(length)
        } else if response.headers["transfer-encoding"] == "chunked" {
            while let chunk = try readChunk() { response.body += chunk }
        } else {
            response.body = Array(try readToEnd().utf8)
        }
        return response
    }

    /// One chunk of chunked coding; nil for the last.
    func readChunk() throws -> [UInt8]? {
        let line = try read(through: "\r\n")
        guard let size = Int(line.dropLast(), radix: 16) else { throw ClientProblem(description: "no chunk size: \(line)") }
        let bytes = try take(size)
        _ = try take(2)
        return size == 0 ? nil : bytes
    }

    private func take(_ count: Int, within seconds: Double = 20) throws -> [UInt8] {
        let deadline = Deadline(seconds)
        while received.count < count {
            guard try receive(until: deadline) else {
                throw ClientProblem(description: "ended with \(count - received.count) bytes missing")
            }
        }
        defer { received.removeFirst(count) }
        return Array(received[..<count])
    }

    private func wait(for events: Int32, until deadline: Deadline, doing what: String) throws {
        var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        let result = poll(&entry, 1, deadline.millisecondsLeft)
        guard result > 0 else { throw ClientProblem(description: "timed out: \(what)") }
    }
}

struct Deadline {
    private let end: ContinuousClock.Instant

    init(_ seconds: Double) { end = ContinuousClock.now + .seconds(seconds) }

    var isOver: Bool { ContinuousClock.now >= end }

    var millisecondsLeft: Int32 {
        let left = end - ContinuousClock.now
        return Int32(clamping: max(0, left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000))
    }
}

extension String {
    /// `"abc"` as one chunk of chunked coding.
    var chunk: String { "\(String(utf8.count, radix: 16))\r\n\(self)\r\n" }
}

/// Something that happens once, waited for from a blocking thread or a task.
final class Latch: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)

    func open() { semaphore.signal() }

    /// Blocks the thread. Consumes one opening.
    func wait(_ what: String, within seconds: Double = 20) throws {
        guard semaphore.wait(timeout: .now() + seconds) == .success else { throw ClientProblem(description: "timed out: \(what)") }
    }

    /// The same from a task.
    func opened(_ what: String, within seconds: Double = 20) async throws {
        try await offPool { try self.wait(what, within: seconds) }
    }
}
