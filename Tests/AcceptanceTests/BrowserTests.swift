import Foundation
import Realtime
import TestSupport
import Testing

/// Real pages in a real browser, over kill -9 of the bridge. Left out, with a word on standard error, where Chromium is not installed.
@Suite(.serialized, .enabled(if: Browser.program != nil, "Chromium is not installed: nothing is tested in a browser"))
struct BrowserTests {
    private static let bridgeKey = "a-bridge-key-of-the-browser-tests-0123456789"

    /// Without a key the page reads by EventSource, with one by fetch.
    @Test(arguments: [("beta", nil), ("ga", bridgeKey)])
    func thePlaygroundKeepsItsPlaceOverAKillAndGoesOn(dialect: String, key: String?) async throws {
        let environment = key.map { ["REALTIME_BRIDGE_API_KEYS": $0] } ?? [:]
        try await BridgeProcess.run("demo", ["--upstream-dialect", dialect], environment: environment) { bridge in
            try await Browser.run { browser in
                let page = try await browser.page()
                try await page.open(bridge.address + "/")
                if let key {
                    try await page.click("#settings button[type=submit]")
                    try await page.wait(until: "document.querySelector('#problem').textContent.includes('Bridge key')")
                    try await give(key, to: page)
                }
                try await page.click("#settings button[type=submit]")
                try await page.wait(until: Self.state("=== 'Connected'") + " && !document.querySelector('#send').disabled")
                #expect(try await page.evaluate("document.querySelector('#problem').hidden").bool == true)

                try await say("Say good morning", on: page)
                try await page.wait(until: Self.lastAnswer("=== 'good morning'") + Self.isDone)

                // A long answer is shown while it comes.
                try await say("count to 400", on: page)
                try await page.wait(until: Self.lastAnswer("?.includes('40, ')") + " && !document.querySelector('#stop').disabled")
                try await bridge.kill()
                try await page.wait(until: Self.state(".startsWith('Connection lost, reconnecting after 1.')"))
                #expect(try await page.evaluate("document.querySelector('#talk [data-open=true]') !== null").bool == true)
                try await say("Are you still there?", on: page)
                try await page.wait(until: "document.querySelector('#problem').textContent === 'The bridge cannot be reached.'")
                try await bridge.start()
                try await page.wait(until: Self.state("=== 'Connected'"))
                #expect(try await page.evaluate("document.querySelector('#problem').hidden").bool == true)
                #expect(Int(try await page.text("document.querySelector('#reconnects').textContent")) ?? 0 >= 1)
                try await page.wait(until: "document.querySelector('#talk [data-role=bad]')?.textContent.startsWith('Response failed')")
                try await page.wait(until: "document.querySelector('#log > li:last-child').dataset.type === 'bridge.session.suspended'")
                // Nothing more is awaited for the lost answer.
                try await page.wait(until: "document.querySelector('#talk [data-open=true]') === null")

                // What is shown is what the record says: each event once, each word once.
                let session = try await page.text("document.querySelector('#session').textContent")
                let authorization = key.map { ["Authorization: Bearer \($0)"] } ?? []
                let record = try CurlStream("\(bridge.address)/v1/sessions/\(session)/events", headers: authorization)
                try await record.until("bridge.session.suspended")
                let deltas = try record.all.filter { $0.type.hasSuffix("text.delta") }.map { try $0.json() }
                let lost = deltas.last?["response_id"]?.string
                let words = deltas.filter { $0["response_id"]?.string == lost }.compactMap { $0["delta"]?.string }.joined()
                #expect(try await page.text(Self.lastAnswer("")) == words)
                #expect(try await shown(on: page, of: record.all) == record.all.count)

                // What could not be sent still stands there.
                #expect(try await page.text("document.querySelector('#text').value") == "Are you still there?")
                try await page.pressEnter()
                try await page.wait(until: Self.lastAnswer("?.includes('still there')") + Self.isDone)
                let known = try await shown(on: page, of: record.all)

                // A reload shows the same session again; a key is not kept, so it is asked for.
                try await page.open(bridge.address + "/")
                if let key {
                    try await page.wait(until: Self.state("=== 'Not allowed'"))
                    try await give(key, to: page)
                }
                try await page.wait(until: "document.querySelectorAll('#log > li').length > 0")
                try await page.wait(until: "Number(document.querySelector('#count').textContent) >= \(known)")
                #expect(try await page.text("document.querySelector('#session').textContent") == session)

                // What upstream calls an error is shown as upstream's; the connection is as before.
                let wrong = try await Curl(base: bridge.address)(
                    "POST", "/v1/sessions/\(session)/events", json: #"{"type":"conversation.item.delete","item_id":"item_nowhere"}"#,
                    headers: authorization)
                #expect(wrong.status == 404)
                try await page.wait(until: "document.querySelector('#talk > :last-child').textContent.startsWith('Upstream says: ')")
                #expect(try await page.text("document.querySelector('#state').textContent") == "Connected")
                #expect(try await page.text("document.querySelector('#reconnects').textContent") == "0")

                try await page.click("#close")
                try await page.wait(until: Self.state("=== 'Session closed'"))
                try await record.until("bridge.session.closed")
                #expect(try await shown(on: page, of: record.all) == record.all.count)
                try await record.stop()
            }
        }
    }

