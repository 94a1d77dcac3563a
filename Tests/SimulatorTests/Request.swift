import Realtime

/// The same request in both dialects.
enum Request {
    static func text(_ text: String, id: String? = nil) -> String {
        let item: JSONValue = .object(
            (id.map { [("id", .string($0))] } ?? []) + [
                ("type", "message"), ("role", "user"), ("content", [["type": "input_text", "text": .string(text)]]),
            ])
        let frame: JSONValue = ["type": "conversation.item.create", "item": item]
        return String(decoding: frame.bytes, as: UTF8.self)
    }

    static func textOnly(_ dialect: Dialect) -> String {
        dialect == .ga
            ? #"{"type":"session.update","session":{"type":"realtime","output_modalities":["text"]}}"#
            : #"{"type":"session.update","session":{"modalities":["text"]}}"#
    }

    static func turnDetection(_ dialect: Dialect, _ json: String) -> String {
        dialect == .ga
            ? #"{"type":"session.update","session":{"type":"realtime","audio":{"input":{"turn_detection":\#(json)}}}}"#
            : #"{"type":"session.update","session":{"turn_detection":\#(json)}}"#
    }

    static func transcription(_ dialect: Dialect, _ model: String) -> String {
        dialect == .ga
            ? #"{"type":"session.update","session":{"type":"realtime","audio":{"input":{"transcription":{"model":"\#(model)"}}}}}"#
            : #"{"type":"session.update","session":{"input_audio_transcription":{"model":"\#(model)"}}}"#
    }

    static let respond = #"{"type":"response.create"}"#
    static let commit = #"{"type":"input_audio_buffer.commit"}"#
    static let cancel = #"{"type":"response.cancel"}"#

    static func tools(_ dialect: Dialect, _ tools: String) -> String {
        dialect == .ga
            ? #"{"type":"session.update","session":{"type":"realtime","output_modalities":["text"],"tools":\#(tools)}}"#
            : #"{"type":"session.update","session":{"modalities":["text"],"tools":\#(tools)}}"#
    }

    static let weatherTool =
        #"[{"type":"function","name":"get_weather","description":"Weather for a city.","parameters":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city"]}}]"#
}
