import Foundation
import Realtime
import Testing

/// Every scenario of `examples.jsonl`, played to the real program by a server of either dialect, as its readers are shown it.
///
/// What upstream's own view has to show is what the server sent. What the other one has to show stands in `Fixtures/golden`, a file for each
/// scenario and pair of dialects, as the bridge writes it. `REALTIME_GOLDEN_WRITE=1 swift test --filter GoldenTests` writes the files anew;
/// what then differs has to be explained by `Events.md`.
struct GoldenTests {
    @Test(arguments: Trace.all)
    func aTraceIsShownInBothDialects(trace: Trace) async throws {
        try await PlayedTrace.run(trace) { played in
            for dialect in Dialect.allCases {
                let stream = try #require(try await played.stream(dialect))
                let frames = EventFrame.list(stream)
                if dialect == trace.dialect {
                    Self.expectWhatWasSent(frames, played)
                } else {
                    let golden = try GoldenFile(trace, shownIn: dialect).text(orWriting: String(decoding: stream, as: UTF8.self))
                    expectSame(frames, EventFrame.list(Array(golden.utf8)))
                    #expect(Array(golden.utf8) == stream)
                }
                expectSame(try #require(played.live[dialect]), frames)
                expectSame(try await played.lines(dialect), frames.map(PlayedTrace.Entry.init))
                let pages = try await played.pages(dialect, limit: 3)
                #expect(pages.dropLast().allSatisfy { $0.count == 3 })
                expectSame(pages.flatMap { $0 }, frames.map(PlayedTrace.Entry.init))
            }
        }
    }

    /// As if the bridge were not there, and two events of its own.
    private static func expectWhatWasSent(_ frames: [EventFrame], _ played: PlayedTrace) {
        expectSame(
            frames.filter { !$0.type.hasPrefix("bridge.") }.map(\.data), played.record.shown.map { String(decoding: $0, as: UTF8.self) })
        #expect(frames.map(\.id) == frames.indices.map { "1.\($0 + 1)" })
        for frame in frames { #expect((try? JSON.parse(frame.data))?["type"]?.string == frame.type) }
        #expect(frames.dropFirst().first?.type == "bridge.upstream.connected")
        #expect(frames.last?.type == BridgeEvent.closedType)
        #expect(frames.filter { $0.type.hasPrefix("bridge.") }.count == 2)
    }

    @Test func everyTraceHasItsFileAndThereIsNoOther() throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: GoldenFile.folder.path).sorted()
        #expect(files == Trace.all.map { GoldenFile($0, shownIn: $0.dialect.other).name }.sorted())
    }
}

/// One by one, so that a failure names the first that differs and not everything there is.
func expectSame<Element: Equatable>(
    _ seen: [Element], _ wanted: [Element], _ what: @autoclosure () -> String = "", sourceLocation: SourceLocation = #_sourceLocation
) {
    let place = zip(seen, wanted).enumerated().first { $0.element.0 != $0.element.1 }
    if let (index, (seen, wanted)) = place.map({ ($0.offset, $0.element) }) {
        Issue.record("\(what()) number \(index) is\n\(seen)\nand not\n\(wanted)", sourceLocation: sourceLocation)
    }
    #expect(seen.count == wanted.count, "\(what())", sourceLocation: sourceLocation)
}

/// A stream as it was once found to be right.
struct GoldenFile {
    let name: String

    static let folder = Trace.fixtures.appending(path: "golden")

    init(_ trace: Trace, shownIn dialect: Dialect) {
        name = "\(trace.scenario).\(trace.dialect.rawValue)-as-\(dialect.rawValue).sse"
    }

    func text() throws -> String {
        try String(contentsOf: Self.folder.appending(path: name), encoding: .utf8)
    }

    func text(orWriting stream: String) throws -> String {
        if ProcessInfo.processInfo.environment["REALTIME_GOLDEN_WRITE"] == "1" {
            try FileManager.default.createDirectory(at: Self.folder, withIntermediateDirectories: true)
            try stream.write(to: Self.folder.appending(path: name), atomically: true, encoding: .utf8)
        }
        return try text()
    }
}

extension Dialect {
    var other: Dialect { self == .beta ? .ga : .beta }
}
