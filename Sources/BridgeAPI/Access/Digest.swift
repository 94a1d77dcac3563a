import COpenSSL

/// SHA-256 and HMAC-SHA-256 of OpenSSL's.
enum Digest {
    static let byteCount = 32

    /// FIPS 180-4.
    static func sha256(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        let input = Array(bytes)
        var digest = [UInt8](repeating: 0, count: byteCount)
        var length: UInt32 = 0
        let done = EVP_Digest(input, input.count, &digest, &length, EVP_sha256(), nil)
        // It can fail only for want of memory or of the algorithm, and then no caller could be recognised.
        precondition(done == 1 && Int(length) == byteCount, "OpenSSL has no SHA-256")
        return digest
    }

    /// RFC 2104.
    static func hmacSHA256(_ bytes: some Sequence<UInt8>, key: [UInt8]) -> [UInt8] {
        let input = Array(bytes)
        var digest = [UInt8](repeating: 0, count: byteCount)
        var length: UInt32 = 0
        let done = HMAC(EVP_sha256(), key, Int32(key.count), input, input.count, &digest, &length)
        precondition(done != nil && Int(length) == byteCount, "OpenSSL has no HMAC with SHA-256")
        return digest
    }

    /// In a time that tells nothing about where two digests differ.
    static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.count == right.count && CRYPTO_memcmp(left, right, left.count) == 0
    }

    static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef")
        return bytes.reduce(into: "") { text, byte in
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
    }

    /// The bytes of an even number of hexadecimal digits; nil for anything else.
    static func bytes(hex: some StringProtocol) -> [UInt8]? {
        let values = hex.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
        guard values.count == hex.utf8.count, values.count.isMultiple(of: 2) else { return nil }
        return stride(from: 0, to: values.count, by: 2).map { UInt8(values[$0] << 4 | values[$0 + 1]) }
    }
}
