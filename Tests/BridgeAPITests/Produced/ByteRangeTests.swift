import Audio
import HTTPServer
import Testing

@testable import BridgeAPI

/// RFC 9110, section 14, of 100 bytes.
@Suite struct ByteRangeTests {
    @Test(
        arguments: [
            (nil, .whole),
            ("bytes=0-9", .part(0..<10)), ("bytes=90-", .part(90..<100)), ("bytes=-10", .part(90..<100)), ("bytes=0-0", .part(0..<1)),
            ("bytes=99-99", .part(99..<100)), ("bytes=90-1000", .part(90..<100)), ("bytes=-1000", .part(0..<100)),
            ("bytes=0-99999999999999999999", .part(0..<100)), ("bytes=-99999999999999999999", .part(0..<100)),
            ("BYTES=0-1", .part(0..<2)), ("bytes= 0 - 1 ", .part(0..<2)),
            ("bytes=100-", .unsatisfiable), ("bytes=100-200", .unsatisfiable), ("bytes=99999999999999999999-", .unsatisfiable),
            ("bytes=-0", .unsatisfiable),
            // Several, and what is not a range: the whole.
            ("bytes=0-1,5-6", .whole), ("bytes=", .whole), ("bytes=-", .whole), ("bytes=5-4", .whole), ("bytes=a-b", .whole),
            ("bytes=1", .whole), ("bytes=1-2-3", .whole), ("bytes=+1-2", .whole), ("lines=0-1", .whole), ("0-1", .whole), ("", .whole),
        ] as [(String?, ByteRange)])
    func oneRangeIsUnderstood(field: String?, range: ByteRange) throws {
        let head = try APIFixture.head("GET", "/", headers: field.map { ["range": $0] } ?? [:])
        #expect(ByteRange(head, of: 100, tag: "\"t\"") == range)
        // It means nothing with other methods.
        let asked = try APIFixture.head("HEAD", "/", headers: field.map { ["range": $0] } ?? [:])
        #expect(ByteRange(asked, of: 100, tag: "\"t\"") == .whole)
    }

    @Test(
        arguments: [("\"t\"", .part(0..<2)), ("\"u\"", .whole), ("W/\"t\"", .whole), ("Thu, 26 Nov 2026 21:00:00 GMT", .whole)]
            as [(String, ByteRange)])
    func aRangeOfSomethingElseIsNotGiven(condition: String, range: ByteRange) throws {
        let head = try APIFixture.head("GET", "/", headers: ["range": "bytes=0-1", "if-range": condition])
        #expect(ByteRange(head, of: 100, tag: "\"t\"") == range)
    }

    @Test func aSecondFieldMakesItNoSingleRange() throws {
        var headers: HTTPHeaders = ["range": "bytes=0-1"]
        headers.add("range", "bytes=2-3")
        #expect(ByteRange(try APIFixture.head("GET", "/", headers: headers), of: 100, tag: "\"t\"") == .whole)
    }

    /// Every range of a small file, against the file: header, samples and the byte that makes it even.
    @Test(arguments: [SoundContainer.wav, .raw], [0, 1, 2, 5, 6])
    func everyPartOfAFileIsThatPartOfIt(container: SoundContainer, dataBytes: Int) async throws {
        let format = SoundFormat(.muLaw, rate: 8_000)
        let data = sound(dataBytes)
        let padding: [UInt8] = container == .wav && dataBytes % 2 == 1 ? [0] : []
        let whole = container.header(format, dataBytes: dataBytes) + data + padding
        let file = SoundFile(container, format, dataBytes: dataBytes)
        func answer(_ range: String?) throws -> (status: Int, bytes: [UInt8]) {
            let head = try APIFixture.head("GET", "/", headers: range.map { ["range": $0] } ?? [:])
            let response = try file.response(to: head) { .bytes($0.prefix + data[$0.data] + $0.suffix) }
            guard case .bytes(let bytes) = response.body else { return (response.status, []) }
            return (response.status, bytes)
        }
        let all = try answer(nil)
        #expect(all.status == 200 && all.bytes == whole)
        for start in 0..<whole.count {
            for end in start..<whole.count {
                let part = try answer("bytes=\(start)-\(end)")
                #expect(part.status == 206 && part.bytes == Array(whole[start...end]), "\(start)-\(end)")
            }
        }
        let error = #expect(throws: APIError.self) { try answer("bytes=\(whole.count)-") }
        #expect(error?.status == .rangeNotSatisfiable && error?.headers["content-range"] == "bytes */\(whole.count)")
    }
}
