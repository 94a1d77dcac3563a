/// What a request is called in its answer and in every log line.
package enum RequestID {
    /// The caller's own if it is 1 to 128 visible ASCII characters, else a new one.
    package static func of(_ head: RequestHead) -> String {
        if let id = head.headers["x-request-id"], (1...128).contains(id.utf8.count), id.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) {
            return id
        }
        let hex = String(UInt64.random(in: .min ... .max), radix: 16)
        return "req_" + String(repeating: "0", count: 16 - hex.count) + hex
    }
}