    /// The event stream may be ahead of the answer that says which response was asked for; here it always is.
    @Test func thePlaygroundPlaysAllOfTheSpeechItAskedFor() async throws {
        try await BridgeProcess.run("demo") { bridge in
            try await Browser.run { browser in
                let page = try await browser.page()
                try await page.open(bridge.address + "/")
                try await page.evaluate(
                    """
                    window.played = 0;
                    const start = AudioBufferSourceNode.prototype.start;
                    AudioBufferSourceNode.prototype.start = function (...when) {
                      window.played += this.buffer.length;
                      return start.apply(this, when);
                    };
                    const ask = window.fetch;
                    const isSpeaking = () => document.querySelector('#log [data-type="response.audio.delta"]') !== null;
                    window.fetch = async (...request) => {
                      const answer = await ask(...request);
                      while (request[0].endsWith("/responses") && !isSpeaking()) await new Promise(requestAnimationFrame);
                      return answer;
                    };
                    document.querySelector('#answers').value = 'default';
                    document.querySelector('#speech').checked = true;
                    """)
                try await page.click("#settings button[type=submit]")
                try await page.wait(until: Self.state("=== 'Connected'") + " && !document.querySelector('#send').disabled")
                try await say("Say good morning", on: page)
                try await page.wait(until: "document.querySelector('#log [data-type=\"response.done\"]') !== null")
                let session = try await page.text("document.querySelector('#session').textContent")
                let record = try CurlStream("\(bridge.address)/v1/sessions/\(session)/events")
                try await record.until("response.done")
                try await record.stop()
                let bytes = try record.all.filter { $0.type == "response.audio.delta" }.map { event in
                    try #require(Data(base64Encoded: try event.json()["delta"]?.string ?? "")).count
                }
                #expect(bytes.count > 3)
                #expect(try await page.evaluate("window.played").int == bytes.reduce(0, +) / 2)
            }
        }
    }

    private static func state(_ condition: String) -> String { "document.querySelector('#state').textContent \(condition)" }

    private static func lastAnswer(_ condition: String) -> String {
        "[...document.querySelectorAll('#talk [data-role=assistant]')].at(-1)?.textContent\(condition)"
    }

    private static let isDone = " && document.querySelector('#stop').disabled"

    private func say(_ text: String, on page: BrowserPage) async throws {
        try await page.type(text, into: "#text")
        try await page.pressEnter()
    }

    /// The page takes the key when its field is left.
    private func give(_ key: String, to page: BrowserPage) async throws {
        try await page.type(key, into: "#key")
        try await page.evaluate("document.activeElement.blur()")
    }

    /// How many of the record's frames the page's log has, one after the other from the first; a row of several deltas says its first id,
    /// its last and how many they are.
    private func shown(on page: BrowserPage, of record: [CurlStream.Event]) async throws -> Int {
        let rows = try await page.evaluate(
            "[...document.querySelectorAll('#log > li')].map((row) => "
                + "[row.querySelector('.id').textContent, row.querySelector('.times').textContent])")
        var count = 0
        for row in rows.elements {
            let ends = try #require(row[0]?.string).split(separator: " – ").map(String.init)
            let times = Int(row[1]?.string?.dropFirst() ?? "") ?? 1
            // What came after the record was read is none of it.
            guard count + times <= record.count else { break }
            #expect(ends.first == record[count].id && ends.last == record[count + times - 1].id)
            count += times
        }
        return count
    }

    /// A page that reads as the documentation tells it to, and keeps what it was given.
    private static func eventSourcePage(_ names: [String]) -> String {
        """
        <!doctype html>
        <meta charset="utf-8">
        <title>A page of another site</title>
        <script>
        "use strict";
        const log = [];
        let losses = 0, source = null;
        function follow(address) {
          source = new EventSource(address);
          const note = (event) => log.push([event.lastEventId, event.type, event.data]);
          for (const name of \(String(decoding: JSONValue.array(names.map(JSONValue.string)).bytes, as: UTF8.self))) {
            source.addEventListener(name, note);
          }
          // Upstream has an event of that name too, and that one has data.
          source.addEventListener("error", (event) => { if (event.data === undefined) losses += 1; else note(event); });
        }
        async function post(address, body) {
          const answer = await fetch(address, {
            method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
          return { status: answer.status, body: await answer.json() };
        }
        </script>
        """
    }

