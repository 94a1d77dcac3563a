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

/// Event names, each exact (`error`) or with a star at its end (`response.*`).
struct TypePatterns: Sendable, Equatable {
    private struct Pattern: Sendable, Equatable {
        let text: [UInt8]
        let isPrefix: Bool
    }

    private let patterns: [Pattern]

    /// Each event is held against each pattern, so their number is bounded.
    static let limit = 64

    /// Reads a list with commas; nil if it is empty, too long, or a star stands elsewhere than at a name's end.
    init?(_ list: String) {
        var patterns: [Pattern] = []
        for name in list.split(separator: ",", omittingEmptySubsequences: false) {
            let isPrefix = name.hasSuffix("*")
            let text = isPrefix ? name.dropLast() : name
            guard !name.isEmpty, !text.contains("*"), patterns.count < Self.limit else { return nil }
            patterns.append(Pattern(text: Array(text.utf8), isPrefix: isPrefix))
        }
        self.patterns = patterns
    }

    func matches(_ type: ArraySlice<UInt8>) -> Bool {
        patterns.contains { $0.isPrefix ? type.starts(with: $0.text) : type.elementsEqual($0.text) }
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
