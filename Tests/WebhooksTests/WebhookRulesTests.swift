import Testing
import Upstream

@testable import Webhooks

/// Which URLs may be called, and which addresses they may lead to.
@Suite struct WebhookRulesTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let url: String
        /// Nil: allowed.
        let refusal: String?
        var testDescription: String { url }
        init(_ url: String, _ refusal: String? = nil) { (self.url, self.refusal) = (url, refusal) }
    }

    private static let rules = try! WebhookRules(allowed: [
        "https://tools.example.com/hooks", "https://other.example.com:8443", "https://Slash.Example.com/a/b/",
        "http://localhost:9000/local",
        "http://127.0.0.1", "http://[::1]:9001/", "https://localhost/secure", "https://[2001:4860::8888]/v6",
    ])

    @Test(arguments: [
        Row("https://tools.example.com/hooks"), Row("https://tools.example.com/hooks/"), Row("https://tools.example.com/hooks/weather"),
        Row("https://tools.example.com/hooks?city=Oslo&x=/../y"), Row("https://tools.example.com:443/hooks/x"),
        Row("HTTPS://TOOLS.Example.COM/hooks"), Row("https://tools.example.com./hooks"), Row("https://tools.example.com/hooks/a;v=1"),
        Row("https://tools.example.com/hooks/a.b/..c/%20x/%C3%A4"), Row("https://tools.example.com/hooks/..."),
        Row("https://other.example.com:8443"), Row("https://other.example.com:8443/"), Row("https://other.example.com:8443/any/path"),
        Row("https://other.example.com:8443?q"), Row("https://slash.example.com/a/b"), Row("https://slash.example.com/a/b/c"),
        Row("http://localhost:9000/local/x"), Row("http://127.0.0.1/x"), Row("http://[::1]:9001/x"), Row("http://[0:0::1]:9001/x"),
        Row("https://localhost/secure"), Row("https://[2001:4860:0::8888]/v6/x"),

        Row("https://tools.example.com/hooks2", "no entry of --webhook-allow"), Row("https://tools.example.com/", "no entry"),
        Row("https://tools.example.com/Hooks", "no entry"), Row("https://tools.example.com/%68ooks", "no entry"),
        Row("https://tools.example.com:444/hooks", "no entry"), Row("http://tools.example.com/hooks", "no entry"),
        Row("http://tools.example.com:443/hooks", "no entry"), Row("https://xtools.example.com/hooks", "no entry"),
        Row("https://tools.example.com.evil.test/hooks", "no entry"), Row("https://evil.test/tools.example.com/hooks", "no entry"),
        Row("https://other.example.com/", "no entry"), Row("https://slash.example.com/a", "no entry"),
        Row("http://localhost:9000/loca", "no entry"), Row("http://127.0.0.2/x", "no entry"), Row("http://127.0.0.1:8080/x", "no entry"),
        Row("https://[::ffff:127.0.0.1]/x", "no entry"),

        Row("https://tools.example.com/hooks/../admin", "dots"), Row("https://tools.example.com/hooks/./x", "dots"),
        Row("https://tools.example.com/hooks/..", "dots"), Row("https://tools.example.com/hooks/%2e%2e/admin", "dots"),
        Row("https://tools.example.com/hooks/.%2E/admin", "dots"), Row("https://tools.example.com/hooks/..;/admin", "dots"),
        Row("https://tools.example.com/hooks/..%3b/admin", "dots"), Row("https://tools.example.com/hooks/..;x=1/admin", "dots"),
        Row("https://tools.example.com/hooks/..%20/admin", "dots"), Row("https://tools.example.com/hooks/.%20%20", "dots"),
        Row("https://tools.example.com/hooks/..%20;x/admin", "dots"), Row("https://tools.example.com/hooks/%20../admin", "dots"),
        Row("https://tools.example.com/hooks/%c0%ae%c0%ae/admin", "UTF-8"), Row("https://tools.example.com/hooks/..%c0%afadmin", "UTF-8"),
        Row("https://tools.example.com/hooks/%ff", "UTF-8"), Row("https://tools.example.com/hooks/%ed%a0%80", "UTF-8"),
        Row("https://tools.example.com/hooks/%252e%252e/admin", "encoded slash"),
        Row("https://tools.example.com/hooks/..%2fadmin", "encoded slash"), Row("https://tools.example.com/hooks/%5c..%5cadmin", "encoded"),
        Row("https://tools.example.com/hooks/%00", "encoded"), Row("https://tools.example.com/hooks/%0d%0ax", "encoded"),
        Row("https://tools.example.com/hooks/%7f", "encoded"), Row("https://tools.example.com/hooks//admin", "empty segment"),
        Row("https://tools.example.com//hooks", "empty segment"), Row("https://tools.example.com/hooks/%zz", "percent sign"),
        Row("https://tools.example.com/hooks/%2", "percent sign"), Row("https://tools.example.com/hooks/%+2", "percent sign"),
        Row(#"https://tools.example.com\@evil.test/hooks"#, "percent-encoded"), Row("https://tools.example.com/hooks x", "percent-encoded"),
        Row("https://tools.example.com/hooks\n", "percent-encoded"), Row("https://tools.example.com/hööks", "percent-encoded"),
        Row("https://user@tools.example.com/hooks", "user information"), Row("https://u:p@tools.example.com/hooks", "user information"),
        Row("https://tools.example.com@evil.test/hooks", "user information"), Row("https://tools.example.com/hooks#x", "fragment"),
        Row("ftp://tools.example.com/hooks", "https://"), Row("tools.example.com/hooks", "https://"), Row("", "https://"),
        Row("https://", "no host"), Row("https:///hooks", "no host"), Row("https://./hooks", "neither"),
        Row("https://tools..example.com/hooks", "neither"), Row("https://tools.example.com:0/hooks", "port"),
        Row("https://tools.example.com:https/hooks", "port"), Row("https://tools.example.com:65536/hooks", "port"),
        Row("https://[::1/hooks", "bracket"), Row("https://[fe80::1%25eth0]/hooks", "brackets"), Row("https://[127.0.0.1]/x", "brackets"),
        Row("https://2001:db8::1/x", "brackets"), Row("https://tools.example.com%2f.evil.test/hooks", "neither"),
        Row("https://tools.example.com/hooks/" + String(repeating: "a", count: 2_048), "longer than 2048"),
    ])
    func aURLIsAllowedByAnEntryOrRefused(_ row: Row) {
        do {
            _ = try Self.rules.check(row.url)
            #expect(row.refusal == nil, "it was allowed")
        } catch {
            #expect(row.refusal.map { error.message.contains($0) } == true, "\(error)")
            // A path is often the secret of a webhook.
            #expect(!error.message.contains("hooks") && !error.message.contains("admin"))
        }
    }

    @Test(arguments: [
        Row("http://tools.example.com/", "http:// is for localhost"), Row("http://10.0.0.1/", "http:// is for localhost"),
        Row("http://[64:ff9b::7f00:1]/", "http:// is for localhost"),
        Row("http://localhost.example.com/", "http:// is for localhost"), Row("https://h/x?y", "query"), Row("https://h/../x", "dots"),
        Row("https://u@h/", "user information"), Row("h", "https://"), Row("http://[::ffff:127.0.0.1]:80/"),
        Row("http://127.9.9.9:1/"), Row("http://LOCALHOST./x"),
    ])
    func anEntryIsCheckedAtTheStart(_ row: Row) {
        do {
            _ = try WebhookRules(allowed: ["https://ok.example.com", row.url])
            #expect(row.refusal == nil, "it was taken")
        } catch {
            #expect(row.refusal.map { error.message.contains($0) && error.message.contains("'\(row.url)'") } == true, "\(error)")
        }
    }

    @Test func whatIsShownOfAURLHasNoPath() throws {
        #expect(try WebhookURL("https://h.example.com:8443/secret?token=x").place == "https://h.example.com:8443")
        #expect(try WebhookURL("http://[::1]/s").place == "http://[::1]")
        let url = try WebhookURL("https://h.example.com:443?a=b")
        #expect(url.authority == "h.example.com")
        #expect(url.target == "/?a=b")
    }

    struct Address: Sendable, CustomTestStringConvertible {
        let address: String
        let isPermitted: Bool
        let url: String
        var testDescription: String { "\(address) for \(url)" }
        init(_ address: String, _ isPermitted: Bool, for url: String = "https://tools.example.com/hooks") {
            (self.address, self.isPermitted, self.url) = (address, isPermitted, url)
        }
    }

    @Test(arguments: [
        Address("93.184.215.14", true), Address("8.8.8.8", true), Address("2606:2800:21f:cb07:6820:80da:af6b:8b2c", true),
        Address("172.15.255.255", true), Address("172.32.0.0", true), Address("100.63.255.255", true), Address("100.128.0.0", true),
        Address("64:ff9b::808:808", true), Address("::ffff:8.8.8.8", true), Address("223.255.255.255", true), Address("11.0.0.0", true),
        Address("0.0.0.0", false), Address("0.1.2.3", false), Address("10.0.0.1", false), Address("10.255.255.255", false),
        Address("100.64.0.1", false), Address("100.127.255.255", false), Address("127.0.0.1", false), Address("127.255.255.255", false),
        Address("169.254.169.254", false), Address("172.16.0.1", false), Address("172.31.255.255", false), Address("192.0.0.8", false),
        Address("192.0.2.1", false), Address("192.88.99.1", false), Address("192.168.1.1", false), Address("198.18.0.1", false),
        Address("198.19.255.255", false), Address("198.51.100.1", false), Address("203.0.113.1", false), Address("224.0.0.1", false),
        Address("239.255.255.255", false), Address("240.0.0.1", false), Address("255.255.255.255", false),
        Address("::", false), Address("::1", false), Address("::7f00:1", false), Address("::ffff:127.0.0.1", false),
        Address("::ffff:10.0.0.1", false), Address("::ffff:a9fe:a9fe", false), Address("::ffff:0:7f00:1", false),
        Address("64:ff9b::7f00:1", false), Address("64:ff9b::a9fe:a9fe", false), Address("64:ff9b::a00:1", false),
        Address("64:ff9b:1::1", false), Address("100::1", false), Address("fc00::1", false), Address("fd12:3456::1", false),
        Address("fe80::1", false), Address("fec0::1", false), Address("ff02::1", false), Address("2001:db8::1", false),
        Address("2001::1", false), Address("2002:7f00:1::", false), Address("3fff::1", false), Address("4000::1", false),
        // Listed by --webhook-allow-address.
        Address("10.20.1.1", true, for: "https://listed.example.com/"), Address("10.21.1.1", false, for: "https://listed.example.com/"),
        Address("fd00:1::9", true, for: "https://listed.example.com/"),
        Address("::ffff:10.20.1.1", true, for: "https://listed.example.com/"),
        Address("64:ff9b::a14:101", true, for: "https://listed.example.com/"),
        // A loopback entry lists loopback, for its URLs; http never leaves it.
        Address("127.0.0.1", true, for: "http://localhost:9000/local"), Address("127.0.0.9", true, for: "http://127.0.0.1/"),
        Address("::1", true, for: "http://localhost:9000/local"), Address("::ffff:127.0.0.1", true, for: "http://localhost:9000/local"),
        Address("127.0.0.1", true, for: "https://localhost/secure"), Address("10.0.0.1", false, for: "https://localhost/secure"),
        Address("93.184.215.14", false, for: "http://localhost:9000/local"),
        // These packets go to a gateway.
        Address("64:ff9b::7f00:1", false, for: "http://localhost:9000/local"),
        Address("64:ff9b::7f00:1", false, for: "https://localhost/secure"),
        Address("10.20.1.1", false, for: "http://localhost:9000/local"),
        Address("127.0.0.1", false, for: "https://other.example.com:8443/"),
    ])
    func anAddressIsPublicOrListed(_ row: Address) throws {
        let lists = row.url.contains("listed") || row.url.contains("9000")
        let rules = try WebhookRules(
            allowed: [
                "https://tools.example.com/hooks", "https://other.example.com:8443", "http://localhost:9000/local", "http://127.0.0.1",
                "https://localhost/secure", "https://listed.example.com",
            ], networks: lists ? [IPNetwork("10.20.0.0/16"), IPNetwork("fd00:1::/32")] : [])
        let url = try rules.check(row.url)
        #expect(rules.permit(try #require(IPAddressBytes(row.address)), for: url) == row.isPermitted)
    }

    @Test(arguments: ["10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "x", "::1/129", "10.0.0.0/8/9", "10.0.0.0/-1", ""])
    func aNetworkThatIsNoneIsRefused(_ text: String) {
        #expect(throws: WebhookRefusal.self) { try IPNetwork(text) }
    }
}
