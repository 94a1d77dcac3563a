/// Where compressed sound is decoded: not in this process, which must not crash.
package protocol SoundFileDecoding: Sendable {
    var maximumFileBytes: Int { get }

    /// A place for one file.
    /// - Throws: `.busy` if there is none.
    func open() async throws(SoundFileError) -> any SoundFileDecode
}

/// One compressed file: first all of it is written, then what it holds is read.
package protocol SoundFileDecode: Sendable {
    /// - Throws: `.tooLarge`, `.unavailable`.
    func write(_ bytes: [UInt8]) async throws(SoundFileError)
    /// The next piece of a WAV file with the sound; nil after the last. Decoding goes no further ahead than a pipe holds.
    /// - Throws: `.undecodable` and `.interrupted`, also after some pieces; `.unavailable`.
    func next() async throws(SoundFileError) -> [UInt8]?
    /// To be called once, also after an error.
    func close() async
}

package enum SoundFileError: Error, Sendable, Equatable {
    /// As many files as may be are being decoded.
    case busy
    case tooLarge(limitBytes: Int)
    /// The file, or what it made of the decoder: a crash, no end.
    case undecodable(String)
    /// The decoder was ended by somebody else, which says nothing of the file.
    case interrupted(signal: Int)
    /// No file or process could be made; the cause is for the operator.
    case unavailable(cause: String)
}
