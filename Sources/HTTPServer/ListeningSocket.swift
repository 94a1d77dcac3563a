// Both, because the socket headers belong to whichever C module the compiler reads first.
import CMicroHTTPD
import Glibc
import NIOConcurrencyHelpers

/// A socket that listens, and the file of a Unix one.
final class ListeningSocket: Sendable {
    let descriptor: Int32
    /// With the port that the system picked.
    let address: ListenAddress
    /// Our socket file; another process may have put its own there since.
    private let file: (path: String, device: dev_t, inode: ino_t)?
    private let isClosed = NIOLockedValueBox(false)

    private init(descriptor: Int32, address: ListenAddress, file: (path: String, device: dev_t, inode: ino_t)? = nil) {
        self.descriptor = descriptor
        self.address = address
        self.file = file
    }

    /// Binds and listens.
    static func open(_ address: ListenAddress, mode: mode_t) throws(HTTPServerError) -> ListeningSocket {
        switch address {
        case .tcp(let host, let port): try openTCP(host: host, port: port, named: address)
        case .unix(let path): try openUnix(path: path, mode: mode, named: address)
        }
    }

    /// Refuses clients, those not accepted yet too, and removes the socket file. Once; later calls do nothing.
    func close() {
        let wasClosed = isClosed.withLockedValue { isClosed in
            defer { isClosed = true }
            return isClosed
        }
        guard !wasClosed else { return }
        removeFile()
        // Copies of the descriptor that libmicrohttpd may hold do not keep it listening.
        _ = Glibc.shutdown(descriptor, Int32(SHUT_RDWR))
        _ = Glibc.close(descriptor)
    }

    private func removeFile() {
        guard let file else { return }
        var status = stat()
        guard lstat(file.path, &status) == 0, status.st_dev == file.device, status.st_ino == file.inode else { return }
        unlink(file.path)
    }

    // MARK: TCP

    private static func openTCP(host: String, port: UInt16, named address: ListenAddress) throws(HTTPServerError) -> ListeningSocket {
        var hints = addrinfo()
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let problem = getaddrinfo(host, String(port), &hints, &list)
        defer { if let list { freeaddrinfo(list) } }
        guard problem == 0, let first = list else {
            let reason = problem == 0 ? "no address" : String(cString: gai_strerror(problem))
            throw HTTPServerError(code: .addressUnavailable, message: "cannot listen on \(address): \(reason)")
        }
        // A name may have addresses of both families; IPv4 is what `localhost` means to most clients.
        let chosen = sequence(first: first, next: { $0.pointee.ai_next }).first { $0.pointee.ai_family == AF_INET } ?? first
        let descriptor = try newSocket(family: chosen.pointee.ai_family, named: address)
        SocketOptions.set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        if chosen.pointee.ai_family == AF_INET6 { SocketOptions.set(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
        guard bind(descriptor, chosen.pointee.ai_addr, chosen.pointee.ai_addrlen) == 0, listen(descriptor, SOMAXCONN) == 0 else {
            throw closing(descriptor, after: errno, named: address)
        }
        var bound = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let text = withUnsafeMutableBytes(of: &bound) { bytes -> (host: String, port: UInt16)? in
            let address = bytes.assumingMemoryBound(to: sockaddr.self).baseAddress
            guard let address, getsockname(descriptor, address, &length) == 0 else { return nil }
            return NumericAddress.text(of: address)
        }
        guard let text else { throw closing(descriptor, after: errno, named: address) }
        return ListeningSocket(descriptor: descriptor, address: .tcp(host: text.host, port: text.port))
    }

    // MARK: Unix

    private static func openUnix(path: String, mode: mode_t, named address: ListenAddress) throws(HTTPServerError) -> ListeningSocket {
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        let room = MemoryLayout.size(ofValue: name.sun_path) - 1
        guard path.utf8.count <= room else {
            throw HTTPServerError(code: .badUnixPath, message: "cannot listen on \(address): the path is longer than \(room) bytes")
        }
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: path.utf8) }
        try removeStaleFile(path, name, named: address)
        let descriptor = try newSocket(family: AF_UNIX, named: address)
        // unix(7) binds the file with the socket's own mode, less the umask: never wider than asked for, not even for a moment.
        _ = fchmod(descriptor, mode)
        guard withSocketAddress(name, { bind(descriptor, $0, $1) }) == 0 else { throw closing(descriptor, after: errno, named: address) }
        var status = stat()
        // Gives back what the umask took. Nobody can connect before `listen`.
        guard chmod(path, mode) == 0, lstat(path, &status) == 0, listen(descriptor, SOMAXCONN) == 0 else {
            let reason = errno
            unlink(path)
            throw closing(descriptor, after: reason, named: address)
        }
        return ListeningSocket(descriptor: descriptor, address: address, file: (path, status.st_dev, status.st_ino))
    }

    /// A socket file that nobody answers on is left over from a process that died. Anything else is not ours to remove.
    private static func removeStaleFile(_ path: String, _ name: sockaddr_un, named address: ListenAddress) throws(HTTPServerError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw HTTPServerError(code: .badUnixPath, message: "cannot listen on \(address): a file that is not a socket is there")
        }
        let probe = try newSocket(family: AF_UNIX, named: address)
        defer { _ = Glibc.close(probe) }
        let refused = withSocketAddress(name, { connect(probe, $0, $1) }) != 0 && errno == ECONNREFUSED
        guard refused else {
            throw HTTPServerError(code: .addressInUse, message: "cannot listen on \(address): another process listens there")
        }
        unlink(path)
    }

    private static func withSocketAddress<R>(_ name: sockaddr_un, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        withUnsafePointer(to: name) { name in
            name.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
    }

    // MARK: Both

    private static func newSocket(family: Int32, named address: ListenAddress) throws(HTTPServerError) -> Int32 {
        let kind = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
        let descriptor = socket(family, Int32(kind), 0)
        guard descriptor >= 0 else { throw failure(errno, named: address) }
        return descriptor
    }

    private static func closing(_ descriptor: Int32, after reason: Int32, named address: ListenAddress) -> HTTPServerError {
        _ = Glibc.close(descriptor)
        return failure(reason, named: address)
    }

    private static func failure(_ reason: Int32, named address: ListenAddress) -> HTTPServerError {
        let code: HTTPServerError.Code
        switch (reason, address) {
        case (EADDRINUSE, _): code = .addressInUse
        case (EACCES, .unix), (ENOENT, .unix), (ENOTDIR, .unix), (EROFS, .unix), (ELOOP, .unix): code = .badUnixPath
        case (EACCES, _), (EADDRNOTAVAIL, _), (EAFNOSUPPORT, _): code = .addressUnavailable
        default: code = .systemFailure
        }
        return HTTPServerError(code: code, message: "cannot listen on \(address): \(String(cString: strerror(reason)))")
    }
}
