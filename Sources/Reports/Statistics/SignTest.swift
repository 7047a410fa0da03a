import Foundation

/// How often differences go up and down, and how surprising that is if both were equally likely.
///
/// Two-sided and exact: p = min(1, 2 · Σ_{i ≤ min(up, down)} C(n, i) / 2ⁿ) with n = up + down; ties
/// are left out.
public struct SignTest: Codable, Sendable, Hashable {
  public var up: Int
  public var down: Int
  public var ties: Int
  /// 1 where nothing differs.
  public var pValue: Double

  public init(_ differences: [Double]) {
    self.init(
      up: differences.count { $0 > 0 }, down: differences.count { $0 < 0 },
      ties: differences.count { $0 == 0 })
  }

  public init(up: Int, down: Int, ties: Int = 0) {
    self.up = up
    self.down = down
    self.ties = ties
    let count = up + down
    var tail = 0.0
    for successes in 0...min(up, down) {
      let logarithm =
        Self.logFactorial(count) - Self.logFactorial(successes)
        - Self.logFactorial(count - successes) - Double(count) * 0.6931471805599453
      tail += exp(logarithm)
    }
    pValue = min(1, 2 * tail)
  }

  private static func logFactorial(_ n: Int) -> Double { lgamma(Double(n) + 1) }
}
