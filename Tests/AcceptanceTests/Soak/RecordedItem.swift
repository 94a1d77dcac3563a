/// An item as JSON shows it, on either side of the bridge: only what the two must agree on.
struct RecordedItem: Decodable, Equatable, Sendable {
    struct Part: Decodable, Equatable, Sendable {
        var type: String
        var text: String?
        var transcript: String?
        /// Base64; only in what a client sends.
        var audio: String?
        var imageURL: String?

        enum CodingKeys: String, CodingKey {
            case type, text, transcript, audio
            case imageURL = "image_url"
        }

        /// What it says, in whichever spelling.
        var words: String? { text ?? transcript }
        var isInputAudio: Bool { type == "input_audio" }
    }

    var id: String?
    var type: String
    var role: String?
    var status: String?
    var content: [Part]?
    var callID: String?
    var name: String?
    var arguments: String?
    var output: String?

    enum CodingKeys: String, CodingKey {
        case id, type, role, status, content, name, arguments, output
        case callID = "call_id"
    }
}
