import Foundation

/// Certificates of every kind, made by the `openssl` command once per run, in a temporary directory.
struct TestCertificates: Sendable {
    let directory: URL

    static let shared = Result { try TestCertificates() }

    enum Kind: String, CaseIterable, Sendable {
        case good, wrongHost, expired, address, selfSigned

        fileprivate var names: String {
            switch self {
            case .good, .expired, .selfSigned: "DNS:localhost"
            case .wrongHost: "DNS:other.example"
            case .address: "IP:127.0.0.1"
            }
        }
    }

    var authority: String { path("ca.pem") }
    /// An authority that has signed nothing here.
    var otherAuthority: String { path("other.pem") }
    func certificate(_ kind: Kind) -> String { path("\(kind.rawValue).pem") }
    func key(_ kind: Kind) -> String { path("\(kind.rawValue).key") }
    func path(_ name: String) -> String { directory.appendingPathComponent(name).path }

    private init() throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("upstream-tests-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try makeSelfSigned("ca", subject: "/CN=Test authority", names: nil)
        try makeSelfSigned("other", subject: "/CN=Other authority", names: nil)
        for kind in Kind.allCases {
            if kind == .selfSigned {
                try makeSelfSigned(kind.rawValue, subject: "/CN=leaf", names: kind.names)
                continue
            }
            try openssl("req", "-new", "-subj", "/CN=leaf", "-keyout", key(kind), "-out", path("\(kind).csr"), isNewKey: true)
            try Data("subjectAltName=\(kind.names)\n".utf8).write(to: URL(fileURLWithPath: path("\(kind).ext")))
            try openssl(
                "x509", "-req", "-in", path("\(kind).csr"), "-CA", authority, "-CAkey", path("ca.key"), "-CAcreateserial",
                "-days", kind == .expired ? "-1" : "30", "-extfile", path("\(kind).ext"), "-out", certificate(kind))
        }
    }

    private func makeSelfSigned(_ name: String, subject: String, names: String?) throws {
        let extensions = names.map { ["-addext", "subjectAltName=\($0)"] } ?? []
        try openssl(
            ["req", "-x509", "-subj", subject, "-days", "30", "-keyout", path("\(name).key"), "-out", path("\(name).pem")] + extensions,
            isNewKey: true)
    }

    private func openssl(_ arguments: String..., isNewKey: Bool = false) throws { try openssl(arguments, isNewKey: isNewKey) }

    private func openssl(_ arguments: [String], isNewKey: Bool) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        let newKey = isNewKey ? ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"] : []
        process.arguments = ["openssl"] + arguments + newKey
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw OpenSSLFailed(arguments: arguments) }
    }

    struct OpenSSLFailed: Error {
        var arguments: [String]
    }
}
