import Foundation
import TestSupport

@testable import Realtime

/// A schema of `openapi.json`, in the few words of JSON Schema that `EventSchemasTests` holds those of events to.
struct EventSchema: Sendable {
    let isNever: Bool
    let reference: String?
    let choices: [EventSchema]
    let types: [String]
    /// `const` and `enum`.
    let values: [JSON]
    let properties: [(name: String, schema: EventSchema)]
    let required: [String]
    /// Of an array; one or none.
    let items: [EventSchema]
    /// Of members that are not among ``properties``; one or none.
    let others: [EventSchema]
    let range: ClosedRange<Double>
    let minimumItems: Int
    let maximumLength: Int

    init(_ json: JSON) {
        isNever = json.kind == .false
        reference = json["$ref"]?.string.flatMap { $0.split(separator: "/").last.map(String.init) }
        choices = (json["anyOf"]?.elements ?? []).map(EventSchema.init)
        types = json["type"].map { $0.string.map { [$0] } ?? $0.elements.compactMap(\.string) } ?? []
        values = (json["const"].map { [$0] } ?? []) + (json["enum"]?.elements ?? [])
        properties = (json["properties"]?.members ?? []).map { ($0.name, EventSchema($0.value)) }
        required = json["required"]?.elements.compactMap(\.string) ?? []
        items = json["items"].map { [EventSchema($0)] } ?? []
        others = json["additionalProperties"].map { [EventSchema($0)] } ?? []
        range = (json["minimum"]?.double ?? -.infinity)...(json["maximum"]?.double ?? .infinity)
        minimumItems = json["minItems"]?.int ?? 0
        maximumLength = json["maxLength"]?.int ?? .max
    }

    /// By name: `beta.session.created`, `realtime.Usage`.
    static let all: [String: EventSchema] = {
        guard let bytes = try? Data(contentsOf: PythonTool.root.appending(path: "openapi.json")), let json = try? JSON.parse(Array(bytes)),
            let schemas = json["components"]?["schemas"]
        else { preconditionFailure("openapi.json cannot be read") }
        return Dictionary(uniqueKeysWithValues: schemas.members.map { ($0.name, EventSchema($0.value)) })
    }()

    static func event(_ name: String, in dialect: Dialect) -> EventSchema? { all["\(dialect.rawValue).\(name)"] }

    var resolved: EventSchema { reference.flatMap { Self.all[$0]?.resolved } ?? self }

    /// What is wrong with a value, if anything is.
    func fault(in value: JSON, at path: String = "$") -> String? {
        let schema = resolved
        if schema.isNever { return "\(path) must not be there" }
        if !schema.choices.isEmpty {
            let faults = schema.choices.map { $0.fault(in: value, at: path) }
            if faults.allSatisfy({ $0 != nil }) { return "none fits: \(faults.compactMap(\.self))" }
        }
        if !schema.types.isEmpty, !schema.types.contains(where: value.is) { return "\(path) is no \(schema.types)" }
        if !schema.values.isEmpty, !schema.values.contains(where: value.equals) { return "\(path) is none of the values" }
        if let number = value.double, !schema.range.contains(number) { return "\(path) is out of range" }
        if let text = value.string, text.unicodeScalars.count > schema.maximumLength { return "\(path) is too long" }
        switch value.kind {
        case .object: return schema.fault(inMembersOf: value, at: path)
        case .array:
            if value.elements.count < schema.minimumItems { return "\(path) has too few" }
            for (index, element) in value.elements.enumerated() {
                if let fault = schema.items.first?.fault(in: element, at: "\(path)[\(index)]") { return fault }
            }
            return nil
        default: return nil
        }
    }

    private func fault(inMembersOf value: JSON, at path: String) -> String? {
        let members = Dictionary(value.members.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        for name in required where members[name] == nil { return "\(path).\(name) is missing" }
        for (name, schema) in properties {
            if let member = members[name], let fault = schema.fault(in: member, at: "\(path).\(name)") { return fault }
        }
        guard let others = others.first else { return nil }
        for (name, member) in members where !properties.contains(where: { $0.name == name }) {
            if let fault = others.fault(in: member, at: "\(path).\(name)") { return fault }
        }
        return nil
    }
}

extension JSON {
    fileprivate func `is`(_ type: String) -> Bool {
        switch type {
        case "boolean": bool != nil
        case "integer": double.map { $0 == $0.rounded() } ?? false
        default: type == "\(kind)"
        }
    }

    /// The same value, however it is spelt.
    fileprivate func equals(_ other: JSON) -> Bool {
        guard kind == other.kind else { return false }
        return switch kind {
        case .string: string == other.string
        case .array: elements.count == other.elements.count && zip(elements, other.elements).allSatisfy { $0.equals($1) }
        case .number: double == other.double
        default: lexeme == other.lexeme
        }
    }
}
