/// Decides when one pulled body sleeps and when its connection must be woken.
///
/// As with ``RequestStateMachine``, `sleep` and `resume` are carried out under the lock around the machine.
enum StreamStateMachine {
    /// Not with libmicrohttpd yet.
    case unopened
    /// Being pulled or sent. `woken`: a wake came since the last pull began, so the next `.waiting` is out of date.
    case awake(woken: Bool)
    case asleep
    /// The server is past its grace: the next pull cuts the connection.
    case ending
    /// The connection is gone, or the body is complete.
    case over

    init() {
        self = .unopened
    }

    mutating func opened() {
        switch self {
        case .unopened: self = .awake(woken: false)
        case .ending, .over: break
        case .awake, .asleep: preconditionFailure("a body was opened twice")
        }
    }

    /// Whether to pull; if not, the connection is cut.
    mutating func pullBegins() -> Bool {
        switch self {
        case .awake:
            self = .awake(woken: false)
            return true
        case .ending, .over:
            return false
        case .unopened, .asleep:
            preconditionFailure("libmicrohttpd pulled a body that is not open or asleep")
        }
    }

    enum WaitingAction: Equatable { case sleep, pullAgain, cut }

    /// The pull found nothing.
    mutating func pullFoundNothing() -> WaitingAction {
        switch self {
        case .awake(woken: false):
            self = .asleep
            return .sleep
        case .awake(woken: true):
            self = .awake(woken: false)
            return .pullAgain
        case .ending, .over:
            return .cut
        case .unopened, .asleep:
            preconditionFailure("a pull ended that had not begun")
        }
    }

    enum WakeAction: Equatable { case resume, none }

    /// Bytes can be pulled. Waking twice is harmless; resuming twice is not allowed by libmicrohttpd.
    mutating func wake() -> WakeAction {
        switch self {
        case .asleep:
            self = .awake(woken: false)
            return .resume
        case .awake:
            self = .awake(woken: true)
            return .none
        case .unopened, .ending, .over:
            return .none
        }
    }

    /// From here on the connection never sleeps again.
    mutating func endNow() -> WakeAction {
        switch self {
        case .asleep:
            self = .ending
            return .resume
        case .awake, .unopened, .ending:
            self = .ending
            return .none
        case .over:
            return .none
        }
    }

    /// The last pull said so.
    mutating func finished() {
        self = .over
    }

    mutating func connectionGone() {
        self = .over
    }
}
