import Foundation
import Testing

@testable import Realtime

@Suite struct Base64Tests {
    private func bytes(_ text: String) -> ArraySlice<UInt8> { Array(text.utf8)[...] }

    /// RFC 4648 section 10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
    ])
    func goesBothWaysAsInTheStandard(plain: String, text: String) {
        #expect(Base64.encoded(bytes(plain)) == Array(bytes(text)))
        #expect(Base64.decoded(bytes(text)) == Array(bytes(plain)))
        #expect(Base64.decodedCount(bytes(text)) == plain.utf8.count)
    }

    @Test(arguments: ["Zg", "Zg=", "Z===", "====", "=Zg=", "Zg==Zg==", "Zm9v=", "Zm 9", "Zm9-", "Zm9_", "Zm\n9vYg", "Zm9é"])
    func refusesWhatItFindsAFaultIn(text: String) {
        #expect(Base64.decoded(bytes(text)) == nil)
        #expect(Base64.firstFault(in: bytes(text)) != nil)
    }

    @Test func agreesWithFoundationOnRandomBytes() throws {
        var random = SystemRandomNumberGenerator()
        for count in 0..<200 {
            let plain = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            let text = Array(Data(plain).base64EncodedString().utf8)
            // In the middle of something longer, as in a frame.
            let framed = [34] + text + [34]
            #expect(Base64.encoded(([1, 2] + plain)[2...]) == text)
            #expect(Base64.decoded(framed.dropFirst().dropLast()) == plain)
            #expect(Base64.decodedCount(text[...]) == count)
        }
    }

    @Test func decodesExactlyWhatHasNoFault() {
        let letters = Array("AZaz09+/=- ".utf8)
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 0...9, using: &random)).map { _ in letters.randomElement(using: &random) ?? 0 }
            let decoded = Base64.decoded(text[...])
            #expect((decoded == nil) == (Base64.firstFault(in: text[...]) != nil), "\(String(decoding: text, as: UTF8.self))")
            if let decoded { #expect(decoded.count == Base64.decodedCount(text[...])) }
        }
    }
}
