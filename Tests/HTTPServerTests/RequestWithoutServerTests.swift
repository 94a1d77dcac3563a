import HTTPServer
import Testing

/// What handlers are given when they are called without a server reads as it does with one.
struct RequestWithoutServerTests {
    private static let listener = ListenAddress.tcp(host: "127.0.0.1", port: 80)

    @Test func aHeadIsTakenApartAsTheServerDoes() throws {
        let head = try #require(
            RequestHead(
                method: "POST", target: "/a%2Fb/c?d=e+f", headers: ["Host": "h", "Content-Length": "3"], listener: Self.listener))
        #expect(head.segments == ["a/b", "c"])
        #expect(head.query.map { "\($0.name)=\($0.value)" } == ["d=e f"])
        #expect(head.contentLength == 3)
        #expect(head.hasBody)
        #expect(RequestHead(method: "GET", target: "/%00", listener: Self.listener) == nil)
        #expect(RequestHead(method: "GET", target: "/", headers: ["Transfer-Encoding": "gzip"], listener: Self.listener) == nil)
    }

    @Test func aWholeBodyIsReadOnceAndLimited() async throws {
        let body = RequestBody([1, 2, 3])
        #expect(try await body.next() == [1, 2, 3])
        #expect(try await body.next() == nil)
        #expect(try await RequestBody([]).collect(upTo: 0) == [])
        #expect(try await RequestBody([1, 2]).collect(upTo: 2) == [1, 2])
        await #expect(throws: RequestBodyError.tooLarge(limitBytes: 1)) { try await RequestBody([1, 2]).collect(upTo: 1) }
    }
}