    /// All names but `error`, which a page has to listen for with care.
    private static func eventNames() throws -> [String] {
        let list = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Fixtures/seed-server-events.txt")
        let names = try String(contentsOf: list, encoding: .utf8).split(separator: "\n").map(String.init).filter { $0 != "error" }
        return names + [
            "bridge.gap", "bridge.session.closed", "bridge.session.suspended", "bridge.upstream.connected", "bridge.upstream.disconnected",
            "bridge.upstream.switched",
        ]
    }

    @Test func anEventSourceOfAnAllowedOriginKeepsItsPlaceOverAKill() async throws {
        try await StaticSite.run(Self.eventSourcePage(Self.eventNames())) { port in
            let origin = "http://127.0.0.1:\(port)"
            try await BridgeProcess.run("demo", ["--cors-origin", origin]) { bridge in
                try await Browser.run { browser in
                    let page = try await browser.page()
                    try await page.open(origin + "/")
                    let created = try await page.evaluate("post('\(bridge.address)/v1/sessions', {session: {turn_detection: null}})")
                    #expect(created["status"]?.int == 201)
                    let session = "\(bridge.address)/v1/sessions/\(try #require(created["body"]?["id"]?.string))"
                    try await page.evaluate("follow('\(session)/events')")
                    let long = #"{modalities: ["text"], background: true, input: "count to 400"}"#
                    #expect(try await page.evaluate("post('\(session)/responses', \(long))")["status"]?.int == 202)
                    try await page.wait(until: "log.length > 60")
                    try await bridge.kill()
                    try await page.wait(until: "losses > 0 && source.readyState === EventSource.CONNECTING")
                    try await bridge.start()
                    try await page.wait(until: "source.readyState === EventSource.OPEN && log.at(-1)[1] === 'bridge.session.suspended'")

                    // Upstream's own "error" is none of the connection's, which stays open.
                    let losses = try await page.evaluate("losses").int
                    let wrong = #"{type: "conversation.item.delete", item_id: "item_nowhere", event_id: "mine"}"#
                    #expect(try await page.evaluate("post('\(session)/events', \(wrong))")["status"]?.int == 404)
                    try await page.wait(until: "log.some((entry) => entry[1] === 'error')")
                    let answer = try await page.evaluate("post('\(session)/responses', {modalities: ['text'], input: 'Say good morning'})")
                    #expect(answer["body"]?["output_text"]?.string == "good morning")
                    try await page.wait(until: "log.filter((entry) => entry[1] === 'response.done').length === 2")
                    #expect(try await page.evaluate("losses").int == losses)
                    #expect(try await page.evaluate("source.readyState").int == 1)

                    let log = try await page.evaluate("log").elements
                    // Until the second one, which came after the bridge was back.
                    let record = try CurlStream("\(session)/events")
                    for _ in 0..<2 { try await record.until("response.done") }
                    try await record.stop()
                    let count = min(log.count, record.all.count)
                    #expect(count > 60 && log.prefix(count).map { $0[0]?.string } == record.all.prefix(count).map(\.id))
                    let errors = log.filter { $0[1]?.string == "error" }
                    #expect(errors.count == 1)
                    #expect(try JSON.parse(errors.first?[2]?.string ?? "null")["error"]?["event_id"]?.string == "mine")
                }
            }
        }
    }

    @Test func aPageOfAnOriginThatIsNotAllowedGetsNothing() async throws {
        try await StaticSite.run(Self.eventSourcePage(Self.eventNames())) { port in
            try await BridgeProcess.run("demo", ["--cors-origin", "http://127.0.0.1:\(port)"]) { bridge in
                let curl = Curl(base: bridge.address)
                let id = try #require(try await curl("POST", "/v1/sessions").json()["id"]?.string)
                try await Browser.run { browser in
                    let page = try await browser.page()
                    // Another name of the same server is another origin.
                    try await page.open("http://localhost:\(port)/")
                    try await page.evaluate("follow('\(bridge.address)/v1/sessions/\(id)/events')")
                    // A refusal ends an EventSource for good.
                    try await page.wait(until: "source.readyState === EventSource.CLOSED")
                    #expect(try await page.evaluate("log.length").int == 0)
                    #expect(try await page.evaluate("losses").int == 1)
                    for script in [
                        "fetch('\(bridge.address)/v1/sessions')", "post('\(bridge.address)/v1/sessions', {})",
                        "fetch('\(bridge.address)/v1/sessions/\(id)', {method: 'DELETE'})",
                    ] {
                        #expect(try await page.text("\(script).then(() => 'answered', () => 'refused')") == "refused")
                    }
                    // A request whose answer no page may read is sent all the same, and must do nothing.
                    let blind =
                        "fetch('\(bridge.address)/v1/sessions', {method: 'POST', mode: 'no-cors'}).then(() => 'sent', () => 'refused')"
                    #expect(try await page.text(blind) == "sent")
                    let sessions = try await curl("GET", "/v1/sessions").json()["data"]?.elements ?? []
                    #expect(sessions.compactMap { $0["id"]?.string } == [id])
                    #expect(sessions.first?["status"]?.string == "active")
                }
            }
        }
    }
}
