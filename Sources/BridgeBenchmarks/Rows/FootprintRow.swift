import Foundation

/// What the program takes before anybody uses it.
struct FootprintRow {
    let options: RowOptions
    private static let runs = 5

    func run() throws {
        var ready: [Int] = []
        var resident = 0
        var anonymous = 0
        for _ in 0..<Self.runs {
            let scratch = try Scratch(options)
            let bridge = try BridgeUnderTest(options, data: scratch.folder.appending(path: "data"))
            ready.append(bridge.nanosecondsToReady)
            Clock.sleep(seconds: 1)
            let usage = try bridge.usage()
            resident = max(resident, usage.resident)
            anonymous = max(anonymous, usage.anonymous)
            bridge.stop()
        }
        let times = Sample(ready)
        Report.figure("start to ready, fresh store, median of \(Self.runs)", times.quantile(0.5).nanosecondsAsMilliseconds)
        Report.figure("memory 1 s after ready, most of \(Self.runs)", resident.megabytes, aim: "≤ 25 MB")
        Report.figure("of it anonymous, the rest being pages of the program and its libraries", anonymous.megabytes)
        Report.figure("program, stripped", try strippedBytes().megabytes, aim: "≤ 75 MB")
    }

    private func strippedBytes() throws -> Int {
        let scratch = try Scratch(options)
        let copy = scratch.folder.appending(path: "stripped")
        let strip = Process()
        strip.executableURL = URL(filePath: "/usr/bin/env")
        strip.arguments = ["strip", "-o", copy.path, try BridgeUnderTest.program(options).path]
        try strip.run()
        strip.waitUntilExit()
        guard strip.terminationStatus == 0, let size = try copy.resourceValues(forKeys: [.fileSizeKey]).fileSize else {
            throw BenchmarkError("strip failed")
        }
        return size
    }
}
