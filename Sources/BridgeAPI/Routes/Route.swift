import HTTPServer

/// One line of the contract: what may be asked where, how, and what answers it.
struct Route: Sendable {
    enum Method: String, Sendable, CaseIterable {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
        case patch = "PATCH"
        case delete = "DELETE"
    }

    enum Access: Sendable {
        /// Anybody: the same for all, and nothing of anyone's.
        case open
        /// Also without the rules for browsers; for probes.
        case probe
        /// Whoever ``Authentication`` recognises.
        case caller
    }

    enum Body: Sendable, Equatable {
        case none
        case json
        /// JSON, or lines of it.
        case jsonOrLines
        /// JSON, or a file or stream of sound, which is read as it arrives and has no limit.
        case jsonOrSound
    }

    typealias Handler = @Sendable (BridgeAPI, APICall) async throws -> Response

    let method: Method
    /// Segments in braces are parameters.
    let pattern: String
    /// The `operationId` of the OpenAPI document; names the route in log lines and metrics.
    let operation: String
    let access: Access
    /// Names of query parameters; one that ends with `.` stands for all that begin with it.
    let query: [String]
    /// Those of them that may be given several times.
    let repeatable: [String]
    let body: Body
    /// Waits for upstream as long as `Prefer` says.
    let honoursPrefer: Bool
    /// A POST that an `Idempotency-Key` makes safe to repeat: whatever it does, it does as steps of ``IdempotentRequest``. A key on any
    /// other POST is refused; ignoring it would let the caller believe that a repetition is safe.
    let takesKey: Bool
    /// Answers with an event stream, whose clients stop for good at any status but 200 and 204.
    let isEventStream: Bool
    /// What it answers depends on `Accept`, which every answer of it says in `Vary`.
    let readsAccept: Bool
    let handler: Handler
    private let segments: [String]

    init(
        _ method: Method, _ pattern: String, _ operation: String, access: Access = .caller, query: [String] = [], repeatable: [String] = [],
        body: Body = .none, honoursPrefer: Bool = false, takesKey: Bool = false, isEventStream: Bool = false, readsAccept: Bool = false,
        handler: @escaping Handler
    ) {
        self.method = method
        self.pattern = pattern
        self.operation = operation
        self.access = access
        self.query = query
        self.repeatable = repeatable
        self.body = body
        self.honoursPrefer = honoursPrefer
        self.takesKey = takesKey
        self.isEventStream = isEventStream
        self.readsAccept = readsAccept
        self.handler = handler
        segments = pattern.split(separator: "/").map(String.init)
    }

    /// The parameters' values if the path is one of the pattern's; else nil.
    func match(_ path: [String]) -> [String: String]? {
        guard path.count == segments.count else { return nil }
        var parameters: [String: String] = [:]
        for (segment, value) in zip(segments, path) {
            if segment.hasPrefix("{") {
                guard !value.isEmpty else { return nil }
                parameters[String(segment.dropFirst().dropLast())] = value
            } else if segment != value {
                return nil
            }
        }
        return parameters
    }

    func allows(query name: String) -> Bool {
        query.contains { $0.hasSuffix(".") ? name.hasPrefix($0) && name != $0 : name == $0 }
    }
}
