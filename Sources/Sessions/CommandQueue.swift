import DequeModule
import Realtime

/// Commands that wait for a connection, or for their turn on it, oldest first.
struct CommandQueue: Sendable {
    private var commands = Deque<Command>()
    /// Of the frames that wait.
    private(set) var bytes = 0

    var isEmpty: Bool { commands.isEmpty }
    var first: Command? { commands.first }
    var all: Deque<Command> { commands }

    mutating func append(_ command: Command) {
        bytes += command.event.frame.count
        commands.append(command)
    }

    mutating func removeFirst() -> Command {
        let command = commands.removeFirst()
        bytes -= command.event.frame.count
        return command
    }

    /// - Returns: whether it was there and fits.
    mutating func remove(_ id: CommandID, where fits: (Command) -> Bool) -> Bool {
        guard let index = commands.firstIndex(where: { $0.id == id && fits($0) }) else { return false }
        bytes -= commands.remove(at: index).event.frame.count
        return true
    }

    mutating func removeAll() -> [Command] {
        // An array made of an empty deque writes to the storage that all empty arrays share, which the thread sanitizer sees.
        guard !commands.isEmpty else { return [] }
        defer { self = CommandQueue() }
        return Array(commands)
    }
}
