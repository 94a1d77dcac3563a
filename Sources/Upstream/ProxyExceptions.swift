/// The list in `NO_PROXY`: servers to be reached directly.
///
/// Entries are separated by commas or blanks. `*` stands for every host; `example.com` or `.example.com` for it and all names below it;
/// an IP address for itself; `10.0.0.0/8` or `fd00::/8` for the addresses in it, written as such in the URL: names are not looked up.
/// A name or an address may be followed by `:port` (an IPv6 address then needs brackets). What cannot be read matches nothing, as with curl.
struct ProxyExceptions {
    private let entries: [Substring]

    init(_ list: String) {
        entries = list.split { $0 == "," || $0 == " " || $0 == "\t" }
    }

    func contain(_ address: UpstreamAddress) -> Bool {
        let host = Self.comparable(address.host[...])
        let bytes = IPAddressBytes(host)
        return entries.contains { entry in
            if entry == "*" { return true }
            if let slash = entry.firstIndex(of: "/") {
                guard let bytes, let network = IPAddressBytes(String(entry[..<slash])), let bits = Int(entry[entry.index(after: slash)...])
                else { return false }
                return bytes.isIn(network, prefixBits: bits)
            }
            // Before the port is looked for: the colons of a bare IPv6 address are none.
            if let own = IPAddressBytes(String(entry)) { return own == bytes }
            guard let place = try? HostAndPort(entry), place.port == nil || place.port == address.port else { return false }
            if let own = IPAddressBytes(place.host) { return own == bytes }
            let name = Self.comparable(place.host.drop { $0 == "." })
            return bytes == nil && !name.isEmpty && (host == name || host.hasSuffix("." + name))
        }
    }

    /// Names are compared without case, and without the dot that says that they are absolute.
    private static func comparable(_ name: Substring) -> String {
        (name.last == "." ? name.dropLast() : name).lowercased()
    }
}
