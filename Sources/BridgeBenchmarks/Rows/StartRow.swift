import EventLog
import Foundation

/// Starting with sessions in the store.
struct StartRow {
    let options: RowOptions

    func run() async throws {
        let cases: [(SessionRecord.Status, String)] = [
            (.closed, "closed"), (.suspended, "suspended, as a clean stop leaves them"), (.active, "active, as a crash leaves them"),
        ]
        for (status, name) in cases {
            let scratch = try Scratch(options)
            let data = scratch.folder.appending(path: "data")
            try await StoredHistory.sessions(options.storedSessions, status, in: data)
            let bridge = try BridgeUnderTest(options, data: data)
            let first = bridge.nanosecondsToReady
            let resident = try bridge.usage().resident
            bridge.stop()
            let again = try BridgeUnderTest(options, data: data)
            defer { again.stop() }
            Report.figure(
                "\(options.storedSessions) sessions \(name)",
                "\(first.nanosecondsAsMilliseconds) to ready, \(resident.megabytes); started again "
                    + again.nanosecondsToReady.nanosecondsAsMilliseconds, aim: "≤ 300 ms")
        }
    }
}
