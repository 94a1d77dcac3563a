import EventLog
import HTTPServer
import Realtime
import Testing

@testable import BridgeAPI

/// Bodies over a real log, pulled as the server pulls them.
@Suite struct ProducedTellerTests {
    private let frames = SpokenFrames()

    @Test(arguments: [1, 2, 3, 7, 64, 20 * 1024], [Dialect.beta, .ga])
    func theBytesAreTheDeltasWhateverTheBuffer(bufferBytes: Int, dialect: Dialect) async throws {
        let session = try await TestSession()
        let frames = SpokenFrames(dialect: dialect)
        let other = SpokenFrames(dialect: dialect, response: "resp_2")
        let pieces = [1, 2, 3, 1_000, 4_801].map { sound($0, from: $0) }
        await session.append([frames.created()] + frames.began("item_1"))
        for piece in pieces {
            // Another response speaks at the same time, out of band.
            await session.append(frames.audio(piece), other.audio(sound(7)), frames.transcript("word "))
        }
        await session.append(frames.done())
        let puller = TestPuller(try session.produced(prefix: [9, 9], suffix: [8]), bufferBytes: bufferBytes)
        puller.drain()
        #expect(puller.isFinished)
        #expect(puller.bytes == [9, 9] + pieces.joined() + [8])
        puller.close()
        let words = TestPuller(try session.produced(.words), bufferBytes: bufferBytes)
        #expect(words.drain() == "word word word word word ")
    }

    @Test func whatIsProducedIsThereAtOnce() async throws {
        let session = try await TestSession()
        await session.append([frames.created()] + frames.began("item_1"))
        let puller = TestPuller(try session.produced(prefix: [1]))
        puller.drain()
        #expect(puller.bytes == [1] && !puller.isFinished)
        await session.append(frames.audio(sound(100)))
        puller.drain()
        #expect(puller.bytes == [1] + sound(100) && !puller.isFinished)
        await session.append(frames.audio(sound(50, from: 100)), frames.audioDone(), frames.itemDone())
        puller.drain()
        #expect(puller.bytes == [1] + sound(150) && !puller.isFinished)
        await session.append(frames.done("cancelled"))
        puller.drain()
        #expect(puller.isFinished)
        puller.close()
    }

    @Test func aSleepingBodyIsWoken() async throws {
        let session = try await TestSession()
        let puller = TestPuller(try session.produced())
        async let read = puller.read()
        for number in 0..<50 { await session.append(frames.audio(sound(10, from: number * 10))) }
        await session.append(frames.done())
        _ = try await read
        #expect(puller.bytes == sound(500))
    }

    /// A window of a few events: the reader falls behind it, reads pages of the store and comes back.
    @Test func aSlowReaderReadsFromTheStore() async throws {
        let session = try await TestSession(windowBytes: 2_000)
        let registry = StreamRegistry()
        let puller = TestPuller(try session.produced(registry: registry), bufferBytes: 100)
        for number in 0..<2_000 {
            await session.append([frames.audio(sound(30, from: number * 30))] + SpokenFrames.noise(1))
            if number % 500 == 0 { _ = puller.pull() }
        }
        await session.append(frames.done())
        _ = try await puller.read()
        #expect(puller.isFinished && puller.bytes == sound(60_000))
        #expect(registry.gauges.open == 1)
        puller.close()
        #expect(registry.gauges.open == 0)
    }

    @Test func partsThatAreMixedAreReadAgainFromTheStore() async throws {
        let session = try await TestSession(windowBytes: 1_000)
        var expected: [[UInt8]] = [[], []]
        for number in 0..<300 {
            let piece = sound(20, from: number * 20)
            expected[number % 2] += piece
            await session.append([frames.audio(piece, of: "item_\(number % 2)")] + SpokenFrames.noise(1))
        }
        await session.append(frames.done())
        let puller = TestPuller(try session.produced())
        _ = try await puller.read()
        #expect(puller.bytes == expected[0] + expected[1])
    }

    /// It goes back while events that follow are held.
    @Test func aPartThatBeganInsideOfAnotherIsReadAgain() async throws {
        let session = try await TestSession()
        await session.append(
            frames.audio(sound(3), of: "item_1"), frames.audio(sound(2), of: "item_2"), frames.audioDone(of: "item_1"),
            frames.audio(sound(4, from: 2), of: "item_2"), frames.done())
        let puller = TestPuller(try session.produced())
        puller.drain()
        #expect(puller.isFinished && puller.bytes == sound(3) + sound(6))
    }

    @Test func aFailureAfterTheFirstByteCutsTheConnection() async throws {
        for last in [frames.done("failed"), #"{"type":"response.created"}"#] {
            let session = try await TestSession()
            await session.append(frames.audio(sound(10)), last)
            // The session is deleted before the response has an end.
            if !last.contains("done") { try await session.log.deleteSession("rts_1") }
            let puller = TestPuller(try session.produced(suffix: [1]))
            puller.drain()
            #expect(puller.bytes == sound(10) && puller.hasFailed)
        }
    }

    @Test func whatIsNoBase64CutsTheConnection() async throws {
        let session = try await TestSession()
        await session.append(frames.audio(sound(9)), frames.audio("AA?A"), frames.done())
        let puller = TestPuller(try session.produced())
        puller.drain()
        #expect(puller.bytes == sound(9) && puller.hasFailed)
    }

    /// Some JSON writers escape every slash, and base64 is full of them.
    @Test func escapedDeltasAreReadAsTheyAreMeant() async throws {
        let session = try await TestSession()
        await session.append(frames.audio(#"\/\/\/\/"#), frames.audio(#"\u002f///"#), frames.transcript("a\"b\n\u{1F600}"), frames.done())
        let puller = TestPuller(try session.produced())
        puller.drain()
        #expect(puller.bytes == [255, 255, 255, 255, 255, 255])
        #expect(TestPuller(try session.produced(.words)).drain() == "a\"b\n\u{1F600}")
    }

    @Test func retentionUnderAReaderCutsTheConnection() async throws {
        let session = try await TestSession(windowBytes: 1_000, retainedBytes: 20_000)
        await session.append(frames.audio(sound(10)))
        let puller = TestPuller(try session.produced(after: 0))
        puller.drain()
        await session.append(SpokenFrames.noise(500))
        await session.append(frames.audio(sound(10)))
        try await session.log.applyRetention()
        await session.append(SpokenFrames.noise(20))
        _ = try await puller.read()
        #expect(puller.hasFailed && puller.bytes == sound(10))
    }

    @Test func oneItemIsGivenAndEndsWithItself() async throws {
        let session = try await TestSession()
        await session.append(
            frames.audio(sound(4)), frames.audioDone(), frames.itemDone(), frames.audio(sound(6), of: "item_2"), frames.itemDone("item_2"))
        let second = TestPuller(try session.produced(item: "item_2"))
        second.drain()
        #expect(second.bytes == sound(6) && second.isFinished)
        let first = TestPuller(try session.produced(response: nil, item: "item_1", cuts: ["item_1": 2]))
        first.drain()
        #expect(first.bytes == sound(2) && first.isFinished)
    }
}
