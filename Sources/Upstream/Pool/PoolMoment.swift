/// When an event of the pool happens, and the piece of chance that its decision may use.
struct PoolMoment: Sendable {
    /// Of a clock that never goes back.
    var milliseconds: Int
    /// 0 to 1.
    var random: Double
}
