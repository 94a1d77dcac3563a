import HTTPServer
import Testing

struct ListenAddressTests {
    @Test(arguments: [
        ("127.0.0.1:8080", ListenAddress.tcp(host: "127.0.0.1", port: 8080), true),
        ("[::1]:0", .tcp(host: "::1", port: 0), true),
        ("localhost:80", .tcp(host: "localhost", port: 80), true),
        ("127.0.0.1.example.com:80", .tcp(host: "127.0.0.1.example.com", port: 80), false),
        ("0.0.0.0:65535", .tcp(host: "0.0.0.0", port: 65535), false),
        ("unix:/run/a b.sock", .unix(path: "/run/a b.sock"), true),
    ])
    func readsAndWritesTheSameText(text: String, address: ListenAddress, isLoopback: Bool) throws {
        #expect(try ListenAddress(parsing: text) == address)
        #expect(address.description == text)
        #expect(address.isLoopback == isLoopback)
    }

    @Test(arguments: ["", "8080", ":8080", "host:", "host:65536", "host:-1", "host:+1", "::1:80", "unix:", "[]:1"])
    func refusesWhatIsNoAddress(text: String) {
        #expect(throws: ListenAddressError.self) { try ListenAddress(parsing: text) }
    }
}
