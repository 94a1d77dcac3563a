import Realtime
import Testing

@testable import Webhooks

@Suite struct WebhookSecretsTests {
    /// Computed by Python, apart from all this:
    ///
    ///     import base64, hmac, hashlib
    ///     key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    ///     base64.b64encode(hmac.new(key, b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}', hashlib.sha256).digest())
    ///
    /// The same id, time and body are the example of the specification's own libraries.
    @Test func aSignatureIsAsTheStandardHasIt() throws {
        let secrets = try WebhookSecrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        let signature = secrets.signature(
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: 1_614_265_330, body: Array(#"{"test": 2432232314}"#.utf8))
        #expect(signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    }

    @Test func severalSecretsSignSideBySide() throws {
        let both = try WebhookSecrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw whsec_\(String(repeating: "A", count: 43))=")
        let signature = both.signature(id: "a", timestamp: 1, body: Array("ä".utf8))
        #expect(signature == "v1,785XascTy3EM0pK3ofo3CpYX9T15o4m/+SHPGiurqv0= v1,JlmqOgGu5Jej2olA3L8QyPnMDDjedb4Pzin/ToHNL/Y=")
        #expect("\(both)" == "2 secrets")
        var dumped = ""
        dump(both, to: &dumped)
        #expect(!dumped.contains("49"))
    }

    @Test(arguments: [
        "", " ", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_AAAA", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!", "whsec_" + String(repeating: "A", count: 88),
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw other",
    ])
    func whatIsNoSecretIsRefusedWithoutRepeatingIt(_ text: String) {
        do {
            _ = try WebhookSecrets(text)
            Issue.record("it was taken")
        } catch {
            #expect(!error.message.contains("MfKQ"))
        }
    }

    @Test func aCallKeepsItsIdentity() throws {
        func call(_ session: String = "rts_1", _ call: String = "call_1", arguments: JSONValue = "{}") -> WebhookCall {
            WebhookCall(
                sessionID: session, callID: call, name: "f", arguments: arguments, responseID: "resp_1", itemID: "item_1",
                metadata: Array(#"{"user":"42"}"#.utf8), url: "https://h/")
        }
        #expect(call().id == call(arguments: "[]").id)
        #expect(call().id.wholeMatch(of: /msg_[0-9a-f]{32}/) != nil)
        #expect(Set([call().id, call("rts_2").id, call("rts_1", "call_2").id]).count == 3)
        let body = String(decoding: call(arguments: .raw(Array(#""{\"city\":\"\u00d6slo\"}""#.utf8))).body, as: UTF8.self)
        #expect(
            body
                == #"{"type":"function_call","session_id":"rts_1","call_id":"call_1","name":"f","arguments":"{\"city\":\"\u00d6slo\"}","response_id":"resp_1","item_id":"item_1","metadata":{"user":"42"}}"#
        )
    }
}
