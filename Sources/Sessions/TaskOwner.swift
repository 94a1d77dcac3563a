/// Runs the tasks of a room inside one `run()`, so that every task has an owner and stopping waits for all of them.
final class TaskOwner: Sendable {
    private let jobs: AsyncStream<@Sendable () async -> Void>
    private let intake: AsyncStream<@Sendable () async -> Void>.Continuation

    init() {
        // Unbounded: one job per upstream connection, whose number the session limit bounds.
        (jobs, intake) = AsyncStream.makeStream(bufferingPolicy: .unbounded)
    }

    func add(_ job: @escaping @Sendable () async -> Void) {
        intake.yield(job)
    }

    /// No job is taken after this; ``run()`` returns once those that run have ended.
    func finish() {
        intake.finish()
    }

    func run() async {
        await withDiscardingTaskGroup { group in
            for await job in jobs { group.addTask { await job() } }
        }
    }
}
