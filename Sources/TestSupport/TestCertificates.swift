package import Foundation

/// Certificates of every kind, made by the `openssl` command once per run, in a temporary directory.
package struct TestCertificates: Sendable {
    package let directory: URL

    package static let shared = Result { try TestCertificates() }

    package enum Kind: String, CaseIterable, Sendable {
        case good, wrongHost, expired, notYetValid, selfSigned
        /// For 127.0.0.1 and for ::1; and one with an address where only names belong.
        case address, address6, addressAsName
        case wildcard, partialWildcard
        /// The host stands in the subject only, where nobody looks any more (RFC 9525, 2).
        case commonNameOnly
        /// Issued by ``TestCertificates/intermediate``.
        case viaIntermediate
        /// RSA of 1024 bits.
        case weakKey
        /// Signed with SHA-1.
        case weakHash
        /// Meant for clients only.
        case client
        /// A client's, issued by ``TestCertificates/otherAuthority``.
        case strangeClient, expiredClient

        fileprivate var names: String? {
            switch self {
            case .good, .expired, .notYetValid, .selfSigned, .viaIntermediate, .weakKey, .weakHash: "DNS:localhost"
            case .wrongHost: "DNS:other.example"
            case .address: "IP:127.0.0.1"
            case .address6: "IP:::1"
            case .addressAsName: "DNS:127.0.0.1"
            case .wildcard: "DNS:*.wild.example"
            case .partialWildcard: "DNS:a*.wild.example"
            case .commonNameOnly: nil
            case .client, .strangeClient, .expiredClient: "DNS:localhost"
            }
        }

        fileprivate var purpose: String? {
            switch self {
            case .client, .strangeClient, .expiredClient: "clientAuth"
            default: nil
            }
        }

        fileprivate var issuer: String {
            switch self {
            case .viaIntermediate: "intermediate"
            case .strangeClient: "other"
            default: "ca"
            }
        }
    }

    package var authority: String { path("ca.pem") }
    /// An authority that has signed nothing that a server here shows.
    package var otherAuthority: String { path("other.pem") }
    /// Between ``authority`` and ``Kind/viaIntermediate``.
    package var intermediate: String { path("intermediate.pem") }
    package func certificate(_ kind: Kind) -> String { path("\(kind.rawValue).pem") }
    package func key(_ kind: Kind) -> String { path("\(kind.rawValue).key") }
    package func path(_ name: String) -> String { directory.appendingPathComponent(name).path }

    /// A copy of the key of ``Kind/client`` that only a password opens.
    package var encryptedKey: String { path("encrypted.key") }
    /// ``Kind/client`` and its key in one file.
    package var clientWithKey: String { path("client-with-key.pem") }

    private init() throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("upstream-tests-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try makeSelfSigned("ca", subject: "/CN=Test authority", names: nil)
        try makeSelfSigned("other", subject: "/CN=Other authority", names: nil)
        try makeSigned("intermediate", extensions: ["basicConstraints=critical,CA:TRUE"], issuer: "ca")
        for kind in Kind.allCases {
            if kind == .selfSigned {
                try makeSelfSigned(kind.rawValue, subject: "/CN=leaf", names: kind.names)
                continue
            }
            let extensions = [kind.names.map { "subjectAltName=\($0)" }, kind.purpose.map { "extendedKeyUsage=\($0)" }].compactMap { $0 }
            try makeSigned(
                kind.rawValue, subject: kind == .commonNameOnly ? "/CN=localhost" : "/CN=leaf", extensions: extensions, issuer: kind.issuer,
                newKey: kind == .weakKey ? ["-newkey", "rsa:1024"] : Self.newKey, hash: kind == .weakHash ? "-sha1" : "-sha256",
                days: [.expired, .expiredClient].contains(kind) ? "-1" : "30", begin: kind == .notYetValid ? "20990101000000Z" : nil)
        }
        try openssl("ec", "-in", key(.client), "-aes256", "-passout", "pass:secret", "-out", encryptedKey)
        try concatenate([certificate(.client), key(.client)], to: clientWithKey)
    }

    package func concatenate(_ files: [String], to target: String) throws {
        let parts = try files.map { try Data(contentsOf: URL(fileURLWithPath: $0)) }
        try Data(parts.joined()).write(to: URL(fileURLWithPath: target))
    }

    private static let newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]

    private func makeSelfSigned(_ name: String, subject: String, names: String?) throws {
        let extensions = names.map { ["-addext", "subjectAltName=\($0)"] } ?? []
        try openssl(
            ["req", "-x509", "-subj", subject, "-days", "30", "-nodes", "-keyout", path("\(name).key"), "-out", path("\(name).pem")]
                + extensions + Self.newKey)
    }

    private func makeSigned(
        _ name: String, subject: String? = nil, extensions: [String], issuer: String, newKey: [String] = newKey, hash: String = "-sha256",
        days: String = "30", begin: String? = nil
    ) throws {
        let (request, extensionFile) = (path("\(name).csr"), path("\(name).ext"))
        try openssl(
            ["req", "-new", "-subj", subject ?? "/CN=\(name)", "-nodes", "-keyout", path("\(name).key"), "-out", request] + newKey)
        try Data((extensions.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: extensionFile))
        let (authority, authorityKey) = (path("\(issuer).pem"), path("\(issuer).key"))
        guard let begin else {
            try openssl(
                "x509", "-req", hash, "-in", request, "-CA", authority, "-CAkey", authorityKey, "-CAcreateserial", "-days", days,
                "-extfile", extensionFile, "-out", path("\(name).pem"))
            return
        }
        // Only `openssl ca` lets a certificate begin at another time than now, and it wants files to keep its books in.
        let books = path("books.conf")
        try Data().write(to: URL(fileURLWithPath: path("index.txt")))
        try Data(
            """
            [ca]
            default_ca = books
            [books]
            database = \(path("index.txt"))
            new_certs_dir = \(directory.path)
            rand_serial = yes
            default_md = sha256
            policy = any
            [any]
            commonName = supplied

            """.utf8
        ).write(to: URL(fileURLWithPath: books))
        try openssl(
            "ca", "-batch", "-notext", "-config", books, "-cert", authority, "-keyfile", authorityKey, "-in", request, "-out",
            path("\(name).pem"), "-startdate", begin, "-enddate", "20991231000000Z", "-extfile", extensionFile)
    }

    private func openssl(_ arguments: String...) throws { try openssl(arguments) }

    private func openssl(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw OpenSSLFailed(arguments: arguments) }
    }

    package struct OpenSSLFailed: Error {
        package var arguments: [String]
    }
}
