/// Whom we trust to vouch for a server's name, and who we say we are. Verification itself cannot be turned off.
///
/// The files are read once per connector and setting, when first needed; one that cannot be used fails the connect with `.tlsFailed` and a
/// message that names it.
package struct UpstreamTLS: Sendable, Hashable {
    /// PEM file with the only authorities to trust; nil means the system's store.
    package var caFile: String?
    /// What the operator calls the setting of ``caFile``, for messages.
    package var caSetting: String
    /// PEM file with the certificate to show to a server that asks for one, followed by the authorities that lead to a root; nil shows none.
    package var certificateFile: String?
    /// PEM file with the key to ``certificateFile``, not encrypted; nil: it stands in that same file.
    package var keyFile: String?

    package init(
        caFile: String? = nil, caSetting: String = "--upstream-ca", certificateFile: String? = nil, keyFile: String? = nil
    ) {
        self.caFile = caFile
        self.caSetting = caSetting
        self.certificateFile = certificateFile
        self.keyFile = keyFile
    }

    /// Whether its files can be read and belong together. Reads them, so it blocks for some milliseconds.
    /// - Throws: `.tlsFailed`, naming the file.
    package func check() throws(UpstreamError) {
        _ = try TLSContext(self)
    }
}
