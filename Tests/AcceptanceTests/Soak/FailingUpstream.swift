import Foundation
import Realtime

/// A bridge in front of a simulator that fails on purpose and records what it sees.
///
/// With `REALTIME_BRIDGE_SOAK_KEEP` the record, the bridge's log and its store stay, and standard error says where.
enum FailingUpstream {
    /// - Parameters:
    ///   - faults: flags of `simulate` beside its dialect and record.
    ///   - settings: flags of `serve` beside what it needs.
    ///   - body: gets the bridge and the file of the record.
    static func run<Result>(
        _ dialect: String, faults: [String], settings: [String], _ body: (BridgeProcess, URL) async throws -> Result
    ) async throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "realtime-bridge-soak-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let keeps = ProcessInfo.processInfo.environment["REALTIME_BRIDGE_SOAK_KEEP"] != nil
        defer { if !keeps { try? FileManager.default.removeItem(at: folder) } }
        let record = folder.appending(path: "record.jsonl")
        return try await BridgeProcess.run("simulate", ["--dialect", dialect, "--record", record.path] + faults) { simulator in
            let flags = ["--upstream-url", simulator.address, "--upstream-dialect", dialect, "--model", "sim-1"]
            return try await BridgeProcess.run("serve", flags + settings, environment: ["OPENAI_API_KEY": "sk-soak"]) { bridge in
                defer {
                    if keeps {
                        try? bridge.errorText.write(to: folder.appending(path: "bridge.log"), atomically: true, encoding: .utf8)
                        try? FileManager.default.copyItem(at: bridge.folder.appending(path: "data"), to: folder.appending(path: "data"))
                        FileHandle.standardError.write(Data("kept in \(folder.path)\n".utf8))
                    }
                }
                return try await body(bridge, record)
            }
        }
    }

    /// A handshake in five may be refused, and so may the first.
    static func session(_ http: HTTPClient, _ configuration: String) async throws -> String {
        var answer = ""
        for _ in 0..<20 {
            let created = try await http("POST", "/v1/sessions", json: #"{"session":\#(configuration)}"#)
            answer = created.text
            if created.status == 201, let id = try created.json()["id"]?.string { return "/v1/sessions/\(id)" }
            guard [502, 503].contains(created.status) else { break }
        }
        throw NoSession(description: answer)
    }

    struct NoSession: Error, CustomStringConvertible {
        let description: String
    }
}
