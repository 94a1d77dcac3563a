import HTTPServer
import Sessions

/// Everything about a request that its head decides: whether it is let in, by which route, and whose it is.
///
/// The order is part of the contract: a page of another site learns nothing but that it is refused, a preflight needs no key, and an
/// unknown path is 404 with or without one.
struct Admission: Sendable {
    enum Decision: Sendable {
        case admitted(Route, parameters: [String: String], Caller)
        /// OPTIONS, preflight or not.
        case options(allow: String)
        case refused(APIError, Route?)
    }

    let rules: BrowserRules
    let authentication: Authentication
    let maximumBodyBytes: Int

    func decide(_ head: RequestHead) -> Decision {
        let match = RouteTable.match(method: head.method, path: head.segments)
        var route: Route?
        if case .route(let found, _) = match { route = found }
        do throws(APIError) {
            if route?.access != .probe { try rules.check(head) }
            if head.method == "OPTIONS" {
                if head.path == "*" { return .options(allow: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS") }
                guard case .otherMethods(let allow) = match else { throw Self.noRoute }
                return .options(allow: allow)
            }
            switch match {
            case .none:
                throw Self.noRoute
            case .otherMethods(let allow):
                throw APIError(
                    .methodNotAllowed, code: "method_not_allowed", "This path knows \(allow).", headers: ["allow": allow])
            case .route(let route, let parameters):
                let caller = route.access == .caller ? try authentication.caller(of: head) : Caller(owner: nil)
                try checkQuery(head, route)
                try checkBody(head, route)
                return .admitted(route, parameters: parameters, caller)
            }
        } catch {
            return .refused(error, route)
        }
    }

    private static let noRoute = APIError(.notFound, code: "route_not_found", "There is no such path; see /openapi.json.")

    /// Query values are never repeated in an answer or a log line: somebody may have put a key there.
    private func checkQuery(_ head: RequestHead, _ route: Route) throws(APIError) {
        var seen: Set<String> = []
        for (name, _) in head.query {
            guard route.allows(query: name) else {
                if ["key", "api_key", "apikey", "access_token", "token", "bearer", "authorization"].contains(name.lowercased()) {
                    throw APIError(
                        .badRequest, code: "key_in_query",
                        "Keys are not taken from the query, where they get logged; send 'Authorization: Bearer KEY'.",
                        param: name)
                }
                let known = route.query.map { $0.hasSuffix(".") ? $0 + "KEY" : $0 }.joined(separator: ", ")
                throw APIError(
                    .badRequest, code: "unknown_parameter",
                    "The query parameter '\(name.prefix(64))' is not known here; \(known.isEmpty ? "none is" : "there is \(known)").",
                    param: String(name.prefix(64)))
            }
            guard seen.insert(name).inserted || route.repeatable.contains(name) else {
                throw APIError(
                    .badRequest, code: "duplicate_parameter", "The query parameter '\(name.prefix(64))' is given twice.",
                    param: String(name.prefix(64)))
            }
        }
    }

    private func checkBody(_ head: RequestHead, _ route: Route) throws(APIError) {
        try IdempotencyKey.check(head, route)
        guard route.body != .none, head.hasBody else { return }
        let type = head.headers["content-type"].map(ContentType.init)
        let isSound = route.body == .jsonOrSound ? try SoundType(type) != .json : false
        if !isSound, let bytes = head.contentLength, bytes > maximumBodyBytes {
            throw APIError(
                .payloadTooLarge, code: "request_too_large",
                "The body has \(bytes) bytes; at most \(maximumBodyBytes) are read (setting --max-body).")
        }
        if let coding = head.headers["content-encoding"], coding.lowercased() != "identity" {
            throw APIError(.unsupportedMediaType, code: "unsupported_content_encoding", "Bodies are read without a content-encoding only.")
        }
        if let type, !type.isAcceptable(for: route.body) {
            let lines = route.body == .jsonOrLines ? " or application/x-ndjson" : ""
            throw APIError(.unsupportedMediaType, code: "unsupported_media_type", "Send application/json\(lines) here, in UTF-8.")
        }
    }
}

/// The parts of a `Content-Type` that decide here.
struct ContentType: Sendable {
    let name: String
    /// In their order; one without a value has an empty one.
    let parameters: [(name: String, value: String)]

    init(_ value: String) {
        let parts = value.lowercased().split(separator: ";", omittingEmptySubsequences: false).map {
            $0.filter { $0 != " " && $0 != "\t" && $0 != "\"" }
        }
        name = parts.first ?? ""
        parameters = parts.dropFirst().filter { !$0.isEmpty }.map { part in
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (String(sides[0]), sides.count > 1 ? String(sides[1]) : "")
        }
    }

    var charset: String? { parameters.first { $0.name == "charset" }?.value }

    var isLines: Bool { name == "application/x-ndjson" || name == "application/jsonl" }

    func isAcceptable(for body: Route.Body) -> Bool {
        guard charset == nil || charset == "utf-8" || charset == "us-ascii" else { return false }
        switch body {
        // What sound can be sent is said by ``SoundType``.
        case .none, .jsonOrSound: return true
        case .json: return isJSON
        case .jsonOrLines: return isJSON || isLines
        }
    }

    private var isJSON: Bool { saysJSON || name.isEmpty || isForm }

    var saysJSON: Bool { name == "application/json" || name.hasSuffix("+json") }
    /// curl's `-d` says that everything is one.
    var isForm: Bool { name == "application/x-www-form-urlencoded" }
}
