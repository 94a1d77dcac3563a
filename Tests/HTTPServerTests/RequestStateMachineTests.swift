import Testing

@testable import HTTPServer

struct RequestStateMachineTests {
    private func machine(hasBody: Bool, announcedBytes: Int? = nil) -> RequestStateMachine {
        var machine = RequestStateMachine(bufferLimitBytes: 10, drainLimitBytes: 20)
        machine.headArrived(hasBody: hasBody, announcedBytes: announcedBytes)
        return machine
    }

    @Test func aRequestWithoutBodySleepsUntilItsAnswer() {
        var machine = machine(hasBody: false)
        #expect(machine.readerAsks() == .end)
        #expect(machine.answerWanted() == .suspend(wakeReader: false))
        #expect(machine.answerArrived() == .store(resume: true, limitDrain: false))
        #expect(machine.answerWanted() == .queueAnswer)
    }

    @Test func anAnswerBeforeTheLastCallNeedsNoSleep() {
        var machine = machine(hasBody: false)
        #expect(machine.answerArrived() == .store(resume: false, limitDrain: false))
        #expect(machine.answerWanted() == .queueAnswer)
    }

    @Test func theConnectionSleepsOnlyInACallThatLeavesBytes() {
        var machine = machine(hasBody: true)
        #expect(machine.bytesArrived(10) == .take(bytes: 10, suspend: false, wakeReader: false))
        #expect(machine.bytesArrived(1) == .take(bytes: 0, suspend: true, wakeReader: false))
        #expect(machine.readerAsks() == .deliver(resume: true))
        #expect(machine.bytesArrived(11) == .take(bytes: 10, suspend: true, wakeReader: false))
        #expect(machine.readerAsks() == .deliver(resume: true))
        #expect(machine.bytesArrived(1) == .take(bytes: 1, suspend: false, wakeReader: false))
        #expect(machine.readerAsks() == .deliver(resume: false))
    }

    @Test func aWaitingReaderIsWokenOnce() {
        var machine = machine(hasBody: true)
        #expect(machine.readerAsks() == .wait(resume: false))
        #expect(machine.bytesArrived(1) == .take(bytes: 1, suspend: false, wakeReader: true))
        #expect(machine.bytesArrived(1) == .take(bytes: 1, suspend: false, wakeReader: false))
        #expect(machine.readerAsks() == .deliver(resume: false))
        #expect(machine.readerAsks() == .wait(resume: false))
        #expect(machine.answerWanted() == .suspend(wakeReader: true))
        #expect(machine.readerAsks() == .end)
    }

    @Test func anAnswerInTheMiddleOfABodyWakesItAndDropsTheRest() {
        var machine = machine(hasBody: true)
        #expect(machine.bytesArrived(11) == .take(bytes: 10, suspend: true, wakeReader: false))
        #expect(machine.answerArrived() == .store(resume: true, limitDrain: true))
        #expect(machine.bytesArrived(20) == .drop)
        #expect(machine.answerWanted() == .queueAnswer)
    }

    @Test func whatIsMoreThanTheDrainLimitIsAnsweredAmidst() {
        var machine = machine(hasBody: true)
        #expect(machine.answerArrived() == .store(resume: false, limitDrain: true))
        #expect(machine.bytesArrived(20) == .drop)
        #expect(machine.bytesArrived(1) == .answerAmidst)
        // As long as the client has not understood.
        #expect(machine.bytesArrived(1_000) == .drop)
        #expect(machine.drainEnds() == false)
        // There is no second answer.
        var ended = machine
        #expect(ended.answerWanted() == .cut)
        #expect(machine.lingerEnds() == true)
        #expect(machine.bytesArrived(1) == .cut)
    }

    @Test(arguments: [(25, RequestStateMachine.BytesAction.drop), (26, .answerAmidst)])
    func aBodyThatIsKnownToBeTooLongIsNotWaitedFor(announcedBytes: Int, action: RequestStateMachine.BytesAction) {
        var machine = machine(hasBody: true, announcedBytes: announcedBytes)
        #expect(machine.bytesArrived(5) == .take(bytes: 5, suspend: false, wakeReader: false))
        _ = machine.answerArrived()
        #expect(machine.bytesArrived(1) == action)
    }

    @Test func theDrainsEndAnswersOnlyWhatStillDrains() {
        var draining = machine(hasBody: true)
        #expect(draining.drainEnds() == false)
        #expect(draining.lingerEnds() == false)
        _ = draining.answerArrived()
        #expect(draining.drainEnds() == true)
        #expect(draining.bytesArrived(1) == .drop)
        #expect(draining.lingerEnds() == true)
        #expect(draining.bytesArrived(1) == .cut)

        var complete = machine(hasBody: true)
        _ = complete.answerArrived()
        _ = complete.answerWanted()
        #expect(complete.drainEnds() == false)
        #expect(complete.lingerEnds() == false)
    }

