import NIOHTTP1
import Realtime
import Testing

@testable import Simulator

@Suite struct HandshakeTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var dialect: Dialect
        var uri: String
        var authorization: String?
        var protocols: [String] = []
        var beta: String?
        var code: String?
        var close: UInt16
        var reason: String
        var testDescription: String { "\(close) \(reason)" }
    }

    static let refusals: [Row] = [
        Row(dialect: .ga, uri: "/v1/realtime?model=m", code: nil, close: 3000, reason: "invalid_request_error"),
        Row(
            dialect: .ga, uri: "/v1/realtime?model=m", authorization: "Bearer sk-invalid-0123456789", code: "invalid_api_key", close: 3000,
            reason: "invalid_request_error.invalid_api_key"),
        Row(
            dialect: .beta, uri: "/v1/realtime", authorization: "Bearer k", code: "missing_model", close: 4000,
            reason: "invalid_request_error.missing_model"),
        Row(
            dialect: .beta, uri: "/v1/realtime?model=unknown-1", authorization: "Bearer k", code: "invalid_model", close: 4000,
            reason: "invalid_request_error.invalid_model"),
        Row(
            dialect: .ga, uri: "/v1/realtime?model=gpt-not-found", authorization: "Bearer k", code: "model_not_found", close: 4004,
            reason: "invalid_request_error.model_not_found"),
        Row(
            dialect: .ga, uri: "/v1/realtime?model=m", authorization: "Bearer k", beta: "realtime=v1", code: "beta_api_shape_disabled",
            close: 4000, reason: "invalid_request_error.beta_api_shape_disabled"),
        Row(
            dialect: .ga, uri: "/v1/realtime?model=m", protocols: ["realtime", "openai-insecure-api-key.k", "openai-beta.realtime-v1"],
            code: "beta_api_shape_disabled", close: 4000, reason: "invalid_request_error.beta_api_shape_disabled"),
    ]

    @Test(arguments: refusals)
    func `a bad handshake is refused with an error and a close`(row: Row) {
        let verdict = HandshakeRules(dialect: row.dialect, apiKeys: nil)
            .judge(uri: row.uri, authorization: row.authorization, protocols: row.protocols, betaHeader: row.beta)
        guard case .refuse(let error, let close) = verdict else {
            Issue.record("accepted: \(verdict)")
            return
        }
        #expect(error.code == row.code)
        #expect(close == row.close)
        #expect(error.closeReason == row.reason)
    }

    @Test func `good handshakes open the session they ask for`() {
        let beta = HandshakeRules(dialect: .beta, apiKeys: nil)
        let ga = HandshakeRules(dialect: .ga, apiKeys: ["only"])
        #expect(
            beta.judge(uri: "/v1/realtime?model=m", authorization: "Bearer k", protocols: [], betaHeader: "realtime=v1")
                == .open(.conversation, model: "m"))
        #expect(
            beta.judge(uri: "/v1/realtime?model=m", authorization: "Bearer k", protocols: [], betaHeader: nil)
                == .open(.conversation, model: "m"))
        #expect(
            ga.judge(uri: "/v1/realtime?intent=transcription", authorization: "bearer only", protocols: [], betaHeader: nil)
                == .open(.transcription, model: ""))
        #expect(
            ga.judge(
                uri: "/v1/realtime?model=m", authorization: nil, protocols: ["realtime", "openai-insecure-api-key.only"], betaHeader: nil)
                == .open(.conversation, model: "m"))
        #expect(ga.judge(uri: "/v1/other?model=m", authorization: "Bearer only", protocols: [], betaHeader: nil) == .notFound)
        #expect(ga.judge(uri: "/v1/realtime?call_id=c", authorization: "Bearer only", protocols: [], betaHeader: nil) == .notFound)
        guard case .refuse(let error, _) = ga.judge(uri: "/v1/realtime?model=m", authorization: "Bearer x", protocols: [], betaHeader: nil)
        else {
            Issue.record("a key that is not listed was accepted")
            return
        }
        #expect(error.code == "invalid_api_key")
    }

    @Test func `a refused key is shown by its ends only`() {
        let verdict = HandshakeRules(dialect: .ga, apiKeys: nil)
            .judge(uri: "/v1/realtime?model=m", authorization: "Bearer sk-proj-invalid-middle-wxyz", protocols: [], betaHeader: nil)
        guard case .refuse(let error, _) = verdict else {
            Issue.record("accepted")
            return
        }
        #expect(error.message.contains("sk-proj-"))
        #expect(error.message.contains("wxyz"))
        #expect(!error.message.contains("middle"))
    }

    @Test func `refusals arrive as 101, error, close`() async throws {
        try await withSimulator(.ga) { address in
            let client = try await WebSocketClient.connect(port: address.port, headers: [:])
            #expect(try await client.next() == .upgraded(subprotocol: nil))
            #expect(try await client.event().at("error.message")?.string == "Missing bearer or basic authentication in header")
            #expect(try await client.next() == .close(code: 3000, reason: "invalid_request_error"))
        }
    }

    @Test func `the subprotocol form is answered with realtime`() async throws {
        try await withSimulator(.ga) { address in
            let client = try await WebSocketClient.connect(
                port: address.port, headers: ["Sec-WebSocket-Protocol": "realtime, openai-insecure-api-key.k"])
            #expect(try await client.next() == .upgraded(subprotocol: "realtime"))
            #expect(try await client.event().type == "session.created")
        }
    }

    @Test func `another path is 404`() async throws {
        try await withSimulator(.ga) { address in
            let client = try await WebSocketClient.connect(port: address.port, path: "/v1/elsewhere?model=m")
            #expect(try await client.next() == .http(404))
        }
    }
}
