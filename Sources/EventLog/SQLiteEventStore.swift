extension MemoryEventStore {
    convenience init(folder: String, synchronous: EventLogConfiguration.Synchronous) throws(EventLogError) {
        throw EventLogError(.unavailable, "Not on disk yet.")
    }
}
typealias SQLiteEventStore = MemoryEventStore
