/// What items roughly weigh in a model's context. Only a server knows exactly; these are OpenAI's published rates, rounded up, so that
/// a conversation that fits by them fits.
enum TokenEstimate {
    /// Of UTF-8. English text comes to a little more than four bytes a token.
    static let bytesPerTextToken = 4
    static let userAudioTokensPerSecond = 10
    /// A picture of 1024 x 1024 at full detail is 765.
    static let image = 800
    /// Role, type and separators.
    static let item = 8

    static func text(_ text: String) -> Int {
        (text.utf8.count + bytesPerTextToken - 1) / bytesPerTextToken
    }

    static func userAudio(bytes: Int, _ format: AudioFormat) -> Int {
        (bytes * userAudioTokensPerSecond + format.bytesPerSecond - 1) / format.bytesPerSecond
    }
}
