import Foundation

/// An IP address as the bytes of its network order: 4 or 16.
package struct IPAddressBytes: Sendable, Hashable {
    package let bytes: [UInt8]

    package init(_ bytes: [UInt8]) {
        precondition(bytes.count == 4 || bytes.count == 16, "no address has this length")
        self.bytes = bytes
    }

    /// - Parameter text: as `inet_pton` takes it: no octal or shortened numbers, no zone, no brackets.
    package init?(_ text: String) {
        for (family, count) in [(AF_INET, 4), (AF_INET6, 16)] {
            var bytes = [UInt8](repeating: 0, count: count)
            if inet_pton(family, text, &bytes) == 1 {
                self.bytes = bytes
                return
            }
        }
        return nil
    }

    package func isIn(_ network: IPAddressBytes, prefixBits: Int) -> Bool {
        guard bytes.count == network.bytes.count, (0...(bytes.count * 8)).contains(prefixBits) else { return false }
        return (0..<prefixBits).allSatisfy { bit in
            (bytes[bit / 8] ^ network.bytes[bit / 8]) & (0x80 >> (bit % 8)) == 0
        }
    }
}
