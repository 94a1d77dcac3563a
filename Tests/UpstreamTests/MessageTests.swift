import NIOConcurrencyHelpers
import TestSupport
import Testing
import Upstream

@Suite(.timeLimit(.minutes(1)))
struct MessageTests {
    @Test func fragmentsAreJoinedAndPingsBetweenThemAnswered() async throws {
        try await ScriptedServer.run { peer in
            try await peer.openSession()
            let euro = Array("€".utf8)
            try await peer.send(.frame(1, Array("a".utf8) + euro[..<1], isFinal: false) + .frame(9, [1, 2, 3]))
            let pong = try await peer.receive()
            #expect(pong.opcode == 10 && pong.payload == [1, 2, 3])
            try await peer.send(
                .frame(0, Array(euro[1...]), isFinal: false) + .frame(10, []) + .frame(0, [], isFinal: false) + .frame(0, [0x62]))
            try await peer.drain()
        } client: { server in
            let outcome = try await server.connect().nextText()
            #expect(outcome == "a€b")
        }
    }

    /// RFC 6455, 5.3: a fresh key for every frame, control frames too, that cannot be guessed from the ones before.
    @Test func whatIsSentArrivesInOrderMaskedWithChangingKeys() async throws {
        try await ScriptedServer.run { peer in
            try await peer.openSession()
            var masks: Set<[UInt8]> = []
            for number in 0..<20 {
                let frame = try await peer.receive()
                #expect(frame.opcode == 1 && frame.isFinal)
                #expect(frame.text == "message \(number)")
                masks.insert(frame.mask)
                try await peer.send(.frame(9, [UInt8(number)]))
                let pong = try await peer.receive()
                #expect(pong.opcode == 10 && pong.payload == [UInt8(number)])
                masks.insert(pong.mask)
                try await peer.send(text: "go on")
            }
            #expect(try await peer.receive().closeCode == 1000)
            #expect(masks.count == 40)
            try await peer.send(.close(1000))
        } client: { server in
            let connection = try await server.connect()
            for number in 0..<20 {
                try await connection.sendText("message \(number)")
                #expect(try await connection.nextText() == "go on")
            }
            try await connection.closeAndWait()
        }
    }

    @Test(arguments: [0, 1, 125, 126, 65535, 65536, 200_000])
    func everySizeGoesThereAndBack(size: Int) async throws {
        try await ScriptedServer.run { peer in
            try await peer.openSession()
            let echo = try await peer.receive()
            try await peer.send(.frame(1, echo.payload))
            try await peer.drain()
        } client: { server in
            let connection = try await server.connect()
            let text = (0..<size).map { UInt8(0x20 + $0 % 90) }
            try await connection.send(text)
            #expect(try await connection.nextInbound() == .frame(text))
        }
    }

    struct Violation: Sendable, CustomTestStringConvertible {
        var bytes: [UInt8]
        var kind: UpstreamEnd.Kind
        var code: UInt16
        var testDescription: String
    }

    @Test(arguments: [
        Violation(bytes: .frame(1, [0x61, 0xFF]), kind: .protocolViolation, code: 1007, testDescription: "invalid UTF-8"),
        Violation(
            bytes: .frame(1, [0xE2, 0x82], isFinal: false) + .frame(0, [0x41]), kind: .protocolViolation, code: 1007,
            testDescription: "invalid UTF-8 across fragments"),
        Violation(bytes: .frame(1, [0xED, 0xA0, 0x80]), kind: .protocolViolation, code: 1007, testDescription: "surrogate"),
        Violation(bytes: .frame(2, [1]), kind: .protocolViolation, code: 1003, testDescription: "binary"),
        Violation(bytes: .frame(1, [0x61], mask: true), kind: .protocolViolation, code: 1002, testDescription: "masked"),
        Violation(bytes: .frame(0, [0x61]), kind: .protocolViolation, code: 1002, testDescription: "continuation of nothing"),
        Violation(
            bytes: .frame(1, [0x61], isFinal: false) + .frame(1, [0x61]), kind: .protocolViolation, code: 1002,
            testDescription: "message in a message"),
        Violation(bytes: .frame(9, [], isFinal: false), kind: .protocolViolation, code: 1002, testDescription: "fragmented ping"),
        Violation(bytes: .frame(9, Array(repeating: 0, count: 126)), kind: .protocolViolation, code: 1002, testDescription: "long ping"),
        Violation(bytes: .frame(1, Array(repeating: 0x61, count: 1001)), kind: .tooLarge, code: 1009, testDescription: "oversize frame"),
        Violation(
            bytes: .frame(1, Array(repeating: 0x61, count: 600), isFinal: false) + .frame(0, Array(repeating: 0x61, count: 401)),
            kind: .tooLarge, code: 1009, testDescription: "oversize in fragments"),
        Violation(
            bytes: [0x81, 127, 0xFF] + Array(repeating: 0xFF, count: 7), kind: .tooLarge, code: 1009, testDescription: "absurd length"),
        Violation(
            bytes: .frame(1, [0x61], isFinal: false) + .frame(2, [0x61]), kind: .protocolViolation, code: 1003,
            testDescription: "binary in a message"),
        Violation(
            bytes: .frame(1, [0xF0, 0x9F], isFinal: false) + .frame(10, []) + .frame(0, [0x98], isFinal: false) + .frame(0, []),
            kind: .protocolViolation, code: 1007, testDescription: "character that never ends, over three fragments and a pong"),
        Violation(bytes: .frame(1, [0xC0, 0xAF]), kind: .protocolViolation, code: 1007, testDescription: "overlong UTF-8"),
        Violation(bytes: .frame(1, [0xF4, 0x90, 0x80, 0x80]), kind: .protocolViolation, code: 1007, testDescription: "above U+10FFFF"),
        Violation(bytes: .frame(10, [], isFinal: false), kind: .protocolViolation, code: 1002, testDescription: "fragmented pong"),
        Violation(bytes: .frame(8, [3, 0xE8], isFinal: false), kind: .protocolViolation, code: 1002, testDescription: "fragmented close"),
        Violation(bytes: .frame(10, Array(repeating: 0, count: 126)), kind: .protocolViolation, code: 1002, testDescription: "long pong"),
        Violation(
            bytes: .close(1000, String(repeating: "x", count: 124)), kind: .protocolViolation, code: 1002, testDescription: "long close"),
        Violation(bytes: .frame(9, [1], mask: true), kind: .protocolViolation, code: 1002, testDescription: "masked ping"),
        Violation(bytes: .frame(8, [3, 0xE8], mask: true), kind: .protocolViolation, code: 1002, testDescription: "masked close"),
        Violation(
            bytes: .frame(1, Array(repeating: 0x61, count: 600), isFinal: false)
                + [UInt8](repeating: 0, count: 5).flatMap { _ in [UInt8].frame(0, Array(repeating: 0x61, count: 100), isFinal: false) },
            kind: .tooLarge, code: 1009, testDescription: "oversize before the message ends"),
        Violation(bytes: .frame(8, [3]), kind: .protocolViolation, code: 1002, testDescription: "half a close code"),
        Violation(bytes: .frame(8, [3, 0xE8, 0xFF]), kind: .protocolViolation, code: 1007, testDescription: "close reason not UTF-8"),
    ])
    func whatBreaksTheProtocolEndsTheConnection(violation: Violation) async throws {
        try await expectEnd(by: violation)
    }

