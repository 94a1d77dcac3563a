import Foundation
import Realtime

/// Judges a WebSocket handshake as the service does: nearly everything is first accepted with `101`, then refused in a frame and closed.
struct HandshakeRules: Sendable {
    static let path = "/v1/realtime"

    enum Verdict: Equatable, Sendable {
        case open(SessionSettings.Kind, model: String)
        /// `101`, this error, CLOSE.
        case refuse(ProtocolError, closeCode: UInt16)
        /// No upgrade at all: 404.
        case notFound
        /// No upgrade at all: 503.
        case unavailable
    }

    /// A refusal of what was right, as an overloaded service gives it.
    enum Fault: Equatable, Sendable {
        case unavailable
        /// `101`, an error, CLOSE 1013.
        case serverError
    }

    let dialect: Dialect
    let apiKeys: Set<String>?
    var fault: Fault?

    /// - Parameter protocols: what `Sec-WebSocket-Protocol` offers.
    func judge(uri: String, authorization: String?, protocols: [String], betaHeader: String?) -> Verdict {
        guard let components = URLComponents(string: uri), components.path == Self.path else { return .notFound }
        func query(_ name: String) -> String? {
            components.queryItems?.first { $0.name == name }?.value.flatMap { $0.isEmpty ? nil : $0 }
        }
        // Calls are made over WebRTC or SIP, and there are none here.
        if query("call_id") != nil { return .notFound }
        switch fault {
        case .unavailable: return .unavailable
        case .serverError: return .refuse(.serverError, closeCode: 1013)
        case nil: break
        }
        if let refusal = judgeKey(authorization: authorization, protocols: protocols) { return refusal }
        let asksForBeta = betaHeader?.lowercased().contains("realtime=v1") ?? false || protocols.contains("openai-beta.realtime-v1")
        if dialect == .ga, asksForBeta {
            return refusal(
                "beta_api_shape_disabled", "The beta shape of the Realtime API is no longer supported; leave the OpenAI-Beta header out.")
        }
        if let model = query("model") { return judgeModel(model) }
        if query("intent") == "transcription" { return .open(.transcription, model: "") }
        return refusal("missing_model", "You must provide a model parameter.")
    }

    private func judgeKey(authorization: String?, protocols: [String]) -> Verdict? {
        let keyProtocol = "openai-insecure-api-key."
        let bearer = authorization.flatMap { $0.lowercased().hasPrefix("bearer ") ? String($0.dropFirst(7)) : nil }
        let key = bearer ?? protocols.first { $0.hasPrefix(keyProtocol) }.map { String($0.dropFirst(keyProtocol.count)) }
        guard let key, !key.isEmpty else {
            return .refuse(
                ProtocolError(code: nil, message: "Missing bearer or basic authentication in header", param: nil), closeCode: 3000)
        }
        guard let apiKeys else { return key.contains("invalid") ? wrongKey(key) : nil }
        return apiKeys.contains(key) ? nil : wrongKey(key)
    }

    /// The service's text shows a key's first and last characters, so that clients which log it can be caught.
    private func wrongKey(_ key: String) -> Verdict {
        let shown =
            key.count > 12
            ? "\(key.prefix(8))\(String(repeating: "*", count: min(key.count - 12, 32)))\(key.suffix(4))" : "\(key.prefix(2))***"
        return .refuse(
            ProtocolError(code: "invalid_api_key", message: "Incorrect API key provided: \(shown).", param: nil), closeCode: 3000)
    }

    private func judgeModel(_ model: String) -> Verdict {
        if model.contains("not-found") {
            return .refuse(
                ProtocolError(
                    code: "model_not_found", message: "The model `\(model.prefix(128))` does not exist or you do not have access to it.",
                    param: nil),
                closeCode: 4004)
        }
        if model.contains("unknown") || model.contains("invalid") {
            return refusal("invalid_model", "Model \"\(model.prefix(128))\" is not supported in realtime mode.")
        }
        return .open(.conversation, model: model)
    }

    private func refusal(_ code: String, _ message: String) -> Verdict {
        .refuse(ProtocolError(code: code, message: message, param: nil), closeCode: 4000)
    }
}

extension ProtocolError {
    /// A CLOSE frame's reason: `type.code`.
    var closeReason: String { code.map { "\(type).\($0)" } ?? type }
}
