import Foundation
import NIOConcurrencyHelpers
import Realtime
import TestSupport

/// Chromium without a window, steered by the DevTools protocol (https://chromedevtools.github.io/devtools-protocol/).
///
/// The protocol runs over a pipe: the browser reads commands from descriptor 3 and answers on descriptor 4, each message ended by a NUL.
final class Browser: Sendable {
    private struct State {
        var partial: [UInt8] = []
        var commands = 0
        var waiting: [Int: Mailbox<JSON>] = [:]
    }

    /// Where it was looked for and found; without it the tests that need it say so and are left out.
    static let program: String? = {
        let places = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/chromium" }
        if let found = places.first(where: FileManager.default.isExecutableFile) { return found }
        let notice = "Chromium is not installed: nothing was tested in a browser.\n"
        FileHandle.standardError.write(Data(notice.utf8))
        return nil
    }()

    private let process = Process()
    private let input = Pipe()
    private let folder: URL
    private let ended = Mailbox<Void>("the browser's end")
    private let state = NIOLockedValueBox(State())

    /// Starts a browser with a profile of its own, hands it to the body, and ends and removes all of it, whatever the body does.
    static func run<Result>(_ body: (Browser) async throws -> Result) async throws -> Result {
        guard let program else { throw BrowserError(description: "Chromium is not installed") }
        let browser = try Browser(program)
        do {
            let result = try await body(browser)
            await browser.end()
            return result
        } catch {
            await browser.end()
            throw error
        }
    }

    private init(_ program: String) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "realtime-bridge-browser-\(UUID().uuidString)")
        process.executableURL = URL(filePath: "/bin/bash")
        // `--no-sandbox`: in containers, and for root, Chromium does not start with it. Pages that nobody looks at are slowed down by default.
        process.arguments = [
            "-c", #"exec "$@" 3<&0 4>&1 0</dev/null 1>&2 2>/dev/null"#, "chromium", program, "--remote-debugging-pipe", "--headless=new",
            "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-timer-throttling",
            "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows", "--window-size=1280,900",
            "--user-data-dir=\(folder.path)",
        ]
        let output = Pipe()
        process.standardInput = input
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        process.terminationHandler = { [ended] _ in ended.put(()) }
        try process.run()
        Thread.detachNewThread { [weak self] in
            // Not `availableData`, which ends the whole test run if a read fails.
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            while true {
                let count = read(output.fileHandleForReading.fileDescriptor, &buffer, buffer.count)
                if count > 0 {
                    self?.feed(Array(buffer[..<count]))
                } else if count == 0 || errno != EINTR {
                    if count < 0 { self?.failed(errno) }
                    return
                }
            }
        }
    }

    /// Opens an empty page.
    func page() async throws -> BrowserPage {
        // The first command waits for the browser's start, which may take long on a busy machine.
        let target = try await command("Target.createTarget", ["url": "about:blank"], within: .seconds(120))
        guard let id = target["targetId"]?.string,
            let session = try await command("Target.attachToTarget", ["targetId": .string(id), "flatten": true])["sessionId"]?.string
        else { throw BrowserError(description: "the browser gave no page") }
        return BrowserPage(browser: self, session: session)
    }

    /// Sends one command and waits for its result.
    /// - Parameter session: the page it is for; nil for the browser itself.
    @discardableResult
    func command(
        _ method: String, _ parameters: JSONValue = [:], session: String? = nil, within limit: Duration = .seconds(30)
    ) async throws -> JSON {
        let answer = Mailbox<JSON>("the browser's answer to \(method)")
        let id = state.withLockedValue { state in
            state.commands += 1
            state.waiting[state.commands] = answer
            return state.commands
        }
        defer { state.withLockedValue { _ = $0.waiting.removeValue(forKey: id) } }
        var members: [(String, JSONValue)] = [("id", .int(id)), ("method", .string(method)), ("params", parameters)]
        if let session { members.append(("sessionId", .string(session))) }
        try input.fileHandleForWriting.write(contentsOf: Data(JSONValue.object(members).bytes + [0]))
        let message = try await answer.next(within: limit)
        guard let result = message["result"] else {
            throw BrowserError(description: "\(method): \(message["error"]?["message"]?.string ?? "no result")")
        }
        return result
    }

    private func failed(_ reason: Int32) {
        FileHandle.standardError.write(Data("The browser cannot be read: \(String(cString: strerror(reason)))\n".utf8))
    }

    private func feed(_ bytes: [UInt8]) {
        let complete = state.withLockedValue { state -> [[UInt8]] in
            state.partial += bytes
            var messages = state.partial.split(separator: 0, omittingEmptySubsequences: false).map(Array.init)
            state.partial = messages.removeLast()
            return messages
        }
        // What has no id is an event of the browser's; no test waits for one.
        for case let message? in complete.map({ try? JSON.parse($0) }) {
            guard let id = message["id"]?.int else { continue }
            state.withLockedValue { $0.waiting[id] }?.put(message)
        }
    }

    /// It is asked first, since its many processes then leave together; a browser that hangs is ended.
    private func end() async {
        _ = try? await command("Browser.close", within: .seconds(5))
        if (try? await ended.next(within: .seconds(5))) == nil, process.isRunning {
            kill(process.processIdentifier, SIGKILL)
            _ = try? await ended.next(within: .seconds(5))
        }
        try? FileManager.default.removeItem(at: folder)
    }
}

/// What went wrong in the browser, a script's exception included.
struct BrowserError: Error, CustomStringConvertible {
    let description: String
}
