import Realtime

/// A JSON object of the bridge's own: its known fields, read with the name of the one that is wrong.
struct BodyFields: Sendable {
    let json: JSON

    /// - Parameter json: an object.
    init(json: JSON) {
        self.json = json
    }

    /// Reads a body; empty is an object without members.
    /// - Throws: `JSONError`, or 400 for anything but an object.
    init(_ bytes: [UInt8]) throws {
        let json = try JSON.parse(bytes.allSatisfy { $0 <= 0x20 } ? Array("{}".utf8) : bytes)
        guard json.kind == .object else {
            throw APIError(.badRequest, code: "invalid_json", "The body must be a JSON object.")
        }
        self.json = json
    }

    /// Refuses what is not there to be set, so that no misspelt field is ignored.
    func check(known: [String]) throws(APIError) {
        for (name, _) in json.members where !known.contains(name) {
            let param = String(name.prefix(64))
            let names = known.isEmpty ? "none is" : "there is \(known.joined(separator: ", "))"
            throw APIError(.badRequest, code: "unknown_parameter", "The field '\(param)' is not known here; \(names).", param: param)
        }
    }

    /// The field if it is there and not null.
    subscript(_ name: String) -> JSON? {
        json[name].flatMap { $0.isNull ? nil : $0 }
    }

    func string(_ name: String) throws(APIError) -> String? {
        try read(name, "a string", \.string)
    }

    func bool(_ name: String) throws(APIError) -> Bool? {
        try read(name, "true or false", \.bool)
    }

    func int(_ name: String, in range: ClosedRange<Int>) throws(APIError) -> Int? {
        try read(name, "a whole number from \(range.lowerBound) to \(range.upperBound)") {
            $0.int.flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// One of a closed set of words.
    func choice<Choice: RawRepresentable & CaseIterable>(_ name: String, as type: Choice.Type) throws(APIError) -> Choice?
    where Choice.RawValue == String {
        let words = Choice.allCases.map(\.rawValue)
        return try read(name, words.dropLast().joined(separator: ", ") + " or " + words[words.count - 1]) { $0.string.flatMap(Choice.init) }
    }

    func object(_ name: String) throws(APIError) -> JSON? {
        try read(name, "an object") { $0.kind == .object ? $0 : nil }
    }

    func required<Value>(_ name: String, _ value: Value?) throws(APIError) -> Value {
        guard let value else {
            throw APIError(.badRequest, code: "missing_required_parameter", "'\(name)' is missing.", param: name)
        }
        return value
    }

    private func read<Value>(_ name: String, _ expected: String, _ value: (JSON) -> Value?) throws(APIError) -> Value? {
        guard let field = self[name] else { return nil }
        guard let value = value(field) else { throw Self.wrong(name, expected) }
        return value
    }

    static func wrong(_ name: String, _ expected: String) -> APIError {
        APIError(.badRequest, code: "invalid_value", "'\(name)' must be \(expected).", param: name)
    }
}
