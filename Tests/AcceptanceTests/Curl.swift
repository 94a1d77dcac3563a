import Foundation
import NIOConcurrencyHelpers
import Realtime
import TestSupport

/// curl itself, as the users of the bridge run it.
struct Curl {
    let base: String

    struct Answer: Sendable {
        let status: Int
        let headers: String
        let body: [UInt8]

        var text: String { String(decoding: body, as: UTF8.self) }
        func json() throws -> JSON { try JSON.parse(body) }
    }

    /// One request; waits for its end.
    /// - Parameter json: sent as the body, as `curl -d` does.
    func callAsFunction(
        _ method: String = "GET", _ path: String, json: String? = nil, headers: [String] = [], seconds: Int = 30
    ) async throws -> Answer {
        var arguments = ["-sS", "-i", "--max-time", String(seconds), "-X", method]
        if method == "HEAD" { arguments[4...] = ["-I"] }
        for header in headers { arguments += ["-H", header] }
        // By standard input, since a command line has its limit.
        if json != nil { arguments += ["--data-binary", "@-"] }
        let output = try await Shell.run("curl", arguments + [base + path], input: json.map { Array($0.utf8) })
        let answer = try Self.answer(output)
        await keep(answer, path, headers)
        return answer
    }

    /// Of answers that hold events, for the ``PayloadRecord``.
    private func keep(_ answer: Answer, _ path: String, _ headers: [String]) async {
        guard PayloadRecord.shared != nil, let session = ShownEvents.session(in: path), path.count > session.count else { return }
        let own = try? await self("GET", session, headers: headers).json()["dialect"]?.string.flatMap(Dialect.init)
        let shown = ShownEvents(target: path, betaHeader: Self.betaHeader(headers)) { _ in own }
        let type = answer.headers.lowercased().split(separator: "\r\n").first { $0.hasPrefix("content-type: ") }
        shown?.add(body: answer.body, contentType: String(type?.dropFirst("content-type: ".count) ?? ""))
    }

    static func betaHeader(_ headers: [String]) -> String? { headers.first { $0.lowercased().hasPrefix("openai-beta:") } }

    private static func answer(_ output: [UInt8]) throws -> Answer {
        var rest = output[...]
        while true {
            guard let end = rest.firstRange(of: Array("\r\n\r\n".utf8)) else { throw WaitedTooLong(what: "a complete answer") }
            let head = String(decoding: rest[..<end.lowerBound], as: UTF8.self)
            rest = rest[end.upperBound...]
            let status = Int(head.split(separator: " ").dropFirst().first ?? "") ?? 0
            if status == 100 { continue }
            return Answer(status: status, headers: head, body: Array(rest))
        }
    }
}

/// A program run to its end, off the cooperative pool's threads.
enum Shell {
    static func run(_ program: String, _ arguments: [String], input: [UInt8]? = nil) async throws -> [UInt8] {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [program] + arguments
        let output = Pipe()
        process.standardOutput = output
        if let input {
            let pipe = Pipe()
            process.standardInput = pipe
            try process.run()
            Thread.detachNewThread {
                try? pipe.fileHandleForWriting.write(contentsOf: input)
                try? pipe.fileHandleForWriting.close()
            }
        } else {
            process.standardInput = FileHandle.nullDevice
            try process.run()
        }
        return await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                // Its end is the end of its output; Foundation reaps it.
                let bytes = (try? output.fileHandleForReading.readToEnd()) ?? Data()
                continuation.resume(returning: Array(bytes))
            }
        }
    }
}

/// `curl -N` on an event stream: what an EventSource would be given, event by event.
final class CurlStream: Sendable {
    struct Event: Sendable {
        let id: String?
        let type: String
        let data: String

        func json() throws -> JSON { try JSON.parse(data) }
    }

    private let process: Process
    private let events = Mailbox<Event>("an event on the stream")
    private let ended = Mailbox<Void>("the end of the stream")
    private let reading = NIOLockedValueBox(Reading())

