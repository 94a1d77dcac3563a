import EventLog
import HTTPServer
import Realtime
import Sessions

/// One admitted request on its way through a handler.
struct APICall: Sendable {
    let head: RequestHead
    let route: Route
    let parameters: [String: String]
    let caller: Caller
    let prefer: Prefer
    let body: BodyReader
    /// What was and is done of it, if it has an `Idempotency-Key`.
    var once: IdempotentRequest?

    init(head: RequestHead, route: Route, parameters: [String: String], caller: Caller, body: BodyReader) {
        self.head = head
        self.route = route
        self.parameters = parameters
        self.caller = caller
        self.body = body
        prefer = Prefer(head.headers.values("prefer"))
    }

    /// The upstream credential is the caller's own.
    var passesBearer: Bool { caller.bearer != nil }

    /// A path parameter of the route's pattern.
    func parameter(_ name: String) -> String {
        guard let value = parameters[name] else { preconditionFailure("\(route.pattern) has no parameter \(name)") }
        return value
    }

    func query(_ name: String) -> String? {
        head.query.first { $0.name == name }?.value
    }

    /// A switch in the query: `?keep=true`, or the bare name.
    func flag(_ name: String) throws(APIError) -> Bool {
        switch query(name) {
        case nil, "false"?: return false
        case "true"?, ""?: return true
        default: throw APIError(.badRequest, code: "invalid_value", "'\(name)' must be true or false.", param: name)
        }
    }

    /// Some of a closed set of words, with commas; nil if the parameter is not given.
    func choices<Choice: RawRepresentable & CaseIterable>(_ name: String, as type: Choice.Type) throws(APIError) -> [Choice]?
    where Choice.RawValue == String {
        guard let words = query(name) else { return nil }
        return try words.split(separator: ",", omittingEmptySubsequences: false).map { word throws(APIError) in
            guard let choice = Choice(rawValue: String(word)) else {
                let all = Choice.allCases.map(\.rawValue)
                throw BodyFields.wrong(
                    name, all.dropLast().joined(separator: ", ") + " or \(all[all.count - 1]), or some of them with commas")
            }
            return choice
        }
    }

    /// The dialect the caller asks for by query or header; nil if it does not say.
    func dialect() throws(APIError) -> Dialect? {
        if let name = query("dialect") {
            guard let dialect = Dialect(rawValue: name) else {
                throw APIError(.badRequest, code: "invalid_value", "'dialect' must be beta or ga.", param: "dialect")
            }
            return dialect
        }
        let isBeta = head.headers.values("openai-beta").contains {
            $0.split(separator: ",").contains { $0.filter { $0 != " " } == "realtime=v1" }
        }
        return isBeta ? .beta : nil
    }

    /// How the caller is shown a session, and how its payloads for it are read: as it asks, else as the session says.
    func view(of record: SessionRecord) throws(APIError) -> DialectView {
        DialectView(of: record.upstreamDialect, in: try dialect() ?? record.dialect)
    }

    var accept: Accept { Accept(head) }
}
