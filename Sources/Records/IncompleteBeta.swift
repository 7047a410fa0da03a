import Foundation

/// The regularised incomplete beta function I_x(a, b): what the distributions of Student's t and of counts of
/// successes are made of.
enum IncompleteBeta {
  /// I_x(a, b) for x in 0…1 and positive a and b, to about 1e-14.
  ///
  /// Lentz's continued fraction, which converges fast below the mean a / (a + b); above it
  /// I_x(a, b) = 1 − I_{1−x}(b, a).
  static func value(_ x: Double, _ a: Double, _ b: Double) -> Double {
    if x <= 0 { return 0 }
    if x >= 1 { return 1 }
    let front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    return x < (a + 1) / (a + b + 2)
      ? front * fraction(x, a, b) / a : 1 - front * fraction(1 - x, b, a) / b
  }

  /// The x at which I_x(a, b) reaches a probability in 0…1: Newton's steps, halving where one leaves what is known.
  static func inverse(_ probability: Double, _ a: Double, _ b: Double) -> Double {
    let scale = lgamma(a + b) - lgamma(a) - lgamma(b)
    var (low, high) = (0.0, 1.0)
    var x = a / (a + b)
    for _ in 0..<200 {
      let miss = value(x, a, b) - probability
      if miss < 0 { low = x } else { high = x }
      let slope = exp(scale + (a - 1) * log(x) + (b - 1) * log1p(-x))
      let newton = x - miss / slope
      let next = newton > low && newton < high ? newton : (low + high) / 2
      if next == x || abs(next - x) <= 1e-16 * x { return next }
      x = next
    }
    return x
  }

  private static func fraction(_ x: Double, _ a: Double, _ b: Double) -> Double {
    /// Lentz's method must not divide by 0.
    func apart(_ value: Double) -> Double { abs(value) < 1e-300 ? 1e-300 : value }
    var c = 1.0
    var d = 1 / apart(1 - (a + b) * x / (a + 1))
    var result = d
    for step in 1...500 {
      let m = Double(step)
      let even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
      let odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
      d = 1 / apart(1 + even * d)
      c = apart(1 + even / c)
      result *= d * c
      d = 1 / apart(1 + odd * d)
      c = apart(1 + odd / c)
      result *= d * c
      if abs(d * c - 1) < 1e-15 { break }
    }
    return result
  }
}
