import TestSupport
import Testing
import Upstream

/// Against `openssl s_server` that insists on a client certificate of the test's authority.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct ClientCertificateTests {
    private static let asks = "localhost asks for a client certificate; configure one for this upstream (its settings certificate and key)"

    private static func options(_ certificates: TestCertificates, _ version: String) -> [String] {
        [version, "-Verify", "1", "-verify_return_error", "-CAfile", certificates.authority]
    }

    @Test(arguments: ["-tls1_2", "-tls1_3"], [true, false])
    func theRightOnePasses(version: String, keyInTheSameFile: Bool) async throws {
        let certificates = try TestCertificates.shared.get()
        try await OpenSSLServer.run(.good, options: Self.options(certificates, version)) { peer in
            try await peer.openSession()
        } client: { server in
            let connection = try await open(
                server.endpoint {
                    $0.tls.certificateFile = keyInTheSameFile ? certificates.clientWithKey : certificates.certificate(.client)
                    $0.tls.keyFile = keyInTheSameFile ? nil : certificates.key(.client)
                })
            #expect(connection.created == Array(created.utf8))
        }
    }

    @Test(
        arguments: ["-tls1_2", "-tls1_3"],
        [
            (nil, asks), (.strangeClient, ": it was issued by an authority that the server does not know"),
            (.expiredClient, ": it has expired"),
        ] as [(TestCertificates.Kind?, String)])
    func noneOrAWrongOneIsRefusedInPlainWords(version: String, shown: (kind: TestCertificates.Kind?, words: String)) async throws {
        let certificates = try TestCertificates.shared.get()
        try await OpenSSLServer.run(.good, options: Self.options(certificates, version)) { server in
            let file = shown.kind.map(certificates.certificate)
            let error = try await refusal(
                of: server.endpoint {
                    $0.tls.certificateFile = file
                    $0.tls.keyFile = shown.kind.map(certificates.key)
                })
            #expect(error.code == .tlsFailed)
            #expect(error.message == (file.map { "localhost did not accept the client certificate \($0)\(shown.words)" } ?? shown.words))
        }
    }

    /// A chain in the file is sent whole.
    @Test func theAuthoritiesBehindItAreSentAlong() async throws {
        let certificates = try TestCertificates.shared.get()
        let options = Self.options(certificates, "-tls1_3") + ["-verify_depth", "3"]
        let chain = certificates.path("client-chain.pem")
        try certificates.concatenate([certificates.certificate(.viaIntermediate), certificates.intermediate], to: chain)
        try await OpenSSLServer.run(.good, options: options) { peer in
            try await peer.openSession()
        } client: { server in
            _ = try await open(
                server.endpoint {
                    $0.tls.certificateFile = chain
                    $0.tls.keyFile = certificates.key(.viaIntermediate)
                })
        }
    }

    @Test func filesThatCannotBeUsedAreNamed() async throws {
        let files = try TestCertificates.shared.get()
        let rows: [(certificate: String?, key: String?, message: String)] = [
            ("/nonexistent.pem", nil, "the client certificate /nonexistent.pem cannot be used as a chain of PEM certificates"),
            (files.key(.client), nil, "the client certificate \(files.key(.client)) cannot be used as a chain of PEM certificates"),
            (files.certificate(.client), "/nonexistent.key", "the client key /nonexistent.key cannot be used as a PEM private key"),
            (
                files.certificate(.client), nil,
                "the client key \(files.certificate(.client)) cannot be used as a PEM private key"
            ),
            (
                files.certificate(.client), files.key(.good),
                "the client key \(files.key(.good)) does not belong to the client certificate \(files.certificate(.client))"
            ),
            (
                files.certificate(.client), files.key(.weakKey),
                "the client key \(files.key(.weakKey)) does not belong to the client certificate \(files.certificate(.client))"
            ),
            (
                files.certificate(.client), files.encryptedKey,
                "the client key \(files.encryptedKey) is encrypted; write it without a password, in a file that only the bridge can read"
            ),
            (nil, files.key(.client), "there is a client key, \(files.key(.client)), but no client certificate; both are needed"),
        ]
        for row in rows {
            let tls = UpstreamTLS(caFile: files.authority, certificateFile: row.certificate, keyFile: row.key)
            let error = try await refusal(of: UpstreamEndpoint(name: "x", url: "wss://localhost:1/", tls: tls))
            #expect(error.code == .tlsFailed)
            #expect(error.message == row.message, "\(error.debugDescription)")
        }
    }
}
