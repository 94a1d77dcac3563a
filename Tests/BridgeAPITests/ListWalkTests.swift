import HTTPServer
import Realtime
import TestSupport
import Testing

@testable import BridgeAPI

/// Lists read page by page while they change: what was there at the start comes exactly once, in one order.
@Suite struct ListWalkTests {
    /// - Parameter between: after each page, with the ids on it.
    private static func walk(
        _ bridge: APIFixture, _ path: String, id: String = "id", between: (Int, [String]) async throws -> Void = { _, _ in }
    ) async throws -> [String] {
        var seen: [String] = []
        var cursor = ""
        var pages = 0
        while true {
            let answer = try await bridge.send("GET", path + cursor)
            try #require(answer.status == 200, "\(answer.text)")
            let page = (answer.json?["data"]?.elements ?? []).compactMap { $0[id]?.string }
            seen += page
            #expect(answer.json?["first_id"]?.string == page.first && answer.json?["last_id"]?.string == page.last)
            guard answer.json?["has_more"]?.bool == true, let last = page.last else { return seen }
            pages += 1
            try await between(pages, page)
            cursor = "&after=\(last)"
        }
    }

    private static func message(_ id: String, after previous: String?) -> String {
        let previous = previous.map { "\"\($0)\"" } ?? "null"
        return
            #"{"type":"conversation.item.created","previous_item_id":\#(previous),"item":{"id":"\#(id)","type":"message","role":"user","status":"completed","content":[]}}"#
    }

    private static func call(_ id: String, after previous: String) -> String {
        #"{"type":"conversation.item.created","previous_item_id":"\#(previous)","item":{"id":"item_\#(id)","type":"function_call","status":"completed","call_id":"\#(id)","name":"f","arguments":"{}"}}"#
    }

    /// Until the lists have the item that was pushed last, and with it all that was pushed before.
    private static func stored(_ bridge: APIFixture, _ session: String, _ item: String) async throws {
        while try await !walk(bridge, "/v1/sessions/\(session)/items?limit=100").contains(item) { await Task.yield() }
    }

