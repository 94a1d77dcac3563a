import Realtime

/// The two fields of an event that streams are filtered by, in one shared block of bytes.
///
/// Kept as a rendering of the event, so that its frame is read once however many filtered streams it passes.
struct EventHead: Sendable {
    /// The type's length in four bytes, little-endian; the type; the response id.
    let bytes: [UInt8]

    private static let lengthBytes = 4

    init(type: String, responseID: String?) {
        let length = UInt32(clamping: type.utf8.count)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.lengthBytes + type.utf8.count + (responseID?.utf8.count ?? 0))
        for shift in stride(from: UInt32(0), to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: length >> shift)) }
        bytes += type.utf8
        if let responseID { bytes += responseID.utf8 }
        self.bytes = bytes
    }

    /// - Parameter rendered: the bytes of another head.
    init(rendered: [UInt8]) {
        bytes = rendered
    }

    private var typeEnd: Int {
        Self.lengthBytes + bytes.prefix(Self.lengthBytes).reversed().reduce(0) { $0 << 8 | Int($1) }
    }

    var type: ArraySlice<UInt8> { bytes[Self.lengthBytes..<typeEnd] }
    /// Empty without one.
    var responseID: ArraySlice<UInt8> { bytes[typeEnd...] }
}

/// Event names, each exact (`error`) or with one star for any text (`response.*`, `*.delta`).
struct TypePatterns: Sendable, Equatable {
    private struct Pattern: Sendable, Equatable {
        let prefix: [UInt8]
        /// What follows the star; nil without one.
        let suffix: [UInt8]?

        func matches(_ type: ArraySlice<UInt8>) -> Bool {
            guard let suffix else { return type.elementsEqual(prefix) }
            return type.count >= prefix.count + suffix.count && type.starts(with: prefix)
                && type.suffix(suffix.count).elementsEqual(suffix)
        }
    }

    private let patterns: [Pattern]

    /// Each event is held against each pattern, so their number is bounded.
    static let limit = 64

    /// Reads a list with commas; nil if it is too long, or a name is empty or has two stars.
    init?(_ list: String) {
        var patterns: [Pattern] = []
        for name in list.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = name.split(separator: "*", omittingEmptySubsequences: false)
            guard !name.isEmpty, parts.count <= 2, patterns.count < Self.limit else { return nil }
            patterns.append(Pattern(prefix: Array(parts[0].utf8), suffix: parts.count == 2 ? Array(parts[1].utf8) : nil))
        }
        self.patterns = patterns
    }

    func matches(_ type: ArraySlice<UInt8>) -> Bool {
        patterns.contains { $0.matches(type) }
    }
}

/// Which events a stream shows (API.md section 5).
struct EventFilter: Sendable, Equatable {
    var types: TypePatterns?
    var exclude: TypePatterns?
    var responseID: [UInt8]?

    /// Shows everything; then no event's head has to be read.
    var isOpen: Bool { types == nil && exclude == nil && responseID == nil }

    private static let alwaysShown = Array(BridgeEvent.closedType.utf8)

    func shows(_ head: EventHead) -> Bool {
        let type = head.type
        if type.elementsEqual(Self.alwaysShown) { return true }
        if let types, !types.matches(type) { return false }
        if let exclude, exclude.matches(type) { return false }
        return concernsResponse(head)
    }

    /// Whether the event belongs to the response asked for, if one is.
    func concernsResponse(_ head: EventHead) -> Bool {
        guard let responseID else { return true }
        return head.responseID.elementsEqual(responseID)
    }
}
