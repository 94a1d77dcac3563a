import Testing

@testable import HTTPServer

struct RequestTargetTests {
    @Test(
        arguments: [
            ("/", [], []),
            ("/v1/sessions", ["v1", "sessions"], []),
            ("/v1/sessions/", ["v1", "sessions", ""], []),
            ("//a", ["", "a"], []),
            ("/a%2Fb/c%20d+e", ["a/b", "c d+e"], []),
            ("/%C3%A9?q=%C3%A9&a+b=c%2Bd&flag&=x&&k==v?", ["é"], ["q=é", "a b=c+d", "flag=", "=x", "k==v?"]),
            ("/?", [], []),
            ("*", [], []),
            ("http://example.com:80/x?y", ["x"], ["y="]),
            ("HTTP://example.com", [], []),
        ] as [(String, [String], [String])])
    func takesTargetsApart(text: String, segments: [String], query: [String]) throws {
        let target = try RequestTarget(parsing: text)
        #expect(target.segments == segments)
        #expect(target.query.map { "\($0.name)=\($0.value)" } == query)
    }

    @Test(arguments: [
        "", "a", "/%00", "/a%", "/a%2", "/a%zz", "/%ff", "/?a=%00", "/?%f", "/?a=%c3", "example.com:443", "/\u{FFFD}", "/a\tb", "/\u{7f}",
    ])
    func refusesTargets(text: String) {
        #expect(throws: RequestTarget.Problem.self) { try RequestTarget(parsing: text) }
    }

    @Test func thePathStaysRawAndTheAuthorityIsKept() throws {
        let target = try RequestTarget(parsing: "http://example.com/a%2Fb?c")
        #expect(target.path == "/a%2Fb")
        #expect(target.authority == "example.com")
    }
}
