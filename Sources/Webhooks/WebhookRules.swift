import Upstream

/// The operator's word on which URLs may be called, and where they may lead.
package struct WebhookRules: Sendable, Equatable {
    private let entries: [Entry]
    private let addresses: AddressRules

    /// One entry of the allow-list: scheme, host, port and a prefix of the path, in whole segments.
    private struct Entry: Sendable, Equatable {
        let url: WebhookURL
        /// Without the empty one of a slash at the end.
        let prefix: [Substring]
        /// Its host is this machine's loopback, in so many words.
        let isLoopback: Bool

        init(_ text: String) throws(WebhookRefusal) {
            url = try WebhookURL(text)
            guard !text.contains("?") else { throw WebhookRefusal("has a query; an entry ends with its path") }
            let loopback = url.host == "localhost" || IPAddressBytes(url.host).map(AddressRules.isLoopback) ?? false
            guard url.isSecure || loopback else {
                throw WebhookRefusal("must start with https://; http:// is for localhost and loopback addresses only")
            }
            isLoopback = loopback
            prefix = url.segments.last == "" ? url.segments.dropLast() : url.segments
        }

        func matches(_ other: WebhookURL) -> Bool {
            other.isSecure == url.isSecure && other.host == url.host && other.port == url.port && other.segments.starts(with: prefix)
        }
    }

    /// - Parameters:
    ///   - allowed: URLs without a query. `https://h/hooks` allows `https://h/hooks` and `https://h/hooks/x`, not `https://h/hooks2`.
    ///   - networks: addresses that may be connected to although they are not public.
    /// - Throws: what is wrong with an entry, naming it.
    package init(allowed: [String], networks: [IPNetwork] = []) throws(WebhookRefusal) {
        var entries: [Entry] = []
        for text in allowed {
            do throws(WebhookRefusal) {
                entries.append(try Entry(text))
            } catch {
                throw WebhookRefusal("the entry '\(text)' \(error.message)")
            }
        }
        self.entries = entries
        addresses = AddressRules(listed: networks)
    }

    /// Whether any URL is allowed.
    package var isEmpty: Bool { entries.isEmpty }

    /// The URL, if it may be called.
    /// - Throws: why not, in words that go on after "the URL …".
    package func check(_ url: String) throws(WebhookRefusal) -> WebhookURL {
        let url = try WebhookURL(url)
        guard entries.contains(where: { $0.matches(url) }) else {
            throw WebhookRefusal("is on \(url.place), and no entry of --webhook-allow allows it there; list it, or call another one")
        }
        return url
    }

    /// Whether a connection to this address may be made for the URL.
    func permit(_ address: IPAddressBytes, for url: WebhookURL) -> Bool {
        let isLoopback = entries.contains { $0.isLoopback && $0.matches(url) }
        // Without TLS nobody proves who answers, so it stays on this machine whatever a name resolves to.
        guard url.isSecure || AddressRules.isLoopback(address) else { return false }
        return addresses.permit(address, loopback: isLoopback)
    }
}
