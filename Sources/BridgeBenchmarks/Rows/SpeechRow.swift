import Foundation
import Glibc

/// The way of a response's first sound: its delta handed to the upstream socket here, through the bridge and its durable commit, read by a
/// client that waits for `…/audio` here.
struct SpeechRow {
    let options: RowOptions
    /// 100 ms of 24 kHz PCM.
    private static let base64 = String(repeating: "A", count: 6_400)
    private static let headerBytes = 44

    func run() throws {
        let scratch = try Scratch(options)
        let upstream = try LoadUpstream()
        defer { try? upstream.stop() }
        let bridge = try BridgeUnderTest(options, data: scratch.folder.appending(path: "data"), upstreamPort: upstream.port)
        defer { bridge.stop() }
        let session = try bridge.createSession()
        let count = 20 * options.seconds
        var latencies: [Int] = []
        for number in 0..<count {
            latencies.append(try Self.once(number, "/v1/sessions/\(session)/responses/resp_\(number)", upstream, bridge.port))
        }
        let sample = Sample(latencies)
        Report.figure("responses", "\(sample.count), one after the other, durable store (synchronous=normal)")
        Report.figure("median", sample.quantile(0.5).nanosecondsAsMicroseconds)
        Report.figure("99 %", sample.quantile(0.99).nanosecondsAsMicroseconds)
        Report.figure("most", sample.quantile(1).nanosecondsAsMicroseconds)
        Report.line("  Headers leave with the first sound. Both loopback hops and this process's own writes and reads are included.")
    }

    private static func once(_ number: Int, _ path: String, _ upstream: LoadUpstream, _ port: UInt16) throws -> Int {
        let response = "resp_\(number)"
        upstream.send([#"{"type":"response.created","response":{"id":"\#(response)","status":"in_progress","output":[]}}"#])
        while try HTTPCall.perform("GET", path, body: "", port: port).status != 200 { Clock.sleep(seconds: 0.001) }
        let descriptor = try Sockets.connect(port: port)
        defer { close(descriptor) }
        Sockets.limitWaits(descriptor, seconds: 20)
        try Sockets.writeAll("GET \(path)/audio HTTP/1.1\r\nhost: 127.0.0.1:\(port)\r\nconnection: close\r\n\r\n", to: descriptor)
        // The request is to wait by the time there is something.
        Clock.sleep(seconds: 0.005)
        let sentAt = Clock.monotonic()
        upstream.send([
            #"{"type":"response.output_audio.delta","response_id":"\#(response)","item_id":"item_\#(number)","content_index":0,"delta":"\#(base64)"}"#
        ])
        var received: [UInt8] = []
        var heardAt = 0
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let bytes = recv(descriptor, &buffer, buffer.count, 0)
            let now = Clock.monotonic()
            guard bytes >= 0 else { throw SystemError("recv") }
            if bytes == 0 { break }
            received += buffer[..<bytes]
            guard heardAt == 0, let place = body(in: received), received.count > place + headerBytes else { continue }
            guard received.starts(with: "HTTP/1.1 200".utf8) else {
                throw BenchmarkError("no sound: \(String(decoding: received, as: UTF8.self))")
            }
            heardAt = now
            upstream.send([#"{"type":"response.done","response":{"id":"\#(response)","status":"completed","output":[]}}"#])
        }
        guard heardAt > 0 else { throw BenchmarkError("no sound: \(String(decoding: received.prefix(500), as: UTF8.self))") }
        return heardAt - sentAt
    }

    /// Where the first chunk's bytes begin.
    private static func body(in answer: [UInt8]) -> Int? {
        let text = Array("\r\n\r\n".utf8)
        guard let end = answer.indices.first(where: { answer[$0...].starts(with: text) }) else { return nil }
        return answer[(end + text.count)...].firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 }
    }
}
