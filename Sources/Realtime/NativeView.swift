/// What a client sees of a logged frame in upstream's own dialect: the frame unchanged, but for what the bridge itself had put into
/// the request it answers (its `metadata` pair, its `event_id`).
package enum NativeView {
    /// The frame for clients. Frames that cannot hold anything of the bridge's come back as they are.
    package static func frame(of event: ServerEvent) -> [UInt8] {
        switch event.name {
        case .responseCreated, .responseDone:
            guard let response = event.json["response"], response["metadata"]?[CorrelationToken.key] != nil else { return event.frame }
            var splice = JSONSplice(event.json)
            CorrelationToken.remove(from: response, with: &splice)
            return splice.bytes
        case .error:
            guard let id = event.json["error"]?["event_id"], let callers = id.string.flatMap(BridgeEventID.callers) else {
                return event.frame
            }
            var splice = JSONSplice(event.json)
            splice.replace(id, with: JSONValue.string(callers).bytes)
            return splice.bytes
        default:
            return event.frame
        }
    }

    /// A stored response object for clients.
    package static func response(_ object: [UInt8]) -> [UInt8] {
        guard let response = try? JSON.parse(object, maximumDepth: 256) else { return object }
        var splice = JSONSplice(response)
        CorrelationToken.remove(from: response, with: &splice)
        return splice.bytes
    }
}
