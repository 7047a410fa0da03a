/// Quality against a price, a panel for each model and length: what is paid for less of it. Points with their intervals,
/// and the frontier: the least loss at no more than a price.
public struct TradeOffChart: Chart {
  struct Point: Sendable, Hashable {
    /// The strategy, as everywhere else.
    var label: String
    /// What points that a thin line joins have in common, and what is written at them.
    var name: String
    var style: SeriesStyle
    var price: Double
    var loss: Double
    var priceInterval: Interval?
    var lossInterval: Interval?
    /// Where something else makes it needless; drawn in grey.
    var isDominated = false
    /// Where all begins: it has no interval, since it does not differ from itself.
    var isReference = false
    /// In words, with values and intervals.
    var hover: String
  }

  struct Panel: Sendable, Hashable {
    var title: String
    var points: [Point]
  }

  public var title: String
  public var caption: String
  var price: ValueAxis
  var loss: ValueAxis
  var panels: [Panel]

  /// Points that an axis cannot show (not finite, or no positive price) are left out, and panels without two of them.
  init(title: String, caption: String, price: ValueAxis, loss: ValueAxis, panels: [Panel]) {
    self.title = title
    self.caption = caption
    self.price = price
    self.loss = loss
    self.panels = panels.compactMap { panel in
      var panel = panel
      panel.points.removeAll {
        !price.kind.canShow($0.price) || !loss.kind.canShow($0.loss)
      }
      return panel.points.count > 1 ? panel : nil
    }
  }
}

extension TradeOffChart.Panel {
  /// Corners of the stair of least losses, by rising price: no point lies below and left of it.
  var frontier: [TradeOffChart.Point] {
    var least = Double.infinity
    return points.sorted { ($0.price, $0.loss) < ($1.price, $1.loss) }.filter { point in
      guard point.loss < least else { return false }
      least = point.loss
      return true
    }
  }
}
