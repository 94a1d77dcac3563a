import Testing

@testable import Upstream

struct SecretsTests {
    @Test(arguments: [
        ("Incorrect API key provided: sk-proj-****abcd. You can find", "Incorrect API key provided: sk-***. You can find"),
        ("sk-1", "sk-***"),
        (#"{"value":"ek_68af296e8e408191a1120d","x":1}"#, #"{"value":"ek_***","x":1}"#),
        ("Authorization: Bearer abc123.def", "Authorization: Bearer ***"),
        ("authorization: bearer AbCdEfGhIjKlMnOpQrStUv", "authorization: bearer ***"),
        ("a Bearer token is missing", "a Bearer token is missing"),
        ("api-key: 0123456789abcdef", "api-key: ***"),
        ("key=sk-abc&x=1", "key=sk-***&x=1"),
        ("realtime, openai-insecure-api-key.sk-abc", "realtime, openai-insecure-api-key.sk-***"),
        ("risk-free desk-top", "risk-free desk-top"),
        ("eyJhbGciOi.eyJzdWIi.c2ln", "eyJ***"),
        ("", ""),
        ("schlüssel sk-ä", "schlüssel sk-ä"),
    ])
    func keyLikeTextIsMasked(text: String, masked: String) {
        #expect(Secrets.masked(text) == masked)
    }

    @Test func aKnownCredentialIsMaskedWhateverItLooksLike() {
        #expect(Secrets.masked("you sent hunter2hunter2, no", also: ["hunter2hunter2"]) == "you sent ***, no")
        #expect(Secrets.masked("a short word stays", also: ["short"]) == "a short word stays")
    }

    @Test func aCloseReasonFitsItsFrameWithoutCuttingACharacter() {
        let reason = Secrets.closeReason(String(repeating: "ü", count: 200))
        #expect(reason == String(repeating: "ü", count: 61))
    }

    @Test func anEndpointNeverShowsItsCredentials() {
        let endpoint = UpstreamEndpoint(
            name: "main", url: "wss://host/realtime?key=topsecret1&model=m", headers: [("api-key", "topsecret2"), ("X-Trace", "on")])
        var dumped = ""
        dump(endpoint, to: &dumped)
        for text in ["\(endpoint)", String(reflecting: endpoint), dumped] {
            #expect(!text.contains("topsecret"))
            #expect(text.contains("main") && text.contains("api-key"))
        }
        #expect(endpoint.secrets == ["topsecret2", "topsecret1"])
    }
}
