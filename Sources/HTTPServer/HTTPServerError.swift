/// Why a server cannot start.
package struct HTTPServerError: Error, Equatable, CustomStringConvertible {
    package enum Code: Sendable, Equatable {
        /// Another process listens there.
        case addressInUse
        /// The host has no address here, or the port needs a right that we lack.
        case addressUnavailable
        /// The Unix socket's path is too long, not writable, or taken by something that is not a stale socket.
        case badUnixPath
        /// More connections than the process may have open files.
        case connectionLimitTooHigh
        /// The system or libmicrohttpd refused for another reason.
        case systemFailure
        /// ``HTTPServer/start()`` was called a second time, or after ``HTTPServer/stop(within:)``.
        case alreadyStarted
    }

    package let code: Code
    /// Names the address or the limit and the system's reason.
    package let message: String

    package var description: String { message }
}
