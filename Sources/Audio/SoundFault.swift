/// Why sound cannot be taken. The message is fit for the one who sent it.
package struct SoundFault: Error, Sendable, Equatable {
    package enum Code: Sendable {
        /// The bytes are not what they are said to be.
        case malformed
        /// They end before what they announce.
        case truncated
        /// Well formed, but not of a kind that is converted here.
        case unsupported
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}
