import HTTPServer

/// `…/items/{item}/audio` and `…/responses/{response}/audio`.
enum AudioRoutes {
    static func item(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let commands = try await Commands(api, call)
        return try await ProducedAnswers(commands: commands).item(
            call.parameter("item"), SoundContainer(call.accept), in: try ProducedAnswers.seat(commands),
            wait: .seconds(Commands.defaultResponseWait))
    }

    static func response(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let commands = try await Commands(api, call)
        return try await ProducedAnswers(commands: commands).response(
            call.parameter("response"), .speech(SoundContainer(call.accept)), in: try ProducedAnswers.seat(commands),
            wait: .seconds(Commands.defaultResponseWait))
    }
}
