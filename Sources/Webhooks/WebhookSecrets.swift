import COpenSSL
import Realtime

/// What calls are signed with, as Standard Webhooks has it (https://www.standardwebhooks.com): HMAC-SHA256 of `id.timestamp.body`.
///
/// Several sign side by side while receivers go over from one to the next. Printing one shows nothing of it.
package struct WebhookSecrets: Sendable, CustomStringConvertible, CustomReflectable {
    private let keys: [[UInt8]]

    package static let prefix = "whsec_"
    private static let keyBytes = 24...64

    /// - Parameter text: one or more of `whsec_` and 24 to 64 bytes in base64, with blanks between.
    /// - Throws: what is wrong, going on after the setting's name; repeats nothing of it.
    package init(_ text: String) throws(WebhookRefusal) {
        var keys: [[UInt8]] = []
        for secret in text.split(whereSeparator: { $0 == " " || $0 == "\n" || $0 == "\t" }) {
            guard secret.hasPrefix(Self.prefix), let key = Base64.decoded(Array(secret.dropFirst(Self.prefix.count).utf8)[...]),
                Self.keyBytes.contains(key.count)
            else {
                throw WebhookRefusal(
                    "must be \(Self.prefix) and \(Self.keyBytes.lowerBound) to \(Self.keyBytes.upperBound) bytes in base64, such as "
                        + "`echo \(Self.prefix)$(openssl rand -base64 32)` gives")
            }
            keys.append(key)
        }
        guard !keys.isEmpty else { throw WebhookRefusal("is empty") }
        self.keys = keys
    }

    /// The value of `webhook-signature`.
    /// - Parameter timestamp: unix seconds of the attempt.
    func signature(id: String, timestamp: Int, body: [UInt8]) -> String {
        let signed = Array("\(id).\(timestamp).".utf8) + body
        return keys.map { "v1,\(String(decoding: Base64.encoded(Self.hmac(signed, key: $0)[...]), as: UTF8.self))" }.joined(separator: " ")
    }

    private static func hmac(_ bytes: [UInt8], key: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 0
        let done = HMAC(EVP_sha256(), key, Int32(key.count), bytes, bytes.count, &digest, &length)
        precondition(done != nil && Int(length) == digest.count, "OpenSSL has no HMAC with SHA-256")
        return digest
    }

    package var description: String { "\(keys.count) secrets" }
    package var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}
