import Foundation
import Glibc
import NIOCore

/// The way of one event: handed to the upstream socket here, through the bridge and its durable commit, read by a client here.
struct LatencyRow {
    let options: RowOptions
    private static let perSecond = 200
    private static let frameBytes = 200

    func run() throws {
        let scratch = try Scratch(options)
        let upstream = try LoadUpstream()
        defer { try? upstream.stop() }
        let bridge = try BridgeUnderTest(options, data: scratch.folder.appending(path: "data"), upstreamPort: upstream.port)
        defer { bridge.stop() }
        let session = try bridge.createSession()
        let descriptor = try HTTPCall.openEvents(of: session, port: bridge.port)
        defer { close(descriptor) }
        let count = Self.perSecond * options.seconds
        let before = try bridge.usage()
        upstream.start(
            Load(
                frameBytes: Self.frameBytes, perSecond: Double(Self.perSecond), tick: .milliseconds(5), events: count,
                seconds: Double(options.seconds + 1)))
        let sample = Sample(try Self.read(count, from: descriptor))
        let used = try bridge.usage().processor - before.processor
        Report.figure("events", "\(sample.count) of \(Self.frameBytes) bytes at \(Self.perSecond)/s, durable store (synchronous=normal)")
        Report.figure("median", sample.quantile(0.5).nanosecondsAsMicroseconds, aim: "≤ 150 µs")
        Report.figure("99 %", sample.quantile(0.99).nanosecondsAsMicroseconds, aim: "≤ 1 ms")
        Report.figure("most", sample.quantile(1).nanosecondsAsMicroseconds)
        Report.figure("processor of the bridge per event", (used / sample.count).nanosecondsAsMicroseconds)
        Report.line("  Both loopback hops, this process's write upstream and the client's wake and read are included.")
    }

    private static func read(_ count: Int, from descriptor: Int32) throws -> [Int] {
        let mark = Array(DeltaFrame.timeMark.utf8)
        var latencies: [Int] = []
        var pending: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        while latencies.count < count {
            let bytes = recv(descriptor, &buffer, buffer.count, 0)
            let now = Clock.monotonic()
            guard bytes > 0 else { throw bytes == 0 ? BenchmarkError("the stream ended") : SystemError("recv") }
            pending += buffer[..<bytes]
            var from = 0
            while let place = pending[from...].firstIndex(of: mark), place + mark.count + DeltaFrame.timeDigits <= pending.count {
                let digits = pending[place + mark.count..<place + mark.count + DeltaFrame.timeDigits]
                latencies.append(now - digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) })
                from = place + mark.count + DeltaFrame.timeDigits
            }
            // What may be the beginning of an event that is not here whole.
            pending.removeFirst(max(from, pending.count - mark.count - DeltaFrame.timeDigits))
        }
        return latencies
    }
}

extension ArraySlice<UInt8> {
    fileprivate func firstIndex(of pattern: [UInt8]) -> Int? {
        guard count >= pattern.count else { return nil }
        return (startIndex...endIndex - pattern.count).first { self[$0...].starts(with: pattern) }
    }
}
