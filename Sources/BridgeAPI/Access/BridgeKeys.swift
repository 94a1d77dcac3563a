/// Who may use the bridge: names, the SHA-256 of their keys, and their scopes. The keys themselves are not kept.
package struct BridgeKeys: Sendable, Equatable {
    package enum Scope: String, Sendable, CaseIterable {
        /// Sees every session.
        case admin
    }

    package struct Key: Sendable, Equatable {
        /// Owns the sessions that are created with it, as `key:NAME`.
        package let name: String
        let digest: [UInt8]
        package let scopes: Set<Scope>
    }

    package private(set) var keys: [Key] = []

    package init() {}

    package var isEmpty: Bool { keys.isEmpty }

    /// Adds what a key file says: lines of `name:sha256:scopes`, the digest in 64 hexadecimal digits, the scopes separated by commas and
    /// possibly none. Empty lines and those that begin with `#` are skipped.
    /// - Throws: naming the line and what is wrong with it, never its text.
    package mutating func add(file text: String) throws(BridgeKeysError) {
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let line = Self.trimmed(line)
            if line.isEmpty || line.hasPrefix("#") { continue }
            let parts = line.split(separator: ":", omittingEmptySubsequences: false)
            guard (2...3).contains(parts.count) else { throw BridgeKeysError("line \(index + 1) is not name:sha256:scopes") }
            guard let digest = Digest.bytes(hex: parts[1]), digest.count == Digest.byteCount else {
                throw BridgeKeysError("the digest on line \(index + 1) is not 64 hexadecimal digits")
            }
            var scopes: Set<Scope> = []
            for name in (parts.count == 3 ? parts[2] : "").split(separator: ",") {
                guard let scope = Scope(rawValue: Self.trimmed(name)) else {
                    throw BridgeKeysError("line \(index + 1) names an unknown scope; there is 'admin'")
                }
                scopes.insert(scope)
            }
            try add(Key(name: String(parts[0]), digest: digest, scopes: scopes), place: "line \(index + 1)")
        }
    }

    /// Adds what the variable `REALTIME_BRIDGE_API_KEYS` says: keys separated by commas, each as it is or as `name=key`.
    ///
    /// A key without a name is named by the beginning of its digest, so that its sessions stay its own when the list is reordered.
    /// - Throws: naming the entry's number and what is wrong with it, never its text.
    package mutating func add(variable text: String) throws(BridgeKeysError) {
        for (index, entry) in text.split(separator: ",").enumerated() {
            let entry = Self.trimmed(entry)
            if entry.isEmpty { continue }
            let parts = entry.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            // A key may end with base64's padding, which makes no name of what stands before.
            let isNamed = parts.count == 2 && !parts[1].allSatisfy { $0 == "=" }
            let secret = isNamed ? String(parts[1]) : entry
            let digest = Digest.sha256(secret.utf8)
            let name = isNamed ? String(parts[0]) : String(Digest.hex(digest).prefix(12))
            try add(Key(name: name, digest: digest, scopes: []), place: "entry \(index + 1)")
        }
    }

    /// The key a caller presents; nil if there is none like it. Takes the same time wherever in the list it stands.
    func key(presented: String) -> Key? {
        let digest = Digest.sha256(presented.utf8)
        var found: Key?
        for key in keys where Digest.areEqual(key.digest, digest) { found = key }
        return found
    }

    private mutating func add(_ key: Key, place: String) throws(BridgeKeysError) {
        guard !key.name.isEmpty, key.name.utf8.count <= 64, key.name.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw BridgeKeysError("the name of \(place) is not 1 to 64 visible ASCII characters")
        }
        guard !keys.contains(where: { $0.name == key.name }) else { throw BridgeKeysError("the name of \(place) is given twice") }
        keys.append(key)
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        let start = text.drop { $0.isWhitespace }
        return String(start.reversed().drop { $0.isWhitespace }.reversed())
    }
}

/// Why keys cannot be read; fit for the operator, without any key.
package struct BridgeKeysError: Error, Equatable, CustomStringConvertible {
    package let message: String

    init(_ message: String) {
        self.message = message
    }

    package var description: String { "bridge keys: \(message)" }
}
