import Glibc

/// One request whose answer is read to its end, and the opening of an event stream.
enum HTTPCall {
    struct Answer {
        let status: Int
        let body: String
    }

    static func perform(_ method: String, _ path: String, body: String, port: UInt16) throws -> Answer {
        let descriptor = try Sockets.connect(port: port)
        defer { close(descriptor) }
        Sockets.limitWaits(descriptor, seconds: 20)
        try Sockets.writeAll(
            "\(method) \(path) HTTP/1.1\r\nhost: 127.0.0.1:\(port)\r\nconnection: close\r\ncontent-type: application/json\r\n"
                + "content-length: \(body.utf8.count)\r\n\r\n\(body)", to: descriptor)
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count >= 0 else { throw SystemError("recv") }
            if count == 0 { break }
            answer += buffer[..<count]
        }
        let text = String(decoding: answer, as: UTF8.self)
        guard text.hasPrefix("HTTP/1.1 "), let status = Int(text.dropFirst(9).prefix(3)) else {
            throw BenchmarkError("not an HTTP answer: \(text.prefix(200))")
        }
        return Answer(status: status, body: text.firstRange(of: "\r\n\r\n").map { String(text[$0.upperBound...]) } ?? "")
    }

    /// Asks for a session's events and reads the head of the answer; the rest is the caller's to read.
    /// - Returns: the socket, which the caller closes.
    static func openEvents(of session: String, query: String = "", port: UInt16) throws -> Int32 {
        let descriptor = try Sockets.connect(port: port)
        do {
            Sockets.limitWaits(descriptor, seconds: 20)
            try Sockets.writeAll(
                "GET /v1/sessions/\(session)/events\(query) HTTP/1.1\r\nhost: 127.0.0.1:\(port)\r\naccept: text/event-stream\r\n\r\n",
                to: descriptor)
            var head: [UInt8] = []
            var byte = UInt8(0)
            while !head.suffix(4).elementsEqual("\r\n\r\n".utf8) {
                guard recv(descriptor, &byte, 1, 0) == 1 else { throw SystemError("recv") }
                head.append(byte)
            }
            guard head.starts(with: "HTTP/1.1 200".utf8) else {
                throw BenchmarkError("no event stream: \(String(decoding: head, as: UTF8.self))")
            }
        } catch {
            close(descriptor)
            throw error
        }
        return descriptor
    }
}
