import EventLog
import Realtime
import TestSupport
import Testing
import Upstream

@testable import Sessions

/// Commands that wait for a connection when their caller's time is over.
@Suite struct WithdrawTests {
    @Test func whatWasNotSentIsTakenBackAndWhatWasIsNot() async throws {
        let upstream = ScriptedUpstream([.session(), .stall])
        try await DirectoryFixture.run(connector: upstream) { fixture in
            let session = try await fixture.create(NewSession(), by: fixture.anyone)
            let connection = try await upstream.nextConnection()
            let sent = try await fixture.submit(session, #"{"type":"input_audio_buffer.clear"}"#)
            _ = try await connection.nextSent()
            #expect(await session.withdraw(sent, because: SessionError(.upstreamUnavailable, "taken back")) == false)
            connection.end(UpstreamEnd(.lost))
            #expect(await sent.confirmed(within: .milliseconds(50))?.event == nil)
            // Upstream had it once, so it may have been carried out.
            #expect(await session.withdraw(sent, because: SessionError(.upstreamUnavailable, "taken back")) == false)
            let waiting = try await fixture.submit(session, #"{"type":"response.create"}"#)
            #expect(await session.withdraw(waiting, because: SessionError(.upstreamUnavailable, "taken back")))
            #expect(await session.withdraw(waiting, because: SessionError(.upstreamUnavailable, "taken back")) == false)
            // Its place is free again.
            let next = try await fixture.session(session, takes: #"{"type":"response.create"}"#)
            #expect(next)
        }
    }
}

extension DirectoryFixture {
    fileprivate func session(_ session: Session, takes json: String) async throws -> Bool {
        do {
            _ = try await session.submit(JSON.parse(json), by: anyone, rejectIfActive: true)
            return true
        } catch is SessionError {
            return false
        }
    }
}
