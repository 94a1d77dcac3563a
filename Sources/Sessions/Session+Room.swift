import Realtime

// What keeps a caller from giving a session more than it can take.
extension Session {
    /// Waiting for the socket, before appends wait too.
    private static let outgoingLimitBytes = 1 << 20
    private static let roomLimit = Duration.seconds(30)

    /// - Parameter limit: until when a command waits for a place among those that are not answered yet; nil: not at all. Without one the machine
    ///   refuses it.
    func waitForRoom(andPlaceUntil limit: ContinuousClock.Instant?) async throws(SessionError) {
        while !isBroken {
            if waitingBytes > Self.outgoingLimitBytes {
                let promise = room ?? Promise<Void>()
                room = promise
                guard await promise.value(within: Self.roomLimit) != nil else {
                    throw SessionError(.tooManyCommands, "upstream takes less than it is sent; 1 MiB waits already")
                }
            } else if let limit, machine.isFull {
                let promise = place ?? Promise<Void>()
                place = promise
                guard await promise.value(within: max(.zero, limit - .now)) != nil else { return }
            } else {
                return
            }
        }
    }

    private var waitingBytes: Int { links.values.reduce(machine.queuedBytes) { $0 + $1.outgoingBytes } }

    /// To be called after whatever the machine has done, and when nothing is to be waited for any more.
    func tellOfRoom() {
        if let room, isBroken || waitingBytes <= Self.outgoingLimitBytes {
            self.room = nil
            room.fulfil(())
        }
        if let place, isBroken || !machine.isFull {
            self.place = nil
            place.fulfil(())
        }
    }
}
