import Realtime
import TestSupport

/// One page of a ``Browser``: scripts run in it as its own, keys reach it as a user's do.
struct BrowserPage: Sendable {
    let browser: Browser
    let session: String

    /// Goes to an address and returns when all of it is loaded.
    func open(_ address: String) async throws {
        let outcome = try await browser.command("Page.navigate", ["url": .string(address)], session: session)
        if let error = outcome["errorText"]?.string { throw BrowserError(description: "\(address): \(error)") }
        try await wait(until: "document.readyState === 'complete'")
    }

    /// The value of a script; of a promise, what it is kept with.
    /// - Throws: ``BrowserError`` with the script's exception.
    @discardableResult
    func evaluate(_ script: String, within limit: Duration = .seconds(30)) async throws -> JSON {
        let outcome = try await browser.command(
            "Runtime.evaluate", ["expression": .string(script), "awaitPromise": true, "returnByValue": true], session: session,
            within: limit)
        if let exception = outcome["exceptionDetails"] {
            let text = exception["exception"]?["description"]?.string ?? exception["text"]?.string ?? "an exception"
            throw BrowserError(description: "\(text) in: \(script)")
        }
        return try outcome["result"]?["value"] ?? JSON.parse("null")
    }

    func text(_ script: String) async throws -> String {
        guard let text = try await evaluate(script).string else { throw BrowserError(description: "no text: \(script)") }
        return text
    }

    /// Waits until a condition holds in the page.
    /// - Throws: ``WaitedTooLong`` with the page's words.
    func wait(until condition: String, within limit: Duration = .seconds(30)) async throws {
        let holds = try await evaluate(
            """
            new Promise((done, failed) => {
              const end = performance.now() + \(limit.components.seconds) * 1000;
              const look = () => {
                try {
                  if (\(condition)) done(true);
                  else if (performance.now() > end) done(false);
                  else setTimeout(look, 20);
                } catch (error) { failed(error); }
              };
              look();
            })
            """, within: limit + .seconds(10))
        guard holds.bool == true else {
            throw WaitedTooLong(what: "\(condition) in the page:\n\(try await text("document.body.innerText"))")
        }
    }

    /// Writes into an element as somebody at the keyboard does.
    func type(_ text: String, into selector: String) async throws {
        try await evaluate("document.querySelector('\(selector)').focus()")
        try await browser.command("Input.insertText", ["text": .string(text)], session: session)
    }

    /// Presses Enter in the element that has the focus.
    func pressEnter() async throws {
        for kind in ["rawKeyDown", "keyUp"] {
            try await browser.command(
                "Input.dispatchKeyEvent", ["type": .string(kind), "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13],
                session: session)
        }
    }

    func click(_ selector: String) async throws {
        try await evaluate("document.querySelector('\(selector)').click()")
    }
}
