/// A monotonic clock with laps.
public struct Stopwatch {
  private var last = ContinuousClock.now

  public init() {}

  /// The time since the last lap, or since it was made.
  public mutating func lap() -> Duration {
    let now = ContinuousClock.now
    defer { last = now }
    return now - last
  }
}
