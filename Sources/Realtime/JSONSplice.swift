/// Edits of one JSON text that leave every untouched byte as it was.
///
/// Edits are collected and applied in one go by ``bytes``; they must not overlap.
package struct JSONSplice: Sendable {
    private let text: JSONText
    private var edits: [(range: Range<Int>, replacement: [UInt8])] = []
    /// Names added or removed per object, so that commas come out right when several members of one object are touched.
    private var objects: [Int: ObjectEdit] = [:]

    private struct ObjectEdit {
        var removed: Set<Int> = []
        var added: [(name: String, value: [UInt8])] = []
    }

    package init(_ json: JSON) {
        text = json.text
    }

    /// Writes other bytes, which must be a JSON value, in the place of a value.
    package mutating func replace(_ value: JSON, with bytes: [UInt8]) {
        edits.append((value.range, bytes))
    }

    /// Takes the members of a name out of an object of the text; nothing happens if there are none.
    package mutating func remove(_ name: String, from object: JSON) {
        for member in object.memberRanges where text.string(at: member.key, equals: name) {
            objects[object.index, default: ObjectEdit()].removed.insert(member.key)
        }
    }

    /// Takes out of an object of the text what comes again under a name that was there before: nobody reads it (``ServerEvent``), and the
    /// same edit made twice would tear the text.
    mutating func removeRepetitions(in object: JSON) {
        var seen: Set<String> = []
        for member in object.memberRanges where !seen.insert(text.string(at: member.key)).inserted {
            objects[object.index, default: ObjectEdit()].removed.insert(member.key)
        }
    }

    /// Gives a member of an object of the text another value, or adds it at the object's end.
    package mutating func set(_ name: String, of object: JSON, to bytes: [UInt8]) {
        if let present = object[name] {
            replace(present, with: bytes)
        } else {
            objects[object.index, default: ObjectEdit()].added.append((name, bytes))
        }
    }

    /// Puts other members in the place of one; nothing happens if there is none of that name, and none of it stays if there are no others.
    package mutating func substitute(_ name: String, of object: JSON, with members: [(name: String, value: [UInt8])]) {
        guard !members.isEmpty else { return remove(name, from: object) }
        guard let member = object.memberRanges.first(where: { text.string(at: $0.key, equals: name) }) else { return }
        let range = Int(text.nodes[member.key].start)..<Int(text.nodes[member.value].end)
        edits.append((range, Self.written(members)))
    }

    private static func written(_ members: [(name: String, value: [UInt8])]) -> [UInt8] {
        var out: [UInt8] = []
        for (index, member) in members.enumerated() {
            if index > 0 { out.append(UInt8(ascii: ",")) }
            JSONValue.write(member.name, into: &out)
            out.append(UInt8(ascii: ":"))
            out.append(contentsOf: member.value)
        }
        return out
    }

    /// The text with all edits made.
    package var bytes: [UInt8] {
        var all = edits
        for (index, edit) in objects { all.append(contentsOf: rewrite(JSON(text: text, index: index), edit)) }
        // An insertion right behind a replaced last member starts where the replacement ends, so it sorts after it.
        all.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
        var out: [UInt8] = []
        out.reserveCapacity(text.bytes.count + all.reduce(0) { $0 + $1.replacement.count })
        var position = 0
        for edit in all {
            out.append(contentsOf: text.bytes[position..<edit.range.lowerBound])
            out.append(contentsOf: edit.replacement)
            position = edit.range.upperBound
        }
        out.append(contentsOf: text.bytes[position...])
        return out
    }

    /// Removals as ranges from one surviving member's end to the next one's start, then the additions before the brace.
    private func rewrite(_ object: JSON, _ edit: ObjectEdit) -> [(range: Range<Int>, replacement: [UInt8])] {
        var result: [(range: Range<Int>, replacement: [UInt8])] = []
        let members = object.memberRanges
        let inside = object.range.lowerBound + 1
        var survivorEnd: Int?
        var pendingFrom: Int?
        for member in members {
            let start = Int(text.nodes[member.key].start)
            let end = Int(text.nodes[member.value].end)
            if edit.removed.contains(member.key) {
                if pendingFrom == nil { pendingFrom = survivorEnd ?? inside }
                continue
            }
            if let from = pendingFrom {
                // Everything between two survivors goes but one comma; before the first survivor nothing is kept.
                result.append((from..<start, survivorEnd == nil ? [] : [UInt8(ascii: ",")]))
                pendingFrom = nil
            }
            survivorEnd = end
        }
        let close = object.range.upperBound - 1
        if let from = pendingFrom { result.append((from..<close, [])) }
        if !edit.added.isEmpty {
            let comma = survivorEnd == nil ? [] : [UInt8(ascii: ",")]
            result.append((close..<close, comma + Self.written(edit.added)))
        }
        return result
    }
}
