/// Whom we trust to vouch for a server's name, and who we say we are. Verification itself cannot be turned off.
///
/// The files are read once per connector and setting, when first needed; one that cannot be used fails the connect with `.tlsFailed` and a
/// message that names it.
package struct UpstreamTLS: Sendable, Hashable {
    /// PEM file with the only authorities to trust; nil means the system's store.
    package var caFile: String?
    /// PEM file with the certificate to show to a server that asks for one, followed by the authorities that lead to a root; nil shows none.
    package var certificateFile: String?
    /// PEM file with the key to ``certificateFile``, not encrypted; nil: it stands in that same file.
    package var keyFile: String?

    package init(caFile: String? = nil, certificateFile: String? = nil, keyFile: String? = nil) {
        self.caFile = caFile
        self.certificateFile = certificateFile
        self.keyFile = keyFile
    }
}
