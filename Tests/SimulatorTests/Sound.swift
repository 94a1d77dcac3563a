@testable import Simulator

/// Audio at 24 kHz to say to the machine.
enum Sound {
    /// A tone well above the default threshold.
    static func speech(milliseconds: Int) -> [Int16] {
        (0..<milliseconds * 24).map { Int16($0 % 48 < 24 ? 8000 : -8000) }
    }

    static func silence(milliseconds: Int) -> [Int16] { [Int16](repeating: 0, count: milliseconds * 24) }
}
