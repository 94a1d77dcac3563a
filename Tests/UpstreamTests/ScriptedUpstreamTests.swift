import TestSupport
import Testing
import Upstream

/// The fake keeps the contract of the real connection, or the rooms that test against it learn the wrong thing.
@Suite(.timeLimit(.minutes(1)))
struct ScriptedUpstreamTests {
    private let endpoint = UpstreamEndpoint(name: "fake", url: "ws://fake/")

    @Test func scriptsAreTakenInOrderAndThenNobodyAnswers() async throws {
        let upstream = ScriptedUpstream([.fail(UpstreamError(.dnsFailed, "no such name")), .session("sess_7")])
        await #expect { _ = try await upstream.connect(to: endpoint) } throws: { ($0 as? UpstreamError)?.code == .dnsFailed }
        let connection = try await upstream.connect(to: endpoint)
        #expect(String(decoding: connection.created, as: UTF8.self).contains("sess_7"))
        await #expect { _ = try await upstream.connect(to: endpoint) } throws: { ($0 as? UpstreamError)?.code == .unreachable }
        #expect(upstream.connectedEndpoints.map(\.name) == ["fake", "fake", "fake"])
    }

    @Test func framesGoBothWaysInOrderAndTheEndComesLast() async throws {
        let upstream = ScriptedUpstream([.session()])
        let connection = try await upstream.connect(to: endpoint)
        let server = try await upstream.nextConnection()
        server.push("one")
        server.push("two")
        let end = UpstreamEnd(.closedByPeer, code: 1001, reason: "late")
        server.end(end)
        server.push("after the end")
        #expect(try await connection.nextText() == "one")
        #expect(try await connection.nextText() == "two")
        #expect(try await connection.nextInbound() == .ended(end))
        #expect(try await connection.nextInbound() == .ended(end))
        await #expect { try await connection.send([]) } throws: { ($0 as? UpstreamError)?.code == .closed }
    }

    @Test func theTestSeesWhatWasSentAndHowItWasClosed() async throws {
        let upstream = ScriptedUpstream([.session()])
        let connection = try await upstream.connect(to: endpoint)
        let server = try await upstream.nextConnection()
        try await connection.sendText("a")
        try await connection.sendText("b")
        #expect(try await server.nextSent() == "a")
        #expect(server.pendingSent == ["b"])
        try await connection.closeAndWait(code: 1000, reason: "done")
        #expect(try await server.waitForEnd() == UpstreamEnd(.closedByUs, code: 1000, reason: "done"))
    }

    @Test func waitingForAFrameThatDoesNotComeFails() async throws {
        let server = ScriptedConnection()
        await #expect(throws: WaitedTooLong.self) { _ = try await server.nextSent(within: .milliseconds(10)) }
    }

    @Test func droppingTheConnectionEndsIt() async throws {
        let upstream = ScriptedUpstream([.session()])
        _ = try await upstream.connect(to: endpoint)
        let server = try await upstream.nextConnection()
        #expect(try await server.waitForEnd() == UpstreamEnd(.closedByUs))
    }

    @Test func aStalledConnectEndsWithItsTask() async throws {
        let upstream = ScriptedUpstream([.stall])
        let connecting = Task { [endpoint] in
            do throws(UpstreamError) {
                _ = try await upstream.connect(to: endpoint)
                return nil as UpstreamError.Code?
            } catch {
                return error.code
            }
        }
        connecting.cancel()
        #expect(await connecting.value == .cancelled)
    }
}
