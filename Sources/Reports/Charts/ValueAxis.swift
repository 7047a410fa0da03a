/// What an axis shows and how.
struct ValueAxis: Sendable, Hashable {
  /// With unit and direction.
  var label: String
  var kind: AxisScale.Kind
  /// Places for ticks, if the usual ones won't do.
  var ticks: [Double]?
  /// Whether its numbers are shares, shown as percent.
  var isShare = false

  /// For a caption, with a blank before it; "" where there is nothing to explain.
  var note: String {
    guard case .signedLogarithmic(let bound) = kind else { return "" }
    return " The scale of losses is logarithmic beyond ±\(NumberFormat.significant.text(bound))."
  }

  func text(_ tick: Double) -> String {
    isShare ? AxisScale.text(100 * tick) + " %" : AxisScale.text(tick)
  }
}
