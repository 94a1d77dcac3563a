import Realtime
import TestSupport
import Testing

/// Streams that are cut at any byte around two frames of one upstream event, and go on in either dialect.
///
/// All that the bridge hears of a cut is the id that the client comes back with, so each id is asked for once.
struct GoldenCutTests {
    /// An event of upstream's that is two frames in the other dialect.
    struct Pair: Sendable, CustomTestStringConvertible {
        let upstream: Dialect
        /// Upstream's name of it.
        let event: String
        let frames: [String]

        var testDescription: String { "\(event) of a \(upstream.rawValue) upstream" }
    }

    static let pairs = [
        Pair(upstream: .ga, event: "session.created", frames: ["session.created", "conversation.created"]),
        Pair(upstream: .beta, event: "conversation.item.created", frames: ["conversation.item.added", "conversation.item.done"]),
        Pair(upstream: .beta, event: "response.output_item.done", frames: ["conversation.item.done", "response.output_item.done"]),
    ]

    @Test(arguments: pairs)
    func whatFollowsACutIsAllThatWasNotReadInEitherDialect(pair: Pair) async throws {
        try await PlayedTrace.run(Trace.named("text_turn", pair.upstream)) { played in
            let view = pair.upstream.other
            let whole = try #require(try await played.stream(view))
            let native = try #require(try await played.stream(pair.upstream))
            let blocks = Block.list(whole)
            let nativeBlocks = Block.list(native)
            let event = try #require(nativeBlocks.first { $0.type == pair.event })
            let first = try #require(blocks.firstIndex { $0.seq == event.seq && $0.type != "" })
            #expect(blocks[first...(first + 1)].map(\.type) == pair.frames)
            #expect(blocks[first...(first + 1)].map(\.id) == ["1.\(event.seq)-1", "1.\(event.seq)"])
            // From the beginning of the block before to the end of the block after.
            let region = blocks[first - 1].range.lowerBound...blocks[first + 2].range.upperBound
            var reader = EventStreamParser()
            var cursor = reader.add(Array(whole[..<region.lowerBound])).last?.id
            var rests: [String?: (own: [UInt8]?, other: [UInt8]?)] = [:]
            for cut in region {
                if cut > region.lowerBound { cursor = reader.add([whole[cut - 1]]).last?.id ?? cursor }
                if rests[cursor] == nil {
                    rests[cursor] = (
                        own: try await played.stream(view, after: cursor), other: try await played.stream(pair.upstream, after: cursor)
                    )
                }
                let rest = try #require(rests[cursor])
                let beginning = cursor.map(Block.priming) ?? []
                // In the same dialect: together the whole stream, byte for byte.
                let unread = try #require(blocks.first { $0.range.upperBound > cut }).range.lowerBound
                try #require(rest.own == beginning + whole[unread...], "cut at byte \(cut), after \(cursor ?? "nothing")")
                // In the other one: all of an event of which a frame was not read, and everything later.
                let isHalfRead = cursor?.hasSuffix("-1") ?? false
                let seq = cursor.map(Block.seq) ?? 0
                let later = nativeBlocks.first { $0.type != "" && (isHalfRead ? $0.seq >= seq : $0.seq > seq) }
                let others = cursor == nil ? 0 : try #require(later).range.lowerBound
                try #require(rest.other == beginning + native[others...], "cut at byte \(cut), after \(cursor ?? "nothing")")
            }
            #expect(rests.count == 5)
        }
    }

    /// What stands between two empty lines of a stream.
    private struct Block {
        let range: Range<Int>
        let id: String
        /// Empty for the first one, which only sets the cursor.
        let type: String

        var seq: Int { Self.seq(id) }

        static func seq(_ id: String) -> Int { Int(id.split(separator: "-")[0].split(separator: ".").last ?? "") ?? 0 }

        static func priming(_ cursor: String) -> [UInt8] { Array("retry: 1000\nid: \(cursor)\n\n".utf8) }

        static func list(_ stream: [UInt8]) -> [Block] {
            var blocks: [Block] = []
            var start = 0
            while let end = stream[start...].firstRange(of: [0x0A, 0x0A])?.upperBound {
                var parser = EventStreamParser()
                for frame in parser.add(Array(stream[start..<end])) {
                    blocks.append(Block(range: start..<end, id: frame.id ?? "", type: frame.data == nil ? "" : frame.type))
                }
                start = end
            }
            return blocks
        }
    }
}
