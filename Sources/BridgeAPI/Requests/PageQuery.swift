import Realtime

/// The part of a list that is asked for: `limit`, `after`, `before`, `order`.
struct PageQuery: Sendable, Equatable {
    var limit = 20
    var after: String?
    var before: String?
    var isAscending: Bool

    /// - Parameter ascending: the list's order unless the caller says.
    init(_ call: APICall, ascending: Bool) throws(APIError) {
        isAscending = ascending
        if let text = call.query("limit") {
            guard let number = Int(text), (1...100).contains(number) else {
                throw BodyFields.wrong("limit", "a whole number from 1 to 100")
            }
            limit = number
        }
        switch call.query("order") {
        case nil: break
        case "asc"?: isAscending = true
        case "desc"?: isAscending = false
        default: throw BodyFields.wrong("order", "asc or desc")
        }
        after = call.query("after")
        before = call.query("before")
    }

    /// Cuts the page out of a whole list that is in ascending order.
    ///
    /// With `before` alone it is the elements nearest before it. A cursor may be an element that is not shown (any more), so that a walk
    /// goes on where it was whatever happens to the element it stopped at.
    /// - Parameter isShown: what is deleted, or filtered out, is not.
    /// - Throws: 400 for a cursor that is not in the list: an empty page would look like the list's end.
    func cut<Element>(
        _ ascending: [Element], id: (Element) -> String, where isShown: (Element) -> Bool = { _ in true }
    ) throws(APIError) -> (page: [Element], hasMore: Bool) {
        var list = isAscending ? ascending[...] : ascending.reversed()[...]
        if let after {
            guard let index = list.firstIndex(where: { id($0) == after }) else { throw Self.unknownCursor("after") }
            list = list[(index + 1)...]
        }
        if let before {
            guard let index = list.firstIndex(where: { id($0) == before }) else { throw Self.unknownCursor("before") }
            list = list[..<index]
        }
        let shown = list.filter(isShown)
        let page = before != nil && after == nil ? shown.suffix(limit) : shown.prefix(limit)
        return (Array(page), page.count < shown.count)
    }

    static func unknownCursor(_ name: String) -> APIError {
        APIError(
            .badRequest, code: "invalid_cursor", "'\(name)' must be the id of an element of this list; start without it.", param: name)
    }
}

/// The shape of every list.
enum ListObject {
    static func value(_ elements: [(id: String, value: JSONValue)], hasMore: Bool) -> JSONValue {
        .object([
            ("object", "list"), ("data", .array(elements.map(\.value))), ("first_id", .string(orNull: elements.first?.id)),
            ("last_id", .string(orNull: elements.last?.id)), ("has_more", .bool(hasMore)),
        ])
    }
}
