import COpenSSL
package import Realtime

/// A function call of the model's that a webhook is to answer.
package struct WebhookCall: Sendable {
    package let sessionID: String
    package let callID: String
    package let name: String
    /// As the session has it; checked before each attempt, since the rules may have changed since it was taken.
    package let url: String
    /// What the receiver is sent.
    let body: [UInt8]

    /// - Parameters:
    ///   - arguments: the value of the call's `arguments`, a string, as upstream spelt it.
    ///   - metadata: the session's, a JSON object: whose call it is.
    package init(
        sessionID: String, callID: String, name: String, arguments: JSONValue, responseID: String?, itemID: String, metadata: [UInt8],
        url: String
    ) {
        (self.sessionID, self.callID, self.name, self.url) = (sessionID, callID, name, url)
        body =
            JSONValue.object([
                ("type", "function_call"), ("session_id", .string(sessionID)), ("call_id", .string(callID)), ("name", .string(name)),
                ("arguments", arguments), ("response_id", .string(orNull: responseID)), ("item_id", .string(itemID)),
                ("metadata", .raw(metadata)),
            ]).bytes
    }

    /// The `webhook-id`: the same for every attempt at this call, whichever process makes it, so that a receiver can tell a repetition.
    package var id: String {
        let input = Array("\(sessionID).\(callID)".utf8)
        var digest = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 0
        let done = EVP_Digest(input, input.count, &digest, &length, EVP_sha256(), nil)
        precondition(done == 1 && Int(length) == digest.count, "OpenSSL has no SHA-256")
        let digits = Array("0123456789abcdef")
        return "msg_" + digest.prefix(16).reduce(into: "") { $0 += "\(digits[Int($1 >> 4)])\(digits[Int($1 & 15)])" }
    }
}

/// One POST.
package struct WebhookRequest: Sendable {
    package let url: WebhookURL
    package let headers: [(name: String, value: String)]
    package let body: [UInt8]

    init(_ call: WebhookCall, to url: WebhookURL, timestamp: Int, secrets: WebhookSecrets) {
        self.url = url
        body = call.body
        headers = [
            ("host", url.authority), ("content-type", "application/json"), ("content-length", String(body.count)),
            ("accept-encoding", "identity"), ("connection", "close"), ("user-agent", "realtime-bridge"), ("webhook-id", call.id),
            ("webhook-timestamp", String(timestamp)),
            ("webhook-signature", secrets.signature(id: call.id, timestamp: timestamp, body: body)),
        ]
    }
}