    /// Among them RSV1, which means compression: it is not offered, so nobody may use it (RFC 6455, 5.2; RFC 7692, 6).
    @Test(arguments: [0x40, 0x20, 0x10] as [UInt8], [1, 8, 9, 10] as [UInt8]) func aReservedBitEndsTheConnection(bit: UInt8, opcode: UInt8)
        async throws
    {
        try await expectEnd(
            by: Violation(
                bytes: .frame(opcode, opcode == 8 ? [3, 0xE8] : [0x61], reserved: bit), kind: .protocolViolation, code: 1002,
                testDescription: ""))
    }

    @Test(arguments: [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] as [UInt8]) func aReservedOpcodeEndsTheConnection(opcode: UInt8) async throws {
        try await expectEnd(by: Violation(bytes: .frame(opcode, []), kind: .protocolViolation, code: 1002, testDescription: ""))
    }

    /// RFC 6455, 7.4.
    @Test(arguments: [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] as [UInt16])
    func aCloseCodeThatMayNotBeSentEndsTheConnection(code: UInt16) async throws {
        try await expectEnd(by: Violation(bytes: .close(code), kind: .protocolViolation, code: 1002, testDescription: ""))
    }

    private func expectEnd(by violation: Violation) async throws {
        try await ScriptedServer.run { peer in
            try await peer.openSession()
            try await peer.send(.text("before") + violation.bytes)
            let close = try await peer.receive()
            #expect(close.opcode == 8)
            #expect(close.closeCode == violation.code)
            // And nothing behind it: the connection is over.
            await #expect(throws: PeerGone.self) { try await peer.receive() }
        } client: { server in
            let connection = try await server.connect { $0.maximumMessageBytes = 1000 }
            #expect(try await connection.nextText() == "before")
            let end = try await connection.end()
            #expect(end.kind == violation.kind)
            #expect(end.code == violation.code)
            #expect(try await connection.nextInbound() == .ended(end))
        }
    }

    @Test func aMessageOverTheLimitIsNotSentAndTheConnectionGoesOn() async throws {
        try await ScriptedServer.run { peer in
            try await peer.openSession()
            #expect(try await peer.receive().text == "small")
            try await peer.send(text: "thanks")
            try await peer.drain()
        } client: { server in
            let connection = try await server.connect { $0.maximumMessageBytes = 1000 }
            await #expect { try await connection.send(Array(repeating: 0x61, count: 1001)) } throws: {
                ($0 as? UpstreamError)?.code == .messageTooLarge
            }
            try await connection.sendText("small")
            #expect(try await connection.nextText() == "thanks")
        }
    }

    /// The server can only push what the kernel's buffers take, while nobody reads here; then everything arrives in order.
    @Test func anUnreadConnectionStopsTheServer() async throws {
        let pushed = NIOLockedValueBox(0)
        let stuck = Mailbox<Void>("the server being slowed down")
        let frames = 600
        try await ScriptedServer.run { peer in
            try await peer.openSession()
            let filler = String(repeating: "x", count: 64 << 10)
            // Its writes return when the socket took the bytes; a watcher sees that they no longer do.
            let watcher = Task {
                var last = -1
                while true {
                    let now = pushed.withLockedValue { $0 }
                    if now == last, now > 0 { break }
                    last = now
                    try await Task.sleep(for: .milliseconds(200))
                }
                stuck.put(())
            }
            defer { watcher.cancel() }
            for number in 0..<frames {
                try await peer.send(text: "\(number) \(filler)")
                pushed.withLockedValue { $0 += 1 }
            }
            try await peer.drain()
        } client: { server in
            let connection = try await server.connect()
            try await stuck.next()
            #expect(pushed.withLockedValue { $0 } < frames / 2)
            for number in 0..<frames {
                let text = try #require(try await connection.nextText())
                #expect(text.hasPrefix("\(number) "))
            }
        }
    }
}
