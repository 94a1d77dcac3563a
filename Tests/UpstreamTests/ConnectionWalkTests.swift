import TestSupport
import Testing

@testable import Upstream

/// Random lives of one connection: whatever happens in whatever order, it ends once, with the outcome that fits how far it had come.
@Suite struct ConnectionWalkTests {
    @Test(arguments: [nil, "conversation.created"])
    func everyLifeEndsOnceAndDeliversNothingBeforeItsSession(awaited: String?) {
        var random = SeededRandom(seed: awaited == nil ? 1 : 2)
        var opened = 0
        for _ in 0..<3_000 { opened += walk(awaited, &random) ? 1 : 0 }
        // The walks reach both ends.
        #expect((300...2_700).contains(opened))
    }

    /// Returns whether the session was opened.
    private func walk(_ awaited: String?, _ random: inout SeededRandom) -> Bool {
        var life = ConnectionLife.opening(SessionOpening(server: "upstream", secrets: [], awaitedEvent: awaited))
        var seen: Set<String> = []
        var isOpen = false
        var isClosing = false
        var ends: [ConnectionLife.Finish.Outcome] = []
        for step in 0..<60 {
            var finish: ConnectionLife.Finish?
            // Late ends come late, so that lives are long enough to be of interest.
            switch random.below(step < 4 ? 5 : 13) {
            case 0...4:
                let type = ["session.created", "conversation.created", "error", "response.done"][random.below(4)]
                let isFirstOfItsKind = seen.insert(type).inserted
                switch life.received(Array("{\"type\":\"\(type)\",\"error\":{}}".utf8)) {
                case .opened:
                    #expect(!isOpen && ends.isEmpty, "opened twice, or after the end")
                    #expect(seen.contains("session.created") && (awaited.map(seen.contains) ?? true))
                    isOpen = true
                case .deliver:
                    #expect(isOpen || seen.contains("session.created") || type == awaited)
                case .awaitClose:
                    #expect(!isOpen && type == "error" && isFirstOfItsKind)
                case .ignore:
                    #expect(!isOpen || !ends.isEmpty, "a frame of an open session was dropped")
                }
            case 5: finish = life.peerClosed(code: 1001, reason: "over")
            case 6: finish = life.violated(.tooLarge)
            case 7: finish = life.lost("reset")
            case 8: finish = life.pingTimedOut()
            case 9: finish = life.handshakeTimedOut(.seconds(1))
            case 10: finish = life.refusalGraceOver()
            case 11:
                let asks = life.closeRequested(code: 1000, reason: "")
                #expect(asks == (isOpen && !isClosing && ends.isEmpty))
                isClosing = isClosing || asks
            default: finish = random.below(2) == 0 ? life.closeTimedOut() : life.abandoned()
            }
            if let finish { ends.append(finish.outcome) }
            #expect(life.takesMessages == (isOpen && !isClosing && ends.isEmpty))
        }
        if let finish = life.abandoned() { ends.append(finish.outcome) }
        #expect(ends.count == 1)
        switch ends.first {
        case .connectFails: #expect(!isOpen)
        case .ends(let end): #expect(isOpen && (!isClosing || end.kind == .closedByUs))
        case nil: break
        }
        return isOpen
    }
}
