import Glibc

/// The process's limit of open files (`RLIMIT_NOFILE`).
enum OpenFileLimit {
    /// For everything that is not a client's connection: the database, upstream sockets, timers, standard streams.
    static let reserve = 256

    /// Raises the soft limit to the hard one, which any process may, and checks that so many connections fit.
    static func prepare(forConnections connections: Int) throws(HTTPServerError) {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        if limit.rlim_cur < limit.rlim_max {
            limit.rlim_cur = limit.rlim_max
            _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        }
        guard UInt(clamping: connections + reserve) <= UInt(limit.rlim_cur) else {
            throw HTTPServerError(
                code: .connectionLimitTooHigh,
                message: "\(connections) connections need \(connections + reserve) open files, and the process may have \(limit.rlim_cur)")
        }
    }
}
