package import Realtime
package import Upstream

/// One Realtime server as the operator configured it, from which each connection's endpoint is made.
///
/// Printing one never shows the key or a header's value.
package struct UpstreamConfiguration: Sendable {
    /// How the server wants to be told who asks.
    package enum Authorization: Sendable, Hashable {
        /// `Authorization: Bearer`.
        case bearer
        /// `Authorization: Basic`; the key is the text that stands behind that word, as Inworld gives it out.
        case basic
        /// The bare key in a header of this name: `api-key` (Azure), `X-API-Key` (speaches).
        case header(String)
        /// A query item of this name: `api_key` (speaches).
        case query(String)
        /// Not at all; a caller's credential is not sent either.
        case none
    }

    /// Where the name of the model stands, apart from a `{model}` in the URL, which goes before this.
    package enum ModelPlace: Sendable, Hashable {
        /// A query item of this name: `model`; `deployment` for Azure's preview.
        case query(String)
        /// The server is not told by its URL.
        case none
    }

    /// What `upstream` names; visible to callers.
    package var name: String
    /// `ws://` or `wss://`. In path and query `{model}` is replaced by the session's model, `{id}` by an id of the connection's own.
    package var url: String
    package var dialect: Dialect
    package var tls: UpstreamTLS
    /// Nil: the server is connected to directly.
    package var proxy: UpstreamProxy?
    /// Used when a session does not name one; upstreams retire models several times a year, so none is built in.
    package var defaultModel: String?
    /// Sessions that name one of these, and no upstream, are this one's.
    package var models: [String]
    package var modelPlace: ModelPlace
    package var authorization: Authorization
    /// The server's own credential; nil where callers bring theirs.
    package var apiKey: String?
    /// A caller's own credential is sent here, before the server's; else it never is.
    package var takesCallersCredential: Bool
    /// Sent with the upgrade request as they are, beside those that follow from the rest.
    package var headers: [(name: String, value: String)]
    package var profile: UpstreamProfile

    package init(
        name: String, url: String, dialect: Dialect, tls: UpstreamTLS, proxy: UpstreamProxy? = nil, defaultModel: String?,
        models: [String] = [], modelPlace: ModelPlace = .query("model"), authorization: Authorization = .bearer, apiKey: String?,
        takesCallersCredential: Bool = false, headers: [(name: String, value: String)] = [], profile: UpstreamProfile = UpstreamProfile()
    ) {
        self.name = name
        self.url = url
        self.dialect = dialect
        self.tls = tls
        self.proxy = proxy
        self.defaultModel = defaultModel
        self.models = models
        self.modelPlace = modelPlace
        self.authorization = authorization
        self.apiKey = apiKey
        self.takesCallersCredential = takesCallersCredential
        self.headers = headers
        self.profile = profile
    }

    /// - Parameters:
    ///   - kind: a session that only transcribes is asked for by the URL (PROTOCOL.md section 1).
    ///   - bearer: the caller's own credential, which goes before the server's where this upstream takes one.
    package func endpoint(model: String?, kind: SessionKind = .realtime, bearer: String?) -> UpstreamEndpoint {
        let callers = takesCallersCredential && authorization != .none ? bearer : nil
        var headers = headers
        var address = url(for: model, kind)
        if let credential = callers ?? apiKey {
            switch authorization {
            case .bearer: headers.append(("Authorization", "Bearer \(credential)"))
            case .basic: headers.append(("Authorization", "Basic \(credential)"))
            case .header(let name): headers.append((name, credential))
            case .query(let name): Self.add(name, credential, to: &address)
            case .none: break
            }
        }
        // Fatal at OpenAI since May 2026, needed by some servers that still speak the beta spelling.
        if dialect == .beta, !headers.contains(where: { $0.name.lowercased() == "openai-beta" }) {
            headers.append(("OpenAI-Beta", "realtime=v1"))
        }
        return UpstreamEndpoint(
            name: name, url: address, headers: headers, tls: tls, proxy: proxy, awaitedEvent: profile.awaitedEvent,
            // No two connections with an id of their own are alike.
            sharesConnections: callers == nil && !url.contains(Self.ownID), maximumAge: profile.maximumSessionAge)
    }

    /// The model of sessions that name none.
    var usualModel: String? { defaultModel ?? models.first }

    /// The endpoint of sessions that name no model, for keeping connections to it ready; nil where one could not be opened without a
    /// caller's credential or a model.
    package var warmEndpoint: UpstreamEndpoint? {
        guard apiKey != nil || authorization == .none || !takesCallersCredential else { return nil }
        guard usualModel != nil || modelPlace == .none else { return nil }
        let endpoint = endpoint(model: usualModel, bearer: nil)
        return endpoint.sharesConnections ? endpoint : nil
    }

    private func url(for model: String?, _ kind: SessionKind) -> String {
        var address = url
        var model = model
        if kind == .transcription {
            if !Self.namesModel(url, "intent") { Self.add("intent", "transcription", to: &address) }
            // Servers that take both would open a conversation.
            if modelPlace == .query("model") { model = nil }
        }
        if address.contains(Self.ownID) { address.replace(Self.ownID, with: Self.newID()) }
        if address.contains(Self.modelName) { return address.replacing(Self.modelName, with: Self.percentEncoded(model ?? "")) }
        if case .query(let item) = modelPlace, let model, !Self.namesModel(url, item) { Self.add(item, model, to: &address) }
        return address
    }

    package static let modelName = "{model}"
    package static let ownID = "{id}"

    private static func newID() -> String {
        String(UInt64.random(in: .min ... .max), radix: 36) + String(UInt64.random(in: .min ... .max), radix: 36)
    }

    private static func namesModel(_ url: String, _ item: String) -> Bool {
        let query = url.split(separator: "?", maxSplits: 1).dropFirst().first ?? ""
        return query.split(separator: "&").contains { part in [item, "intent", "call_id"].contains { part.hasPrefix("\($0)=") } }
    }

    private static func add(_ name: String, _ value: String, to url: inout String) {
        url += (url.contains("?") ? "&" : "?") + "\(name)=\(percentEncoded(value))"
    }

    /// RFC 3986 section 2.3: all but unreserved characters as percent escapes.
    private static func percentEncoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF")
        return text.utf8.reduce(into: "") { out, byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
                out.append(Character(Unicode.Scalar(byte)))
            default:
                out += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
            }
        }
    }
}

extension UpstreamConfiguration: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { endpoint(model: nil, bearer: nil).description }
    package var debugDescription: String { description }
    /// Without this `dump` and a failed expectation would print the key.
    package var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}
