import Testing
import Upstream

/// Which proxy the environment names.
struct UpstreamProxyTests {
    private static let wss = "wss://api.example.com/v1/realtime?model=m"
    private static let ws = "ws://api.example.com/v1/realtime"

    @Test(
        arguments: [
            ([:], wss, nil),
            (["https_proxy": "http://p:1"], wss, "p:1"),
            (["HTTPS_PROXY": "http://p:1"], wss, "p:1"),
            (["https_proxy": "http://low:1", "HTTPS_PROXY": "http://up:1"], wss, "low:1"),
            (["https_proxy": "", "HTTPS_PROXY": "http://up:1"], wss, "up:1"),
            (["https_proxy": "http://p:1"], ws, nil),
            (["http_proxy": "http://p:1"], ws, "p:1"),
            // CGI programs get a request's `Proxy` header by this name.
            (["HTTP_PROXY": "http://evil:1"], ws, nil),
            (["http_proxy": "http://p:1"], wss, nil),
            (["all_proxy": "http://a:1"], ws, "a:1"),
            (["ALL_PROXY": "http://a:1"], wss, "a:1"),
            (["all_proxy": "http://low:1", "ALL_PROXY": "http://up:1"], wss, "low:1"),
            (["HTTPS_PROXY": "http://p:1", "ALL_PROXY": "http://a:1"], wss, "p:1"),
            (["HTTPS_PROXY": "http://p:1", "NO_PROXY": "example.com"], wss, nil),
            (["ALL_PROXY": "http://a:1", "no_proxy": "example.com"], wss, nil),
            (["HTTPS_PROXY": "http://p:1", "no_proxy": "other", "NO_PROXY": "example.com"], wss, "p:1"),
            (["HTTPS_PROXY": "proxy.example"], wss, "proxy.example:1080"),
            (["HTTPS_PROXY": "proxy.example:3128"], wss, "proxy.example:3128"),
            (["HTTPS_PROXY": "HTTP://proxy.example:3128/path?x#y"], wss, "proxy.example:3128"),
            (["HTTPS_PROXY": "http://[fd00::1]:3128"], wss, "[fd00::1]:3128"),
            (["HTTPS_PROXY": "http://[fd00::1]"], wss, "[fd00::1]:1080"),
        ] as [([String: String], String, String?)])
    func theEnvironmentIsReadAsCurlDoes(environment: [String: String], url: String, expected: String?) throws {
        #expect(try UpstreamProxy.from(environment: environment, for: url)?.description == expected)
    }

    @Test(arguments: [
        ("*", "wss://any.where/", true),
        ("a,*", "wss://any.where/", true),
        ("", "wss://any.where/", false),
        ("example.com", "wss://example.com/", true),
        ("example.com", "wss://api.example.com/", true),
        ("example.com", "wss://badexample.com/", false),
        (".example.com", "wss://api.example.com/", true),
        (".example.com", "wss://example.com/", true),
        ("EXAMPLE.com", "wss://api.Example.COM/", true),
        ("example.com.", "wss://example.com/", true),
        ("example.com", "wss://example.com./", true),
        ("com", "wss://example.com/", true),
        ("api.example.com", "wss://example.com/", false),
        ("one.test, example.com", "wss://example.com/", true),
        ("one.test example.com", "wss://example.com/", true),
        ("one.test\texample.com", "wss://example.com/", true),
        ("example.com:443", "wss://example.com/", true),
        ("example.com:8443", "wss://example.com/", false),
        ("example.com:8443", "wss://api.example.com:8443/", true),
        ("localhost", "ws://localhost:8080/", true),
        ("localhost", "ws://127.0.0.1:8080/", false),
        ("127.0.0.1", "ws://127.0.0.1:8080/", true),
        ("127.0.0.1:8080", "ws://127.0.0.1:8080/", true),
        ("127.0.0.1:80", "ws://127.0.0.1:8080/", false),
        ("127.0.0.0/8", "ws://127.9.9.9/", true),
        ("127.0.0.0/8", "ws://128.0.0.1/", false),
        ("10.1.2.0/23", "ws://10.1.3.4/", true),
        ("10.1.2.0/23", "ws://10.1.4.4/", false),
        ("0.0.0.0/0", "ws://1.2.3.4/", true),
        ("10.0.0.0/33", "ws://10.0.0.0/", false),
        ("10.0.0.0/-1", "ws://10.0.0.0/", false),
        ("10.0.0.0/x", "ws://10.0.0.0/", false),
        ("10.0.0.0/", "ws://10.0.0.0/", false),
        ("10.0.0.0/8", "ws://ten.example/", false),
        ("0.0.1", "ws://10.0.0.1/", false),
        (".1", "ws://10.0.0.1/", false),
        ("::1", "ws://[::1]:80/", true),
        ("[::1]", "ws://[::1]:80/", true),
        ("[::1]:81", "ws://[::1]:80/", false),
        ("0:0::1", "ws://[::1]/", true),
        ("fd00::/8", "ws://[fdaa::1]/", true),
        ("fd00::/8", "ws://[fe80::1]/", false),
        ("0.0.0.0/0", "ws://[::1]/", false),
        (".", "ws://host/", false),
        (",, ,", "ws://host/", false),
        ("[::1", "ws://[::1]/", false),
    ])
    func theListOfExceptionsIsHeeded(list: String, url: String, isException: Bool) throws {
        let proxy = try UpstreamProxy.from(environment: ["ALL_PROXY": "http://p:1", "NO_PROXY": list], for: url)
        #expect((proxy == nil) == isException)
    }

