import Testing

@testable import HTTPServer

struct RequestStateMachineTests {
    private func machine(hasBody: Bool) -> RequestStateMachine {
        var machine = RequestStateMachine(bufferLimitBytes: 10, drainLimitBytes: 20)
        machine.headArrived(hasBody: hasBody)
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
        #expect(machine.readerAsks() == .wait)
        #expect(machine.bytesArrived(1) == .take(bytes: 1, suspend: false, wakeReader: true))
        #expect(machine.bytesArrived(1) == .take(bytes: 1, suspend: false, wakeReader: false))
        #expect(machine.readerAsks() == .deliver(resume: false))
        #expect(machine.readerAsks() == .wait)
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

    @Test func moreThanTheDrainLimitCutsTheConnection() {
        var machine = machine(hasBody: true)
        #expect(machine.answerArrived() == .store(resume: false, limitDrain: true))
        #expect(machine.bytesArrived(20) == .drop)
        #expect(machine.bytesArrived(1) == .cut)
    }

    @Test func theDrainsEndCutsOnlyWhatStillDrains() {
        var draining = machine(hasBody: true)
        #expect(draining.drainEnds() == false)
        _ = draining.answerArrived()
        #expect(draining.drainEnds() == true)
        #expect(draining.bytesArrived(1) == .cut)

        var complete = machine(hasBody: true)
        _ = complete.answerArrived()
        _ = complete.answerWanted()
        #expect(complete.drainEnds() == false)
    }

    @Test func afterTheConnectionIsGoneAnswersAreDiscardedAndReadersFail() {
        var machine = machine(hasBody: true)
        #expect(machine.readerAsks() == .wait)
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
