import HTTPServer
import Testing

@testable import BridgeAPI

struct PlaygroundPageTests {
    private static let page = PlaygroundPage.html

    private static func between(_ start: String, _ end: String) throws -> Substring {
        let from = try #require(page.firstRange(of: start))
        let rest = page[from.upperBound...]
        return rest[..<(try #require(rest.firstRange(of: end))).lowerBound]
    }

    @Test func itsOwnScriptAndStyleAreTheOnlyOnesAllowed() throws {
        // The hashes are of the bytes between the tags, so the page must hold each text as it is, once.
        #expect(try Self.between("<script>", "</script>") == PlaygroundScript.text)
        #expect(try Self.between("<style>", "</style>") == PlaygroundStyle.text)
        let policy = try #require(PlaygroundPage.response.headers["content-security-policy"])
        #expect(policy.hasPrefix("default-src 'none'; script-src 'sha256-"))
        #expect(!policy.contains("unsafe"))
        #expect(PlaygroundPage.response.headers["content-type"] == "text/html; charset=utf-8")
    }

    @Test func itLoadsNothing() {
        for name in ["http://", "https://", "src=", "@import", "url(", "innerHTML", "style="] {
            #expect(!Self.page.contains(name), "\(name)")
        }
    }

    /// What the page asks for by id is there, and what can be filled in has a name for those who do not see it.
    @Test func itsPartsFitTogether() {
        for match in PlaygroundScript.text.matches(of: #/byID\("([a-z]+)"\)/#) {
            #expect(PlaygroundMarkup.text.contains(#"id="\#(match.1)""#), "\(match.1)")
        }
        for match in PlaygroundMarkup.text.matches(of: #/label for="([a-z]+)"/#) {
            #expect(PlaygroundMarkup.text.contains(#"id="\#(match.1)""#), "\(match.1)")
        }
    }
}
