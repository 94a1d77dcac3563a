@testable import Realtime

/// The leaves of a payload: path → bytes. Names are decoded, values as they were spelt.
struct Leaves {
    private(set) var lexemes: [[String]: String] = [:]
    private var decoded: [[String]: String] = [:]

    init(_ json: JSON) {
        gather(json, at: [])
    }

    private mutating func gather(_ json: JSON, at path: [String]) {
        let children: [(String, JSON)] =
            switch json.kind {
            case .object: json.members.map { ($0.name, $0.value) }
            case .array: json.elements.enumerated().map { ("\($0.offset)", $0.element) }
            default: []
            }
        for (name, child) in children { gather(child, at: path + [name]) }
        guard children.isEmpty else { return }
        decoded[path] = json.string
        // What is empty may have white space in it.
        lexemes[path] = String(decoding: json.lexeme.filter { json.kind == .string || !Self.space.contains($0) }, as: UTF8.self)
    }

    private static let space: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0D]

    var paths: [[String]] { lexemes.keys.sorted { $0.lexicographicallyPrecedes($1) } }

    func string(at path: [String]) -> String? { decoded[path] }
}
