import Foundation
import Realtime
import Testing

/// Several upstreams by one file, as an operator writes it, and the program's word of them.
struct UpstreamsTests {
    @Test func sessionsGoToTheUpstreamThatTheFileSays() async throws {
        try await BridgeProcess.run("simulate", ["--dialect", "ga"]) { simulator in
            let file = simulator.folder.appending(path: "settings.json")
            let upstreams = """
                {"first":{"url":"\(simulator.address)","model":"gpt-realtime-2","api_key_env":"FIRST_KEY"},
                 "second":{"url":"\(simulator.address)","models":["model-b"],"api_key_env":"SECOND_KEY"}}
                """
            try Data(#"{"default-upstream":"first","pool-min":1,"upstreams":\#(upstreams)}"#.utf8).write(to: file)
            let keys = ["FIRST_KEY": "sk-first-0123456789", "SECOND_KEY": "sk-second-0123456789"]
            try await BridgeProcess.run("serve", ["--config", file.path], environment: keys) { bridge in
                let curl = Curl(base: bridge.address)
                for (body, name) in [("{}", "first"), (#"{"model":"model-b"}"#, "second"), (#"{"upstream":"first"}"#, "first")] {
                    let created = try await curl("POST", "/v1/sessions", json: body)
                    #expect(try created.json()["upstream"]?["name"]?.string == name, "\(created.text)")
                }
                let answer = try await curl("GET", "/v1/upstreams")
                let list = try #require(try answer.json()["data"]?.elements)
                #expect(list.map { $0["name"]?.string } == ["first", "second"])
                #expect(list.map { $0["pool"]?["leased"]?.int } == [2, 1])
                #expect(list.allSatisfy { ($0["pool"]?["handshakes"]?.int ?? 0) > 0 && $0["pool"]?["handshake_ms"]?["p50"]?.int != nil })
                let metrics = try await curl("GET", "/metrics").text
                #expect(metrics.contains(#"realtime_bridge_upstream_connections{upstream="first",state="leased"} 2"#))
                #expect(try await bridge.stop() == 0)
                for text in [answer.text, metrics, bridge.errorText] { #expect(!text.contains("0123456789")) }
            }
        }
    }

    @Test func aFileThatCannotBeUsedEndsTheProgramWithWhatToChange() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "realtime-bridge-\(UUID().uuidString).json")
        try Data(#"{"upstreams":{"azure":{"preset":"azure","url":"wss://h","api_key":"sk-0123456789"}}}"#.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let child = try ChildProcess(BridgeProcess.binary(), ["serve", "--config", file.path, "--data-dir", ":memory:"])
        #expect(try await child.exit() == 78)
        #expect(child.errorText.contains("upstreams.azure.api_key") && child.errorText.contains("api_key_env"))
        #expect(!child.errorText.contains("0123456789"))
    }
}
