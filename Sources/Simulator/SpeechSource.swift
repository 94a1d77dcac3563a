import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// Makes the sound of phrases on threads of its own, once for each phrase that many connections ask for.
final class SpeechSource: Sendable {
    private struct Key: Hashable {
        var text: String
        var voice: [UInt8]
        var format: AudioFormat
        var speed: Double
    }

    private struct State {
        var cache: [Key: [UInt8]] = [:]
        var cachedBytes = 0
        var waiting: [Key: [EventLoopPromise<[UInt8]>]] = [:]
        var waitingCount = 0
    }

    private static let maximumCachedBytes = 64 << 20
    /// Beyond this a phrase stays silent: the children could not keep up for minutes.
    private static let maximumWaiting = 10_000

    private let threads: NIOThreadPool
    private let espeak: EspeakVoice?
    private let state = NIOLockedValueBox(State())

    init(_ speech: SimulatorConfiguration.Speech) {
        switch speech {
        case .auto: espeak = EspeakVoice()
        case .tone: espeak = nil
        }
        threads = NIOThreadPool(numberOfThreads: 2)
        threads.start()
    }

    func stop() async {
        // Only a pool that was never started fails to stop.
        try? await threads.shutdownGracefully()
    }

    /// The phrase in the format asked for. Never fails: what cannot be spoken is empty.
    func sound(for request: ConversationMachine.SpeechRequest, on eventLoop: any EventLoop) -> EventLoopFuture<[UInt8]> {
        let key = Key(text: request.text, voice: request.voice, format: request.format, speed: request.speed)
        let promise = eventLoop.makePromise(of: [UInt8].self)
        enum Decision { case answer([UInt8]), wait, make }
        let decision = state.withLockedValue { state -> Decision in
            if let cached = state.cache[key] { return .answer(cached) }
            guard state.waitingCount < Self.maximumWaiting else { return .answer([]) }
            state.waitingCount += 1
            if state.waiting[key] != nil {
                state.waiting[key]?.append(promise)
                return .wait
            }
            state.waiting[key] = [promise]
            return .make
        }
        switch decision {
        case .answer(let bytes): promise.succeed(bytes)
        case .wait: break
        case .make:
            threads.submit { workItem in
                self.finish(key, workItem == .active ? self.make(key) : [])
            }
        }
        return promise.futureResult
    }

    private func make(_ key: Key) -> [UInt8] {
        let samples =
            espeak?.samples(for: key.text, voice: key.voice, speed: key.speed) ?? ToneSpeech.samples(for: key.text, speed: key.speed)
        return key.format.bytes(of: samples)
    }

    private func finish(_ key: Key, _ bytes: [UInt8]) {
        let promises = state.withLockedValue { state -> [EventLoopPromise<[UInt8]>] in
            // Demos and load tests repeat few phrases; when they do not, starting over is as good as any order.
            if state.cachedBytes + bytes.count > Self.maximumCachedBytes {
                state.cache = [:]
                state.cachedBytes = 0
            }
            state.cache[key] = bytes
            state.cachedBytes += bytes.count
            let promises = state.waiting.removeValue(forKey: key) ?? []
            state.waitingCount -= promises.count
            return promises
        }
        for promise in promises { promise.succeed(bytes) }
    }
}
