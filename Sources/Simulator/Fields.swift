import Realtime

/// Reads the members of one object that a client sent, and refuses with the parameter's full path.
struct Fields {
    let json: JSON
    let path: String

    init(_ json: JSON, at path: String) throws(ProtocolError) {
        guard json.kind == .object else { throw .wrongKind(path, expected: "an object", found: json.kind) }
        self.json = json
        self.path = path
    }

    func path(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

    subscript(_ name: String) -> JSON? { json[name] }

    func isNull(_ name: String) -> Bool { json[name]?.isNull ?? false }

    func allowOnly(_ names: Set<String>) throws(ProtocolError) {
        for member in json.members where !names.contains(member.name) { throw .unknownParameter(path(member.name)) }
    }

    func string(_ name: String, maximum: Int? = nil) throws(ProtocolError) -> String? {
        guard let value = json[name] else { return nil }
        guard let text = value.string else { throw .wrongKind(path(name), expected: "a string", found: value.kind) }
        if let maximum, text.count > maximum { throw .tooLong(path(name), maximum: maximum) }
        return text
    }

    func requiredString(_ name: String, maximum: Int? = nil) throws(ProtocolError) -> String {
        guard let text = try string(name, maximum: maximum) else { throw .missing(path(name)) }
        return text
    }

    func choice(_ name: String, of supported: [String]) throws(ProtocolError) -> String? {
        guard let text = try string(name) else { return nil }
        guard supported.contains(text) else { throw .invalidValue(path(name), text, supported: supported) }
        return text
    }

    func bool(_ name: String) throws(ProtocolError) -> Bool? {
        guard let value = json[name] else { return nil }
        guard let truth = value.bool else { throw .wrongKind(path(name), expected: "a boolean", found: value.kind) }
        return truth
    }

    func int(_ name: String, in range: ClosedRange<Int>) throws(ProtocolError) -> Int? {
        guard let value = json[name] else { return nil }
        guard let number = value.int else { throw .wrongKind(path(name), expected: "an integer", found: value.kind) }
        guard range.contains(number) else {
            throw number < range.lowerBound
                ? ProtocolError(
                    code: "integer_below_min_value",
                    message:
                        "Invalid '\(path(name))': expected a value >= \(range.lowerBound), but got \(number) instead.",
                    param: path(name))
                : .invalidValue(path(name), "Invalid '\(path(name))': expected a value <= \(range.upperBound), but got \(number) instead.")
        }
        return number
    }

    func number(_ name: String, in range: ClosedRange<Double>) throws(ProtocolError) -> Double? {
        guard let value = json[name] else { return nil }
        guard let number = value.double else { throw .wrongKind(path(name), expected: "a number", found: value.kind) }
        guard range.contains(number) else {
            throw .invalidValue(
                path(name),
                "Invalid '\(path(name))': expected a value between \(range.lowerBound) and \(range.upperBound), but got \(number) instead.")
        }
        return number
    }

    /// The object of that name; nil if it is absent or null.
    func object(_ name: String) throws(ProtocolError) -> Fields? {
        guard let value = json[name], !value.isNull else { return nil }
        return try Fields(value, at: path(name))
    }

    func array(_ name: String) throws(ProtocolError) -> [JSON]? {
        guard let value = json[name] else { return nil }
        guard value.kind == .array else { throw .wrongKind(path(name), expected: "an array", found: value.kind) }
        return value.elements
    }
}
