import EventLog
import HTTPServer
import Realtime
import Sessions

/// Client events sent as they are, and the receipts for them.
enum ClientEventRoutes {
    /// More would have to wait for each other longer than callers do.
    private static let maximumEvents = 256

    /// What became of one event.
    private enum Taken {
        case receipt(CommandReceipt)
        case refused(type: String?, eventID: String?, APIError)
    }

    static func send(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let commands = try await Commands(api, call)
        let events = try events(
            in: try await call.body.collect(), isLines: call.head.headers["content-type"].map { ContentType($0).isLines } ?? false)
        if events.isAlone, let event = events.list.first { return try await sendAlone(event, commands) }
        // One wait for all of them.
        let deadline = ContinuousClock.now + call.prefer.limit(default: Commands.defaultWait)
        var taken: [Taken] = []
        var isFull = false
        for event in events.list {
            // Those behind one that found no place are not sent before it.
            let one = isFull ? refused(event, unsent) : try await take(event, until: deadline, commands)
            if case .refused(_, _, let error) = one, error.code == SessionError.Code.tooManyCommands.rawValue {
                if taken.isEmpty { throw error }
                isFull = true
            }
            taken.append(one)
        }
        var receipts: [JSONValue] = []
        for one in taken { receipts.append(await receipt(for: one, until: deadline, commands)) }
        return .json(["object": "list", "data": .array(receipts)])
    }

    /// One event takes the status its own route would have, its refusal included.
    private static func sendAlone(_ event: JSON, _ commands: Commands) async throws -> Response {
        let receipt = try await commands.submit(event)
        let result = try await commands.result(of: receipt, until: .confirmed)
        guard case .confirmed(let confirmation, _) = result else { return list([accepted(receipt)], status: 202) }
        let isCreation = receipt.type == ClientEventName.conversationItemCreate.rawValue
        return list([confirmed(receipt, confirmation, commands)], status: isCreation ? 201 : 200)
    }

    private static func list(_ receipts: [JSONValue], status: Int) -> Response {
        .json(["object": "list", "data": .array(receipts)], status: status)
    }

    /// - Throws: with an `Idempotency-Key`, that the event cannot be remembered: then none behind it may be sent either.
    private static func take(_ event: JSON, until deadline: ContinuousClock.Instant, _ commands: Commands) async throws -> Taken {
        do {
            return .receipt(try await commands.submit(event, waitingUntil: deadline))
        } catch let error as EventLogError {
            throw error
        } catch let error as APIError where error.code == IdempotentRequest.exhausted {
            throw error
        } catch {
            let refusal =
                ErrorTable.knownAnswer(to: error, passesBearer: commands.call.passesBearer)
                ?? APIError(.internalError, code: "internal_error", "The bridge has a fault.")
            return refused(event, refusal)
        }
    }

    private static let unsent = APIError(
        .tooManyRequests, code: SessionError.Code.tooManyCommands.rawValue, "Not sent, since one before it in this request could not be.",
        retry: .after(seconds: 1))

    private static func refused(_ event: JSON, _ error: APIError) -> Taken {
        .refused(type: event["type"]?.string, eventID: event["event_id"]?.string, error)
    }

    private static func receipt(for taken: Taken, until deadline: ContinuousClock.Instant, _ commands: Commands) async -> JSONValue {
        switch taken {
        case .refused(let type, let eventID, let error):
            return object(eventID: eventID, type: type, status: "refused", [("error", error.object)])
        case .receipt(let receipt):
            let left = max(.zero, deadline - .now)
            let isAsync = commands.call.prefer.isAsync
            let outcome = isAsync ? await receipt.written(within: left) : await receipt.confirmed(within: left)
            switch commands.noted(outcome, of: receipt) {
            case .confirmed(let event, _) where !isAsync:
                commands.api.metrics.command(receipt.type, .confirmed)
                return confirmed(receipt, event, commands)
            case .confirmed, .accepted:
                commands.api.metrics.command(receipt.type, .accepted)
                return accepted(receipt)
            case .failed(let error):
                commands.api.metrics.command(receipt.type, .failed)
                return object(
                    eventID: ErrorTable.callers(receipt.eventID), type: receipt.type, status: "refused",
                    [("error", commands.failure(error, of: receipt).object)], receipt)
            case nil:
                commands.api.metrics.command(receipt.type, .late)
                // It was taken, and may still be confirmed.
                return object(
                    eventID: ErrorTable.callers(receipt.eventID), type: receipt.type, status: "accepted",
                    [("error", Commands.late(receipt).object)], receipt)
            }
        }
    }

    /// An event that is two frames for the caller is named by the first, which is what its kind of command waits for.
    private static func confirmed(_ receipt: CommandReceipt, _ event: ServerEvent, _ commands: Commands) -> JSONValue {
        object(
            eventID: ErrorTable.callers(receipt.eventID), type: receipt.type, status: "confirmed",
            [("event", .raw(commands.view.frames(of: event).first?.bytes ?? event.frame))], receipt)
    }

    private static func accepted(_ receipt: CommandReceipt) -> JSONValue {
        object(eventID: ErrorTable.callers(receipt.eventID), type: receipt.type, status: "accepted", [], receipt)
    }

    private static func object(
        eventID: String?, type: String?, status: String, _ more: [(String, JSONValue)], _ receipt: CommandReceipt? = nil
    ) -> JSONValue {
        .object(
            [("event_id", .string(orNull: eventID)), ("type", .string(orNull: type)), ("status", .string(status))] + more
                + Warnings.members(receipt?.leftOut ?? []))
    }

    // MARK: Reading

    private static let tooManyEvents = APIError(
        .badRequest, code: "too_many_events", "There are more than \(maximumEvents) events in one request.")

    /// - Returns: each event as a text of its own, and whether it stood alone, outside of an array.
    private static func events(in bytes: [UInt8], isLines: Bool) throws -> (list: [JSON], isAlone: Bool) {
        if !isLines {
            do {
                let whole = try JSON.parse(bytes)
                guard whole.kind == .array else { return ([whole], true) }
                let elements = whole.elements
                guard elements.count <= maximumEvents else { throw tooManyEvents }
                guard !elements.isEmpty else { throw APIError(.badRequest, code: "invalid_value", "The array holds no event.") }
                return (elements.map { JSON.parse(written: Array($0.lexeme)) }, false)
            } catch let error as JSONError where error.reason == .trailingBytes {
                // Several texts: curl sends lines as what it calls a form.
                return (try lines(bytes), false)
            }
        }
        let list = try lines(bytes)
        guard !list.isEmpty else { throw APIError(.badRequest, code: "missing_body", "There is no event in the body.") }
        return (list, list.count == 1)
    }

    private static func lines(_ bytes: [UInt8]) throws -> [JSON] {
        var events: [JSON] = []
        for (index, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            if line.allSatisfy({ $0 <= 0x20 }) { continue }
            // Not read first and counted then: a body holds millions of short lines.
            guard events.count < maximumEvents else { throw tooManyEvents }
            do {
                events.append(try JSON.parse(Array(line)))
            } catch {
                throw APIError(.badRequest, code: "invalid_json", "Line \(index + 1) is not acceptable JSON: \(error).")
            }
        }
        return events
    }
}
