/// The one `metadata` pair of the bridge's on every `response.create`, by which `response.created` and `response.done` are told
/// apart: a response has no other field that a client can choose and that comes back (PROTOCOL.md section 3).
///
/// `metadata` holds at most 16 pairs. When the caller has used them all, one of them travels inside the token's value and the
/// views put it back, so nothing about it needs to be remembered.
package enum CorrelationToken {
    package static let key = "realtime_bridge"
    package static let maximumPairs = 16
    private static let maximumValueCharacters = 512
    /// Between the token, the carried pair's key and its value. Tokens and their length are the bridge's, so it cannot be misread.
    private static let separator: Character = "|"

    package enum Refusal: Error, Equatable {
        case metadataIsNoObject
        /// Upstream would refuse them too, but count the bridge's own.
        case tooManyPairs(Int)
        /// The caller used the bridge's own key.
        case reservedKey
        /// 16 pairs, and none short enough to travel with the token.
        case noRoom
    }

    /// The `response` object of a `response.create` with the token in its metadata.
    /// - Parameter token: characters other than `|`.
    package static func stamp(_ response: JSON, token: String) throws(Refusal) -> [UInt8] {
        var splice = JSONSplice(response)
        guard let metadata = response["metadata"], !metadata.isNull else {
            splice.set("metadata", of: response, to: JSONValue.object([(key, .string(token))]).bytes)
            return splice.bytes
        }
        guard metadata.kind == .object else { throw .metadataIsNoObject }
        guard metadata[key] == nil else { throw .reservedKey }
        let pairs = metadata.members
        guard pairs.count <= maximumPairs else { throw .tooManyPairs(pairs.count) }
        guard pairs.count == maximumPairs else {
            splice.set(key, of: metadata, to: JSONValue.string(token).bytes)
            return splice.bytes
        }
        let room = maximumValueCharacters - token.count - 2
        let carried = pairs.last { pair in
            guard let value = pair.value.string, !pair.name.contains(separator) else { return false }
            return pair.name.count + value.count <= room
        }
        guard let carried, let value = carried.value.string else { throw .noRoom }
        splice.remove(carried.name, from: metadata)
        splice.set(key, of: metadata, to: JSONValue.string("\(token)\(separator)\(carried.name)\(separator)\(value)").bytes)
        return splice.bytes
    }

    /// The bare token in a response object's metadata; nil if the bridge did not ask for this response.
    package static func read(from response: JSON) -> String? {
        response["metadata"]?[key]?.string.map { String($0.prefix { $0 != separator }) }
    }

    /// Takes the bridge's pair out of a response object's metadata and puts back what it carried.
    package static func remove(from response: JSON, with splice: inout JSONSplice) {
        guard let metadata = response["metadata"], let value = metadata[key] else { return }
        let parts = (value.string ?? "").split(separator: separator, maxSplits: 2, omittingEmptySubsequences: false)
        if parts.count == 3 {
            splice.remove(key, from: metadata)
            splice.set(String(parts[1]), of: metadata, to: JSONValue.string(String(parts[2])).bytes)
        } else if metadata.members.count == 1 {
            splice.replace(metadata, with: Array("null".utf8))
        } else {
            splice.remove(key, from: metadata)
        }
    }
}
