import Foundation
import Realtime

/// Requests to a bridge without the cost of a program for each: what a long run needs where ``Curl`` is too slow.
struct HTTPClient: Sendable {
    struct Answer: Sendable {
        let status: Int
        /// By names in lower case.
        let headers: [String: String]
        let body: [UInt8]

        var text: String { String(decoding: body, as: UTF8.self) }
        func json() throws -> JSON { try JSON.parse(body) }
        /// `error.code` of a refusal.
        var code: String { (try? json())?["error"]?["code"]?.string ?? String(status) }
    }

    let port: UInt16

    init(port: UInt16) { self.port = port }

    /// - Parameter address: `http://127.0.0.1:PORT`.
    init(address: String) {
        guard let port = address.split(separator: ":").last.flatMap({ UInt16($0) }) else { preconditionFailure("\(address) has no port") }
        self.port = port
    }

    /// One request on a connection and a thread of its own.
    /// - Parameter seconds: bounds each wait for bytes.
    func callAsFunction(_ method: String, _ path: String, json: String? = nil, seconds: Int = 180) async throws -> Answer {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(with: Result { try blocking(method, path, json, seconds: seconds) })
            }
        }
    }

    /// The same on the caller's thread, which has to be one that may block.
    func blocking(_ method: String, _ path: String, _ json: String? = nil, seconds: Int = 180) throws -> Answer {
        let socket = try Socket(port: port)
        var head = "\(method) \(path) HTTP/1.1\r\nhost: 127.0.0.1:\(port)\r\nconnection: close\r\n"
        if let json { head += "content-type: application/json\r\ncontent-length: \(json.utf8.count)\r\n" }
        if json == nil, method != "GET" { head += "content-length: 0\r\n" }
        try socket.write(Array((head + "\r\n" + (json ?? "")).utf8))
        var reader = AnswerReader(socket, seconds: seconds)
        let answered = try reader.head()
        var body: [UInt8] = []
        while let piece = try reader.piece() { body += piece }
        return Answer(status: answered.status, headers: answered.headers, body: body)
    }
}