    @Test(arguments: [
        ("http://user:pass@p:1", "Basic dXNlcjpwYXNz"),
        ("user:pass@p:1", "Basic dXNlcjpwYXNz"),
        ("http://user@p:1", "Basic dXNlcjo="),
        ("http://u%73er:p%40ss%3A@p:1", "Basic dXNlcjpwQHNzOg=="),
        ("http://user:p@ss@p:1", "Basic dXNlcjpwQHNz"),
        ("http://user:a:b@p:1", "Basic dXNlcjphOmI="),
    ])
    func credentialsBecomeBasic(value: String, authorization: String) throws {
        let proxy = try #require(try UpstreamProxy.from(environment: ["HTTPS_PROXY": value], for: Self.wss))
        #expect(proxy.authorization == authorization)
        #expect(proxy.description == "p:1")
        var dumped = ""
        dump(proxy, to: &dumped)
        for text in ["\(proxy)", String(reflecting: proxy), dumped] { #expect(!text.contains("Basic") && !text.contains("ass")) }
    }

    @Test(arguments: [
        ("socks5://user:geheim@p:1", "SOCKS is not supported"),
        ("https://user:geheim@p:1", "TLS to the proxy itself is not supported"),
        ("ftp://user:geheim@p:1", "must start with http://"),
        ("http://user:geheim@p:0", "port is not a number from 1 to 65535"),
        ("http://user:geheim@p:geheim", "port is not a number from 1 to 65535"),
        ("http://user:geheim@", "it has no host"),
        ("http://", "it has no host"),
        ("http://user:geheim%zz@p:1", "not percent-encoded"),
        ("http://user:geheim@p:1\r\n", "spaces or characters"),
        ("http://user:geheim@::1:3128", "an IPv6 address needs brackets"),
    ])
    func aProxyThatCannotBeUsedIsNamedWithoutItsPassword(value: String, complaint: String) throws {
        #expect {
            try UpstreamProxy.from(environment: ["HTTPS_PROXY": value], for: Self.wss)
        } throws: { error in
            let error = error as? UpstreamError
            let text = error?.debugDescription ?? ""
            return error?.code == .invalidEndpoint && text.contains("the proxy of HTTPS_PROXY cannot be used: ") && text.contains(complaint)
                && !text.contains("geheim")
        }
    }

    /// A host that is reached directly does not care what the proxy's variable says.
    @Test func anExceptionNeedsNoUsableProxy() throws {
        #expect(try UpstreamProxy.from(environment: ["ALL_PROXY": "socks5://p:1", "NO_PROXY": "example.com"], for: Self.wss) == nil)
    }
}
