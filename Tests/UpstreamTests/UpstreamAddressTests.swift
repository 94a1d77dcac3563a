import Testing

@testable import Upstream

struct UpstreamAddressTests {
    @Test(arguments: [
        ("wss://api.example.com/v1/realtime?model=m", true, "api.example.com", 443, "/v1/realtime?model=m", "api.example.com"),
        ("ws://localhost:8080/v1", false, "localhost", 8080, "/v1", "localhost:8080"),
        ("WS://Host", false, "Host", 80, "/", "Host"),
        ("ws://host:80?x=1", false, "host", 80, "/?x=1", "host"),
        ("wss://[::1]:9443/a", true, "::1", 9443, "/a", "[::1]:9443"),
        ("wss://[2001:db8::1]/", true, "2001:db8::1", 443, "/", "[2001:db8::1]"),
    ])
    func urlsAreTakenApart(url: String, isSecure: Bool, host: String, port: Int, target: String, authority: String) throws {
        let address = try UpstreamAddress(url)
        #expect(address.isSecure == isSecure)
        #expect(address.host == host)
        #expect(address.port == port)
        #expect(address.target == target)
        #expect(address.authority == authority)
    }

    @Test(arguments: [
        "", "api.example.com", "https://host/", "ws://", "ws:///path", "ws://user:pw@host/", "ws://host/#top", "ws://host:0/",
        "ws://host:65536/",
        "ws://host:x/", "ws://::1/", "ws://[::1/", "ws://[::1]x/", "ws://host/a b", "ws://host/\r\nX: y", "ws://höst/",
    ])
    func oddUrlsAreRefused(url: String) {
        #expect { try UpstreamAddress(url) } throws: { ($0 as? UpstreamError)?.code == .invalidEndpoint }
    }
}
