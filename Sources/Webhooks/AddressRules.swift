import Foundation
package import Upstream

/// Addresses `ADDRESS/BITS`, or one address.
package struct IPNetwork: Sendable, Equatable {
    let base: IPAddressBytes
    let prefixBits: Int

    /// - Throws: what is wrong with the text, going on after its name.
    package init(_ text: String) throws(WebhookRefusal) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let base = IPAddressBytes(String(parts[0])) else {
            throw WebhookRefusal("must be an IP address or a network such as 10.0.0.0/8")
        }
        let whole = base.bytes.count * 8
        guard let bits = parts.count == 2 ? Int(parts[1]) : whole, (0...whole).contains(bits) else {
            throw WebhookRefusal("must end in a number of bits from 0 to \(whole)")
        }
        (self.base, prefixBits) = (base, bits)
    }

    fileprivate init(known text: String) {
        do throws(WebhookRefusal) {
            self = try IPNetwork(text)
        } catch {
            preconditionFailure("\(text) is no network")
        }
    }

    func contains(_ address: IPAddressBytes) -> Bool { address.isIn(base, prefixBits: prefixBits) }
}

/// Which addresses may be connected to: public ones, and those that are listed.
///
/// A name that anybody can register may be given any address, so a URL alone says nothing about where it leads.
struct AddressRules: Sendable, Equatable {
    /// Beside public ones.
    var listed: [IPNetwork] = []

    /// - Parameter loopback: the allow-list's entry is itself a loopback address.
    func permit(_ address: IPAddressBytes, loopback: Bool) -> Bool {
        let meant = address.unwrapped
        if loopback, Self.isLoopback(address) { return true }
        if listed.contains(where: { $0.contains(address) || $0.contains(meant) }) { return true }
        return Self.isPublic(meant)
    }

    /// Not one inside a NAT64 address, whose packets go to a gateway.
    static func isLoopback(_ address: IPAddressBytes) -> Bool {
        loopback.contains { $0.contains(address.unmapped) }
    }

    private static let loopback = ["127.0.0.0/8", "::1"].map(IPNetwork.init(known:))

    private static func isPublic(_ address: IPAddressBytes) -> Bool {
        guard address.bytes.count == 4 else { return globalUnicast.contains(address) && !special6.contains { $0.contains(address) } }
        return !special4.contains { $0.contains(address) }
    }

    /// All IPv6 addresses that are given out for the public network; everything else is something else (RFC 4291, 2.4).
    private static let globalUnicast = IPNetwork(known: "2000::/3")

    /// The registry of special addresses (RFC 6890): this host, private (RFC 1918), carrier's NAT, loopback, link-local with the clouds'
    /// metadata services, protocol assignments, documentation, 6to4 relays, benchmarks, multicast, reserved, broadcast.
    private static let special4 = [
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
        "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    ].map(IPNetwork.init(known:))

    /// Within ``globalUnicast``: protocol assignments (Teredo among them), documentation, 6to4, which wraps any IPv4 address.
    private static let special6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"].map(IPNetwork.init(known:))
}

extension IPAddressBytes: CustomStringConvertible {
    /// The IPv4 address inside an IPv4-mapped (RFC 4291, 2.5.5.2) or NAT64 address (RFC 6052, 2.1), which is where the packets go.
    var unwrapped: IPAddressBytes { suffix(inside: [Self.mapping, Self.translating]) }

    /// The IPv4 address inside an IPv4-mapped address: the same one, to the system.
    var unmapped: IPAddressBytes { suffix(inside: [Self.mapping]) }

    private func suffix(inside networks: [IPNetwork]) -> IPAddressBytes {
        guard bytes.count == 16, networks.contains(where: { $0.contains(self) }) else { return self }
        return IPAddressBytes(Array(bytes.suffix(4)))
    }

    private static let mapping = IPNetwork(known: "::ffff:0:0/96")
    private static let translating = IPNetwork(known: "64:ff9b::/96")

    /// As `inet_ntop` spells it.
    package var description: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let done = inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, bytes, &text, socklen_t(text.count))
        precondition(done != nil, "an address of 4 or 16 bytes can be written")
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