    // MARK: Clients that wait to be told to send their body

    @Test func aClientThatWaitsIsToldWhenTheHandlerAsks() {
        var machine = machine(hasBody: true)
        #expect(machine.holdBody() == true)
        #expect(machine.readerAsks() == .wait(resume: true))
        #expect(machine.isHeld)
        #expect(machine.released(clientHasBegun: false) == .goOn)
        #expect(!machine.isHeld)
        #expect(machine.bytesArrived(1) == .take(bytes: 1, suspend: false, wakeReader: true))
    }

    @Test func aClientThatWaitsIsAnsweredInPlaceOfItsBody() {
        var machine = machine(hasBody: true)
        #expect(machine.holdBody() == true)
        #expect(machine.answerArrived() == .store(resume: true, limitDrain: false))
        #expect(machine.released(clientHasBegun: false) == .queueAnswer)
        #expect(machine.drainEnds() == false)
    }

    /// The handler asks, which wakes the connection; it is cancelled and answers; only then libmicrohttpd calls.
    @Test func anAnswerThatCrossesTheRequestForTheBodyTakesItsPlace() {
        var machine = machine(hasBody: true)
        #expect(machine.holdBody() == true)
        #expect(machine.readerAsks() == .wait(resume: true))
        #expect(machine.readerLeft() == true)
        #expect(machine.answerArrived() == .store(resume: false, limitDrain: false))
        #expect(machine.released(clientHasBegun: false) == .queueAnswer)
    }

    @Test func whatAClientSendsThatDidNotWaitLongEnoughIsDroppedBeforeTheAnswer() {
        var machine = machine(hasBody: true, announcedBytes: 20)
        #expect(machine.holdBody() == true)
        #expect(machine.answerArrived() == .store(resume: true, limitDrain: false))
        #expect(machine.released(clientHasBegun: true) == .drain)
        #expect(machine.bytesArrived(20) == .drop)
        #expect(machine.answerWanted() == .queueAnswer)
    }

    @Test func theServersEndReleasesAClientThatWaits() {
        var machine = machine(hasBody: true)
        #expect(machine.holdBody() == true)
        #expect(machine.endNow() == .init(resume: true, wakeReader: false))
        #expect(machine.released(clientHasBegun: false) == .queueShuttingDown)
        var ending = self.machine(hasBody: true)
        _ = ending.endNow()
        #expect(ending.holdBody() == false)
        #expect(ending.bytesArrived(1) == .cut)
    }

    @Test func afterTheConnectionIsGoneAnswersAreDiscardedAndReadersFail() {
        var machine = machine(hasBody: true)
        #expect(machine.readerAsks() == .wait(resume: false))
        #expect(machine.connectionGone(.idleTimeout) == .init(resume: false, wakeReader: true))
        #expect(machine.readerAsks() == .fail(.idleTimeout))
        #expect(machine.answerArrived() == .discard)
        #expect(machine.endNow() == .init())
    }

    @Test func aBodyThatWasNotReadBeforeTheEndIsNotTakenForAnEmptyOne() {
        var gone = machine(hasBody: true)
        _ = gone.bytesArrived(5)
        _ = gone.answerWanted()
        _ = gone.endNow()
        _ = gone.answerWanted()
        _ = gone.connectionGone(.disconnected)
        #expect(gone.readerAsks() == .fail(.disconnected))

        var answered = machine(hasBody: true)
        _ = answered.bytesArrived(5)
        _ = answered.answerArrived()
        #expect(answered.readerAsks() == .fail(.disconnected))
    }

    @Test func theServersEndWakesWhatSleepsAndNothingSleepsAgain() {
        var waiting = machine(hasBody: false)
        #expect(waiting.answerWanted() == .suspend(wakeReader: false))
        #expect(waiting.endNow() == .init(resume: true, wakeReader: false))
        #expect(waiting.endNow() == .init())
        #expect(waiting.answerArrived() == .discard)
        #expect(waiting.answerWanted() == .queueShuttingDown)

        var uploading = machine(hasBody: true)
        #expect(uploading.bytesArrived(11) == .take(bytes: 10, suspend: true, wakeReader: false))
        #expect(uploading.endNow() == .init(resume: true, wakeReader: false))
        #expect(uploading.readerAsks() == .fail(.disconnected))
        #expect(uploading.bytesArrived(1) == .cut)
    }

    @Test func anAnswerThatWasReadyIsSentThoughTheServerEnds() {
        var machine = machine(hasBody: false)
        _ = machine.answerArrived()
        _ = machine.endNow()
        #expect(machine.answerWanted() == .queueAnswer)
    }
}