    @Test(arguments: ["asc", "desc"])
    func itemsThatComeAndGoBetweenThePages(order: String) async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream) { (bridge: APIFixture) async throws in
            let id = try await bridge.newSession()
            let connection = try await upstream.nextConnection()
            let old = (10..<40).map { "item_\($0)" }
            for (index, item) in old.enumerated() { connection.push(Self.message(item, after: index == 0 ? nil : old[index - 1])) }
            try await Self.stored(bridge, id, old[29])
            let seen = try await Self.walk(bridge, "/v1/sessions/\(id)/items?limit=4&order=\(order)") { number, page in
                // The one the reader stopped at goes; others come first, last, and where it stands.
                connection.push(#"{"type":"conversation.item.deleted","item_id":"\#(page[3])"}"#)
                connection.push(Self.message("new_first_\(number)", after: nil))
                connection.push(Self.message("new_here_\(number)", after: page[3]))
                connection.push(Self.message("new_there_\(number)", after: page[0]))
                connection.push(Self.message("new_last_\(number)", after: old[29]))
                try await Self.stored(bridge, id, "new_last_\(number)")
            }
            let known = seen.filter { $0.hasPrefix("item_") }
            #expect(known == (order == "asc" ? old : old.reversed()))
            #expect(Set(seen).count == seen.count)
        }
    }

    @Test func callsThatAreAnsweredAndDeletedBetweenThePages() async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream) { (bridge: APIFixture) async throws in
            let id = try await bridge.newSession()
            let connection = try await upstream.nextConnection()
            connection.push(Self.message("begin", after: nil))
            let old = (10..<30).map { "call_\($0)" }
            for (index, call) in old.enumerated() {
                connection.push(Self.call(call, after: index == 0 ? "begin" : "item_\(old[index - 1])"))
            }
            try await Self.stored(bridge, id, "item_\(old[19])")
            let seen = try await Self.walk(bridge, "/v1/sessions/\(id)/function_calls?status=pending&limit=3", id: "call_id") {
                number, page in
                // The one it stopped at gets its output, and is filtered out from now on; the one before is deleted.
                connection.push(
                    #"{"type":"conversation.item.created","previous_item_id":"item_\#(page[2])","item":{"id":"out_\#(number)","type":"function_call_output","call_id":"\#(page[2])","output":"1"}}"#
                )
                connection.push(#"{"type":"conversation.item.deleted","item_id":"item_\#(page[1])"}"#)
                connection.push(Self.call("new_\(number)", after: "begin"))
                try await Self.stored(bridge, id, "item_new_\(number)")
            }
            #expect(seen.filter { $0.hasPrefix("call_") } == old)
            #expect(Set(seen).count == seen.count)
        }
    }

    @Test(arguments: ["asc", "desc"])
    func responsesThatComeBetweenThePages(order: String) async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream) { (bridge: APIFixture) async throws in
            let id = try await bridge.newSession()
            let connection = try await upstream.nextConnection()
            func respond(_ name: String) async throws {
                let before = try await bridge.send("GET", "/v1/sessions/\(id)").json?["last_event_id"]?.string
                connection.push(#"{"type":"response.created","response":{"id":"\#(name)","status":"in_progress","output":[]}}"#)
                connection.push(#"{"type":"response.done","response":{"id":"\#(name)","status":"completed","output":[]}}"#)
                _ = try await bridge.send(
                    "GET", "/v1/sessions/\(id)/events?after=\(before ?? "")&until=response.done", headers: ["accept": "text/event-stream"])
            }
            let old = (10..<25).map { "resp_\($0)" }
            for name in old { try await respond(name) }
            let seen = try await Self.walk(bridge, "/v1/sessions/\(id)/responses?limit=4&order=\(order)") { number, _ in
                try await respond("new_\(number)")
            }
            #expect(seen.filter { $0.hasPrefix("resp_") } == (order == "asc" ? old : old.reversed()))
            #expect(Set(seen).count == seen.count)
        }
    }

    @Test(arguments: ["asc", "desc"])
    func sessionsThatComeAndGoBetweenThePages(order: String) async throws {
        let upstream = ScriptedUpstream()
        try await APIFixture.run(connector: upstream) { (bridge: APIFixture) async throws in
            func made(_ room: String) async throws -> String {
                upstream.script(.session())
                return try await bridge.newSession(#"{"metadata":{"user":"42","room":"\#(room)"}}"#)
            }
            var old: [String] = []
            for number in 0..<14 {
                old.append(try await made("kitchen"))
                // Others are in between.
                if number.isMultiple(of: 3) { _ = try await made("garden") }
            }
            let path = "/v1/sessions?metadata.user=42&metadata.room=kitchen&status=active,suspended&limit=3&order=\(order)"
            var new: [String] = []
            let seen = try await Self.walk(bridge, path) { _, page in
                _ = try await bridge.send("DELETE", "/v1/sessions/\(page[2])")
                new.append(try await made("kitchen"))
            }
            #expect(seen.filter { !new.contains($0) } == (order == "asc" ? old : old.reversed()))
            #expect(Set(seen).count == seen.count)
        }
    }

    /// Events are only ever added at the end, so a walk that goes on sees them all.
    @Test func eventsThatComeWhileTheyAreRead() async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream) { (bridge: APIFixture) async throws in
            let id = try await bridge.newSession()
            let connection = try await upstream.nextConnection()
            let count = 500
            async let pushing: Void = {
                for number in 0..<count {
                    connection.push(#"{"type":"vendor.count","n":\#(number)}"#)
                    if number.isMultiple(of: 7) { await Task.yield() }
                }
            }()
            var numbers: [Int] = []
            var cursor = "1.0"
            while numbers.count < count {
                let page = try await bridge.send(
                    "GET", "/v1/sessions/\(id)/events?limit=9&wait=10&after=\(cursor)", headers: ["accept": "application/json"])
                numbers += (page.json?["data"]?.elements ?? []).compactMap { $0["event"]?["n"]?.int }
                cursor = try #require(page.json?["last_id"]?.string, "\(page.text)")
            }
            await pushing
            #expect(numbers == Array(0..<count))
        }
    }
}
