import NIOConcurrencyHelpers

/// An event that is stored: it can be shown, and read again by its position.
package final class LoggedEvent: Sendable {
    package let position: EventPosition
    /// Unix milliseconds.
    package let createdAtMilliseconds: Int
    /// The frame as it came from upstream.
    package let frame: [UInt8]

    private let renderings = NIOLockedValueBox<[(key: Int, frames: [[UInt8]])]>([])
    /// Two dialects, as streams show them and as filters read them.
    private static let maximumRenderings = 4

    init(position: EventPosition, createdAtMilliseconds: Int, frame: [UInt8]) {
        self.position = position
        self.createdAtMilliseconds = createdAtMilliseconds
        self.frame = frame
    }

    /// The event as some reader spells it, in no, one or several frames, made once and shared by all readers with the same key.
    ///
    /// `make` runs on the caller's thread, outside of any lock: readers that ask at the same moment may each make it, and share what
    /// the first one made. The first four keys are kept, any other is made anew each time.
    package func rendering(_ key: Int, _ make: () -> [[UInt8]]) -> [[UInt8]] {
        if let kept = renderings.withLockedValue({ held in held.first { $0.key == key } }) { return kept.frames }
        let frames = make()
        return renderings.withLockedValue { held in
            if let kept = held.first(where: { $0.key == key }) { return kept.frames }
            if held.count < Self.maximumRenderings { held.append((key, frames)) }
            return frames
        }
    }

    var storedBytes: Int { frame.count + StoredEvent.overheadBytes }
}
