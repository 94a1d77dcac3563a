import CSampleRate

/// Changes the rate of one channel of sound, by libsamplerate (http://libsndfile.github.io/libsamplerate/api_full.html).
///
/// `SRC_SINC_MEDIUM_QUALITY`: noise at -121 dB and 90 % of the band kept, which leaves a telephone's 3.4 kHz whole at 8 kHz.
final class Resampler {
    /// Owned; deleted with this object.
    private let state: OpaquePointer
    private let ratio: Double

    init(from source: Int, to target: Int) {
        var error: Int32 = 0
        // It fails for want of memory alone: the converter and the one channel are known to be good.
        guard let state = src_new(Int32(SRC_SINC_MEDIUM_QUALITY), 1, &error) else { preconditionFailure("libsamplerate error \(error)") }
        self.state = state
        ratio = Double(target) / Double(source)
    }

    deinit { src_delete(state) }

    /// What these samples, and those that were held back before, become. The filter holds back a few milliseconds until the last call.
    func process(_ samples: [Float], isLast: Bool) -> [Float] {
        var output: [Float] = []
        var used = 0
        let room = Int(Double(samples.count) * ratio) + 512
        while true {
            var given = 0
            let more = samples.withUnsafeBufferPointer { input in
                [Float](unsafeUninitializedCapacity: room) { out, count in
                    var data = SRC_DATA()
                    data.data_in = input.baseAddress.map { $0 + used }
                    data.data_out = out.baseAddress
                    data.input_frames = samples.count - used
                    data.output_frames = room
                    data.src_ratio = ratio
                    data.end_of_input = isLast ? 1 : 0
                    let error = src_process(state, &data)
                    precondition(error == 0, "libsamplerate error \(error)")
                    given = data.input_frames_used
                    count = data.output_frames_gen
                }
            }
            used += given
            output += more
            if more.isEmpty && given == 0 || !isLast && used == samples.count && more.count < room { return output }
        }
    }
}
