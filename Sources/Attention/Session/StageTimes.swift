import Kernels

/// Time spent in the stages of attention, in nanoseconds, summed over layers and calls. Stages do
/// not overlap.
public struct StageTimes: Sendable, Hashable {
  /// Writing new keys and values into the cache.
  public var cache: UInt64 = 0
  public var select: UInt64 = 0
  public var attend: UInt64 = 0
  public var compact: UInt64 = 0

  public init() {}

  public var total: UInt64 { cache + select + attend + compact }
}

/// A monotonic clock, read only between stages.
struct StageClock {
  private var watch = Stopwatch()

  /// Adds the time since the last lap to a stage.
  mutating func lap(_ stage: inout UInt64) { stage += watch.lap().nanoseconds }

  /// Leaves out the time since the last lap.
  mutating func skip() { _ = watch.lap() }
}
