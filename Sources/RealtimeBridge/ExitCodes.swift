import ArgumentParser
import Foundation

/// Something the process needs is not to be had: a port, the store. Exit code 69 (sysexits.h, EX_UNAVAILABLE).
struct UnavailableError: Error, CustomStringConvertible {
    let description: String
}

/// Runs a command's body; what it throws is said on standard error and becomes the exit code of the command line's contract:
/// 64 usage, 69 unavailable, 78 configuration.
func exiting(_ body: () async throws -> Void) async throws {
    let code: Int32
    let reason: String
    do {
        return try await body()
    } catch let error as SettingError {
        (code, reason) = (78, error.description)
    } catch let error as UnavailableError {
        (code, reason) = (69, error.description)
    }
    FileHandle.standardError.write(Data("realtime-bridge: \(reason)\n".utf8))
    throw ExitCode(code)
}

/// Standard output carries one line per listener and nothing else, so that scripts can wait for it and read the address.
func announce(_ address: String) {
    FileHandle.standardOutput.write(Data("ready \(address)\n".utf8))
}
