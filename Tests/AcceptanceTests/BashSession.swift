import Foundation
import TestSupport

/// A shell that runs one piece of script after the other and keeps its variables, as a reader's terminal does.
final class BashSession: Sendable {
    private static let endMark = "@@ the piece has ended @@"

    private let shell: ChildProcess

    /// Stops at the first command that fails, and at a variable that was never set.
    init(folder: URL) throws {
        shell = try ChildProcess(URL(filePath: "/bin/bash"), ["-eu"], folder: folder)
    }

    /// Runs a piece and returns what it wrote to standard output.
    /// - Throws: ``BashError`` with all that the shell wrote to standard error, if a command failed or the piece takes too long.
    func run(_ script: String, within limit: Duration = .seconds(60)) async throws -> String {
        // Commands must not read the script from the shell's own input. The empty line ends what the piece left unended.
        try shell.write("{ \(script)\n} </dev/null\nprintf '\\n%s\\n' '\(Self.endMark)'\n")
        var output: [String] = []
        // Over the whole piece: a stream that waits for what never comes still sends a line now and then.
        let end = ContinuousClock.now.advanced(by: limit)
        do {
            while true {
                let line = try await nextLine(within: ContinuousClock.now.duration(to: end))
                if line == Self.endMark { return output.joined(separator: "\n") }
                output.append(line)
            }
        } catch {
            throw BashError(description: "\(error)\n\(script)\n\(output.joined(separator: "\n"))\n\(shell.errorText)")
        }
    }

    /// A shell that has gone cannot say more: its end is told at once instead of after the wait.
    private func nextLine(within limit: Duration) async throws -> String {
        try await withThrowingTaskGroup(of: String.self) { group in
            group.addTask { [shell] in try await shell.nextLine(within: limit) }
            group.addTask { [shell] in
                throw BashError(description: "the shell ended with \(try await shell.exit(within: limit))")
            }
            defer { group.cancelAll() }
            return try await group.next()!
        }
    }

    func end() { shell.kill() }
}

/// A piece of script that failed.
struct BashError: Error, CustomStringConvertible {
    let description: String
}
