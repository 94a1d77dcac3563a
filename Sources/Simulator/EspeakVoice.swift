import Foundation

/// Speaks a phrase with the program `espeak-ng`, in a child process. Blocks its thread: call it from one that may wait.
struct EspeakVoice: Sendable {
    /// A phrase takes some 20 ms; a child that hangs is killed.
    private static let limit = DispatchTimeInterval.seconds(10)
    private static let maximumOutputBytes = 16 << 20

    let program: String

    /// The program on `PATH`, if there is one.
    init?(path: String? = ProcessInfo.processInfo.environment["PATH"]) {
        let candidates = (path ?? "").split(separator: ":").map { "\($0)/espeak-ng" }
        guard let found = candidates.first(where: { FileManager.default.isExecutableFile(atPath: $0) }) else { return nil }
        program = found
    }

    /// Samples at 24 kHz; nil if the program failed.
    func samples(for text: String, voice: [UInt8], speed: Double) -> [Int16]? {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        let pitch = 30 + voice.reduce(0) { $0 &+ Int($1) } % 45
        process.arguments = ["--stdout", "-v", "en", "-p", String(pitch), "-s", String(Int(175 * speed)), "--stdin"]
        let input = Pipe()
        let output = Pipe()
        process.standardInput = input
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        do {
            try process.run()
            // A phrase is far smaller than a pipe's buffer, so this cannot block on a child that does not read.
            try input.fileHandleForWriting.write(contentsOf: Data(text.utf8.prefix(4000)))
            try input.fileHandleForWriting.close()
        } catch {
            return nil
        }
        let killer = DispatchWorkItem { process.terminate() }
        DispatchQueue.global().asyncAfter(deadline: .now() + Self.limit, execute: killer)
        var wave = Data()
        while wave.count < Self.maximumOutputBytes, let chunk = try? output.fileHandleForReading.read(upToCount: 1 << 16), !chunk.isEmpty {
            wave.append(chunk)
        }
        try? output.fileHandleForReading.close()
        process.waitUntilExit()
        killer.cancel()
        return process.terminationStatus == 0 ? Self.samples(ofWave: Array(wave)) : nil
    }

    /// Reads a streamed WAV, whose sizes are not to be believed: 16 bit, one channel, any rate.
    static func samples(ofWave bytes: [UInt8]) -> [Int16]? {
        guard bytes.count > 44, bytes.starts(with: "RIFF".utf8) else { return nil }
        func integer(at offset: Int) -> Int {
            (0..<4).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
        }
        let rate = integer(at: 24)
        let marker = Array("data".utf8)
        guard rate > 0, let data = (12..<min(bytes.count - 8, 4096)).first(where: { Array(bytes[$0..<$0 + 4]) == marker }) else {
            return nil
        }
        return resample(AudioFormat.pcm16.samples(bytes[(data + 8)...]), from: rate, to: ToneSpeech.samplesPerSecond)
    }

    /// By straight lines between the samples: enough for speech a little below the target rate.
    static func resample(_ samples: [Int16], from: Int, to: Int) -> [Int16] {
        guard samples.count > 1, from != to else { return samples }
        let count = samples.count * to / from
        return (0..<count).map { index in
            let position = index * from
            let left = min(position / to, samples.count - 1)
            let right = min(left + 1, samples.count - 1)
            let fraction = position % to
            return Int16((Int(samples[left]) * (to - fraction) + Int(samples[right]) * fraction) / to)
        }
    }
}
