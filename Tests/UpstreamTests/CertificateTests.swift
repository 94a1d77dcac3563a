import NIOCore
import TestSupport
import Testing
import Upstream

/// Which certificates pass and which are refused, against the real `openssl s_server`. Revocation is not checked (Decisions, D19).
@Suite(.serialized, .timeLimit(.minutes(2)))
struct CertificateTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var kind: TestCertificates.Kind
        var host = "localhost"
        var options: @Sendable (TestCertificates) -> [String] = { _ in [] }
        var authority: @Sendable (TestCertificates) -> String? = { $0.authority }
        /// What the refusal says; nil: the session opens.
        var refusal: String?

        init(
            _ description: String, _ kind: TestCertificates.Kind, host: String = "localhost", refusal: String? = nil,
            options: @escaping @Sendable (TestCertificates) -> [String] = { _ in [] },
            authority: @escaping @Sendable (TestCertificates) -> String? = { $0.authority }
        ) {
            testDescription = description
            self.kind = kind
            self.host = host
            self.options = options
            self.authority = authority
            self.refusal = refusal
        }
    }

    private static let forAnotherHost = "is for another host; check the host in the upstream URL"
    private static let untrusted = """
        was issued by an authority this machine does not trust (name its file in --upstream-ca), or the server does not send the \
        certificates between its own and a trusted authority's
        """
    /// OpenSSL's server would not show what is weak, or speak old versions, without being told.
    private static let anythingGoes = ["-cipher", "DEFAULT@SECLEVEL=0"]

    static let rows: [Row] = [
        Row("good", .good),
        Row("good, host in capitals", .good, host: "LOCALHOST"),
        Row("good, absolute host name", .good, host: "localhost."),
        Row("wrong host", .wrongHost, refusal: "the certificate of localhost \(forAnotherHost)"),
        Row("name in the subject only", .commonNameOnly, refusal: "the certificate of localhost \(forAnotherHost)"),
        Row("wildcard matches a label", .wildcard, host: "a.wild.example"),
        Row("wildcard matches one label only", .wildcard, host: "a.b.wild.example", refusal: forAnotherHost),
        Row("wildcard does not match the domain itself", .wildcard, host: "wild.example", refusal: forAnotherHost),
        Row("wildcard within a label", .partialWildcard, host: "ab.wild.example", refusal: forAnotherHost),
        Row("address", .address, host: "127.0.0.1"),
        Row("IPv6 address", .address6, host: "[::1]"),
        Row("another address", .address6, host: "127.0.0.1", refusal: "the certificate of 127.0.0.1 \(forAnotherHost)"),
        Row("name for an address", .good, host: "127.0.0.1", refusal: "the certificate of 127.0.0.1 \(forAnotherHost)"),
        Row("address written as a name", .addressAsName, host: "127.0.0.1", refusal: forAnotherHost),
        Row("expired", .expired, refusal: "the certificate of localhost has expired"),
        Row("not yet valid", .notYetValid, refusal: "the certificate of localhost is not valid yet; check this machine's clock"),
        Row("self-signed", .selfSigned, refusal: "the certificate of localhost is self-signed, so no authority vouches for it"),
        Row("self-signed, but named as trusted", .selfSigned, authority: { $0.certificate(.selfSigned) }),
        Row("unknown authority", .good, refusal: untrusted, authority: { $0.otherAuthority }),
        Row("unknown to the system's store", .good, refusal: untrusted, authority: { _ in nil }),
        Row(
            "unknown authority that is sent along", .good, refusal: "does not trust; to trust it",
            options: { ["-cert_chain", $0.authority] }, authority: { $0.otherAuthority }),
        Row("whole chain", .viaIntermediate, options: { ["-cert_chain", $0.intermediate] }),
        Row("incomplete chain", .viaIntermediate, refusal: untrusted),
        Row("key too short", .weakKey, refusal: "has a key too short to be safe", options: { _ in anythingGoes }),
        Row("signed with SHA-1", .weakHash, refusal: "is signed with a hash too weak to be safe", options: { _ in anythingGoes }),
        Row("meant for clients", .client, refusal: "the certificate of localhost is not meant for servers"),
        Row("TLS 1.0 only", .good, refusal: "localhost does not offer TLS 1.2 or later", options: { _ in ["-tls1"] + anythingGoes }),
        Row("TLS 1.1 only", .good, refusal: "localhost does not offer TLS 1.2 or later", options: { _ in ["-tls1_1"] + anythingGoes }),
        Row(
            "certificate chosen by SNI", .wrongHost,
            options: { ["-servername", "localhost", "-servername_fatal", "-cert2", $0.certificate(.good), "-key2", $0.key(.good)] }),
        Row(
            "SNI the server does not know", .good, refusal: "localhost is refused by this server, which does not know the name",
            options: { otherName($0) }),
        // RFC 6066, 3: no addresses in SNI. This server would refuse any name but its own.
        Row("no SNI for an address", .address, host: "127.0.0.1", options: { otherName($0) }),
    ]

    private static func otherName(_ certificates: TestCertificates) -> [String] {
        [
            "-servername", "other.example", "-servername_fatal", "-cert2", certificates.certificate(.wrongHost), "-key2",
            certificates.key(.wrongHost),
        ]
    }

    @Test(arguments: rows) func certificatesPassOrAreRefusedInPlainWords(row: Row) async throws {
        let certificates = try TestCertificates.shared.get()
        let place = row.host == "[::1]" ? "::1" : "127.0.0.1"
        try await OpenSSLServer.run(row.kind, options: row.options(certificates), address: place) { peer in
            if row.refusal == nil { try await peer.openSession() }
        } client: { server in
            // Whatever name a row asks for is this machine.
            let connector = FixedResolver(v4: [try SocketAddress(ipAddress: place, port: server.port)]).connector
            let endpoint = try server.endpoint(host: row.host) { $0.tls.caFile = row.authority(certificates) }
            guard let expected = row.refusal else {
                let connection = try await open(endpoint, by: connector)
                #expect(connection.created == Array(created.utf8))
                return
            }
            let error = try await refusal(of: endpoint, by: connector)
            #expect(error.code == .tlsFailed)
            #expect(error.message.contains(expected), "\(error.debugDescription)")
        }
    }
}
