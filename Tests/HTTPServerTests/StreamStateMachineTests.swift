import Testing

@testable import HTTPServer

struct StreamStateMachineTests {
    private func openMachine() -> StreamStateMachine {
        var machine = StreamStateMachine()
        machine.opened()
        return machine
    }

    @Test func sleepsWhenNothingIsThereAndIsResumedOnce() {
        var machine = openMachine()
        #expect(machine.pullBegins() == true)
        #expect(machine.pullFoundNothing() == .sleep)
        #expect(machine.wake() == .resume)
        #expect(machine.wake() == .none)
        #expect(machine.pullBegins() == true)
    }

    @Test func aWakeDuringAPullIsNotLost() {
        var machine = openMachine()
        #expect(machine.pullBegins() == true)
        #expect(machine.wake() == .none)
        #expect(machine.pullFoundNothing() == .pullAgain)
        #expect(machine.pullBegins() == true)
        #expect(machine.pullFoundNothing() == .sleep)
    }

    @Test func aWakeBeforeThePullIsAnsweredByIt() {
        var machine = openMachine()
        #expect(machine.wake() == .none)
        #expect(machine.pullBegins() == true)
        #expect(machine.pullFoundNothing() == .sleep)
    }

    @Test func theServersEndWakesASleeperAndCutsItsNextPull() {
        var machine = openMachine()
        #expect(machine.pullBegins() == true)
        #expect(machine.pullFoundNothing() == .sleep)
        #expect(machine.endNow() == .resume)
        #expect(machine.wake() == .none)
        #expect(machine.pullBegins() == false)
    }

    @Test func theServersEndDuringAPullKeepsItAwake() {
        var machine = openMachine()
        #expect(machine.pullBegins() == true)
        #expect(machine.endNow() == .none)
        #expect(machine.pullFoundNothing() == .cut)
    }

    @Test func theServersEndBeforeTheOpeningCutsTheFirstPull() {
        var machine = StreamStateMachine()
        #expect(machine.endNow() == .none)
        machine.opened()
        #expect(machine.pullBegins() == false)
    }

    @Test func wakesAfterTheEndDoNothing() {
        var finished = openMachine()
        #expect(finished.pullBegins() == true)
        finished.finished()
        #expect(finished.wake() == .none)

        var gone = openMachine()
        gone.connectionGone()
        #expect(gone.wake() == .none)
        #expect(gone.endNow() == .none)
    }
}
