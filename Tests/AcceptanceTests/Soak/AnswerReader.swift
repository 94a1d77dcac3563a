import TestSupport

/// Reads one HTTP/1.1 answer off a socket, its body piece by piece (RFC 9112 sections 4 to 7).
struct AnswerReader {
    struct Head: Sendable {
        let status: Int
        /// By names in lower case.
        let headers: [String: String]
    }

    private enum Body {
        case chunked
        case rest(Int)
        case untilTheEnd
    }

    private let socket: Socket
    /// Bounds each read.
    private let seconds: Int
    private var buffer: [UInt8] = []
    private var body = Body.untilTheEnd

    init(_ socket: Socket, seconds: Int) {
        self.socket = socket
        self.seconds = seconds
    }

    mutating func head() throws -> Head {
        while true {
            let status = Int(try line().split(separator: " ").dropFirst().first ?? "") ?? 0
            var headers: [String: String] = [:]
            while case let field = try line(), !field.isEmpty {
                let parts = field.split(separator: ":", maxSplits: 1)
                headers[parts[0].lowercased()] = parts.count < 2 ? "" : parts[1].trimmingPrefix(while: \.isWhitespace).description
            }
            if status == 100 { continue }
            body =
                headers["transfer-encoding"]?.lowercased() == "chunked"
                ? .chunked : headers["content-length"].flatMap { Int($0) }.map { .rest($0) } ?? .untilTheEnd
            if status == 204 { body = .rest(0) }
            return Head(status: status, headers: headers)
        }
    }

    /// Some bytes of the body; nil at its end.
    mutating func piece() throws -> [UInt8]? {
        switch body {
        case .chunked:
            guard let count = Int(try line().prefix { $0 != ";" }, radix: 16) else { throw BrokenAnswer(what: "the size of a chunk") }
            while buffer.count < count + 2 { try fill() }
            defer { buffer.removeFirst(count + 2) }
            return count == 0 ? nil : Array(buffer[..<count])
        case .rest(let count):
            guard count > 0 else { return nil }
            if buffer.isEmpty { try fill() }
            let piece = Array(buffer.prefix(count))
            buffer.removeFirst(piece.count)
            body = .rest(count - piece.count)
            return piece
        case .untilTheEnd:
            defer { buffer = [] }
            if !buffer.isEmpty { return buffer }
            let piece = try socket.read(within: seconds)
            return piece.isEmpty ? nil : piece
        }
    }

    private mutating func line() throws -> String {
        while true {
            if let end = buffer.firstRange(of: [0x0D, 0x0A]) {
                defer { buffer.removeSubrange(..<end.upperBound) }
                return String(decoding: buffer[..<end.lowerBound], as: UTF8.self)
            }
            try fill()
        }
    }

    private mutating func fill() throws {
        let bytes = try socket.read(within: seconds)
        guard !bytes.isEmpty else { throw BrokenAnswer(what: "the end of an answer") }
        buffer += bytes
    }
}

/// An answer that is no HTTP, or not all of it.
struct BrokenAnswer: Error, CustomStringConvertible {
    let what: String

    var description: String { "the bridge's answer broke off before \(what)" }
}
