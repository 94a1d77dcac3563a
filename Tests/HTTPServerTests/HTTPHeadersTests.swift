import HTTPServer
import Testing

struct HTTPHeadersTests {
    @Test func looksUpWithoutRegardToCaseAndKeepsOrder() {
        var headers: HTTPHeaders = ["Accept": "a", "X": "1"]
        headers.add("accept", "b")
        #expect(headers["ACCEPT"] == "a")
        #expect(headers.values("Accept") == ["a", "b"])
        #expect(headers["none"] == nil)
        headers.set("aCCept", "c")
        #expect(headers.fields == [.init(name: "X", value: "1"), .init(name: "aCCept", value: "c")])
        headers.remove("x")
        #expect(headers.fields.map(\.name) == ["aCCept"])
    }
}