    private struct Reading {
        var partial: [UInt8] = []
        var all: [Event] = []
        var cursor: String?
    }

    init(_ url: String, lastEventID: String? = nil, headers: [String] = []) throws {
        process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        var arguments = ["curl", "-sS", "-N", "--max-time", "300"]
        if let lastEventID { arguments += ["-H", "Last-Event-ID: \(lastEventID)"] }
        for header in headers { arguments += ["-H", header] }
        process.arguments = arguments + [url]
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let handle = pipe.fileHandleForReading
        Thread.detachNewThread { [weak self] in
            let shown = ShownEvents(target: url, betaHeader: Curl.betaHeader(headers)) { Self.dialect(of: $0, headers) }
            // Not `read(upToCount:)`, which waits until it has as much as it was asked for.
            while case let data = handle.availableData, !data.isEmpty { self?.feed(Array(data), shown) }
            self?.ended.put(())
        }
    }

    deinit { cut() }

    /// The next event, waiting for it.
    func next(within limit: Duration = .seconds(30)) async throws -> Event { try await events.next(within: limit) }

    /// Reads up to and including the next event of that type.
    @discardableResult
    func until(_ type: String, within limit: Duration = .seconds(60)) async throws -> [Event] {
        var seen: [Event] = []
        let deadline = ContinuousClock.now + limit
        while ContinuousClock.now < deadline {
            seen.append(try await next(within: deadline - ContinuousClock.now))
            if seen.last?.type == type { return seen }
        }
        throw WaitedTooLong(what: type)
    }

    /// All events since the stream was opened.
    var all: [Event] { reading.withLockedValue { $0.all } }

    /// What an EventSource would resume with.
    var lastEventID: String? { reading.withLockedValue { $0.cursor } }

    /// Cuts the stream; afterwards ``all`` and ``lastEventID`` stand still.
    func stop() async throws {
        cut()
        try await ended.next()
    }

    /// Not SIGTERM: children inherit a test thread's signal mask, in which it may be blocked.
    private func cut() {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    }

    /// What a session says of itself, asked on a thread that may block.
    private static func dialect(of session: String, _ headers: [String]) -> Dialect? {
        let curl = Process()
        curl.executableURL = URL(filePath: "/usr/bin/env")
        curl.arguments = ["curl", "-sS", "--max-time", "10"] + headers.flatMap { ["-H", $0] } + [session]
        let output = Pipe()
        curl.standardOutput = output
        guard (try? curl.run()) != nil, let answer = try? output.fileHandleForReading.readToEnd() else { return nil }
        return (try? JSON.parse(Array(answer)))?["dialect"]?.string.flatMap(Dialect.init)
    }

    private func feed(_ bytes: [UInt8], _ shown: ShownEvents?) {
        let complete = reading.withLockedValue { reading -> [Event] in
            reading.partial += bytes
            var found: [Event] = []
            while let end = reading.partial.firstRange(of: [0x0A, 0x0A]) {
                let block = String(decoding: reading.partial[..<end.lowerBound], as: UTF8.self)
                reading.partial.removeSubrange(..<end.upperBound)
                if let event = Self.event(block, cursor: &reading.cursor) { found.append(event) }
            }
            reading.all += found
            return found
        }
        for event in complete {
            shown?.add(event.data.utf8)
            events.put(event)
        }
    }

    /// WHATWG HTML section 9.2.6, as far as the bridge uses it.
    private static func event(_ block: String, cursor: inout String?) -> Event? {
        var data: [Substring] = []
        var type = "message"
        var id: String?
        for line in block.split(separator: "\n", omittingEmptySubsequences: false) where !line.hasPrefix(":") {
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count < 2 ? "" : parts[1].hasPrefix(" ") ? parts[1].dropFirst() : parts[1]
            switch parts[0] {
            case "data": data.append(value)
            case "event": type = String(value)
            case "id": id = String(value)
            default: break
            }
        }
        if let id { cursor = id }
        return data.isEmpty ? nil : Event(id: id, type: type, data: data.joined(separator: "\n"))
    }
}
