/// Student's t distribution: how far the mean of few normal values strays from the true one, in standard errors.
public struct StudentT: Sendable, Hashable {
  /// Degrees of freedom: one less than there are values.
  public let degrees: Int

  /// Traps unless there is a degree of freedom.
  public init(degrees: Int) {
    precondition(degrees > 0, "StudentT: \(degrees) degrees of freedom")
    self.degrees = degrees
  }

  /// How likely a value is at least as far from 0 as this one, on either side.
  public func twoSidedProbability(of value: Double) -> Double {
    let n = Double(degrees)
    return IncompleteBeta.value(n / (n + value * value), n / 2, 0.5)
  }

  /// The number that the distribution stays within, on both sides of 0, with this probability (in 0 ..< 1): 2.365
  /// for 0.95 and 7 degrees of freedom.
  public func halfWidth(covering probability: Double) -> Double {
    let n = Double(degrees)
    // I_x with x = t² / (n + t²): the smaller of x and 1 − x keeps its digits.
    let x = IncompleteBeta.inverse(1 - probability, n / 2, 0.5)
    return (n * (1 - x) / x).squareRoot()
  }
}

/// What a count of successes says of the chance of one.
public enum SuccessShare {
  /// The 95 % interval of Clopper and Pearson for `successes` of `count` trials: exact, never narrower than it says.
  /// 8 of 8 give [0.63, 1]. Traps unless 0 ≤ successes ≤ count.
  public static func interval(
    _ successes: Int, of count: Int, level: Double = 0.95
  ) -> (low: Double, high: Double) {
    precondition(
      0...max(count, 0) ~= successes, "SuccessShare.interval: \(successes) of \(count)")
    let (k, n) = (Double(successes), Double(count))
    let tail = (1 - level) / 2
    return (
      successes == 0 ? 0 : IncompleteBeta.inverse(tail, k, n - k + 1),
      successes == count ? 1 : IncompleteBeta.inverse(1 - tail, k + 1, n - k)
    )
  }

  /// How likely at most `successes` of `count` fair coins are.
  public static func fairTail(_ successes: Int, of count: Int) -> Double {
    if successes < 0 { return 0 }
    return successes >= count
      ? 1 : IncompleteBeta.value(0.5, Double(count - successes), Double(successes + 1))
  }
}
