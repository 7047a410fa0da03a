import Foundation

/// y = c · xᵃ through measured points: least squares of ln y on ln x.
public struct PowerFit: Sendable, Hashable {
  /// a: 1 for linear growth, 2 for quadratic.
  public var exponent: Double
  /// Of the exponent; 0 where all points lie on the curve.
  public var standardError: Double
  /// Root mean square of a point's distance to the curve, as a share: 0.05 is 5 % above or below.
  public var spread: Double
  public var count: Int

  /// Fewer points say nothing of how well a curve fits.
  public static let leastPoints = 3

  /// Nil for fewer than ``leastPoints`` positive points, or with fewer than two different x.
  public init?(_ points: [(x: Double, y: Double)]) {
    let logs = points.filter { $0.x > 0 && $0.y > 0 && $0.x.isFinite && $0.y.isFinite }
      .map { (x: log($0.x), y: log($0.y)) }
    guard logs.count >= Self.leastPoints else { return nil }
    let count = Double(logs.count)
    let meanX = logs.reduce(0) { $0 + $1.x } / count
    let meanY = logs.reduce(0) { $0 + $1.y } / count
    let varianceX = logs.reduce(0) { $0 + ($1.x - meanX) * ($1.x - meanX) }
    guard varianceX > 1e-12 else { return nil }
    let slope = logs.reduce(0) { $0 + ($1.x - meanX) * ($1.y - meanY) } / varianceX
    let squares = logs.reduce(0) { sum, point in
      let rest = point.y - meanY - slope * (point.x - meanX)
      return sum + rest * rest
    }
    exponent = slope
    standardError = (squares / (count - 2) / varianceX).squareRoot()
    spread = exp((squares / count).squareRoot()) - 1
    self.count = logs.count
  }
}
