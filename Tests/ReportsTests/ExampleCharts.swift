import Foundation
import FoundationXML

@testable import Reports

/// A chart of each kind, crowded on purpose: points that lie together, long names, wide intervals.
enum ExampleCharts {
  static let hostile = "<b>&\"']]>\u{301}\u{202E}😀|\n\u{0}x"

  static func all(named name: String = "strategy") -> [any Chart] {
    [
      tradeOff(panels: 1, named: name), tradeOff(panels: 3, named: name), dots(named: name),
      growth(lines: 5, named: name), growth(lines: 60, named: name), heads(named: name),
      stages(named: name), depths(named: name),
    ]
  }

  static func style(_ number: Int) -> SeriesStyle {
    SeriesStyle(colour: number < 7 ? number : nil, shape: number % 7)
  }

  /// Two points for each series.
  static func tradeOff(panels: Int, named name: String, series: Int = 15) -> TradeOffChart {
    let points = (0..<2 * series).map { number in
      let loss = number == 0 ? 0 : 0.3 / Double(number)
      return TradeOffChart.Point(
        label: "\(name) \(number)", name: "\(name) \(number / 2)", style: style(number / 2),
        price: number == 0 ? 1 : 0.1 + Double(number % 9) / 90, loss: loss,
        lossInterval: number % 5 == 0 ? nil : Interval(low: loss - 0.2, high: loss + 2),
        isDominated: number % 4 == 1, isReference: number == 0, hover: "\(name) \(number): hover")
    }
    return TradeOffChart(
      title: "What does \(name) cost?", caption: "Caption of \(name), " + words,
      price: ValueAxis(
        label: "bytes " + words, kind: .logarithmic, ticks: [0.125, 0.25, 0.5, 1], isShare: true),
      loss: ValueAxis(label: "loss " + words, kind: .signedLogarithmic(linearBelow: 0.003)),
      panels: (0..<panels).map {
        TradeOffChart.Panel(title: "\(name) \($0) \(words)", points: points)
      })
  }

  static func dots(named name: String) -> DotChart {
    DotChart(
      title: "On which text does \(name) break?", caption: words,
      axis: ValueAxis(label: "loss, nats a token (↓ better)", kind: .linear),
      strategies: (0..<12).map { .init(label: "\(name) \($0)", style: style($0)) },
      panels: (0..<3).map { panel in
        DotChart.Panel(
          title: "model \(panel) of \(name)",
          rows: (0..<5).map { row in
            DotChart.Row(
              name: "\(name) \(row)",
              marks: (0..<12).map { number in
                let loss = Double((row * 7 + number * 5) % 11) / 40
                return DotChart.Mark(
                  strategy: number, loss: loss,
                  interval: number == 3 ? nil : Interval(low: loss - 0.1, high: loss + 0.9),
                  hover: name)
              })
          })
      })
  }

  static func growth(lines: Int, named name: String) -> GrowthChart {
    GrowthChart(
      title: "How does \(name) grow?", caption: words,
      axis: "seconds, median, log scale (↓ better)",
      lines: (0..<lines).map { number in
        GrowthChart.Line(
          label: "\(name) \(number)", name: "\(name) \(number)", power: " n^1.50 ± 0.02",
          style: style(number),
          points: [512.0, 1024, 4096, 131_072].map { length in
            GrowthChart.Point(
              length: length, value: length * (1 + Double(number) / 100) / 400,
              spread: Interval(low: length / 420, high: length / 300), hover: name)
          },
          crossover: number == 1
            ? Crossover([
              (512, spread(1.4)), (4096, spread(0.7)),
            ]) : nil)
      })
  }

  /// With an interval of 5 % on both sides.
  static func spread(_ ratio: Double) -> Spread {
    var spread = Spread([ratio, ratio, ratio])!
    spread.interval = Interval(low: ratio / 1.05, high: ratio * 1.05)
    return spread
  }

  static func heads(named name: String) -> HeatmapChart {
    HeatmapChart(
      title: "Which heads of \(name) err?", caption: words, figure: "output error (↓ better)",
      panels: (0..<6).map { panel -> HeatmapChart.Panel in
        let values = (0..<32).map { layer -> [Double?] in
          (0..<32).map { head -> Double? in
            head == 3 ? nil : Double((layer * 31 + head * 17 + panel * 5) % 97) / 97
          }
        }
        return HeatmapChart.Panel(label: "\(name) \(panel)", values: values)
      })
  }

  static func stages(named name: String) -> StageChart {
    StageChart(
      title: "Where does the time of \(name) go?", caption: words,
      stages: ["attend", "select", "compact", "rest"],
      panels: ["ms", "ms a token"].map { unit in
        StageChart.Panel(
          title: "model of \(name): \(words)", unit: unit,
          bars: (0..<12).map { number in
            StageChart.Bar(
              label: "\(name) \(number)", stages: [40, Double(number), 0, 120],
              quartiles: Interval(low: 150, high: 190), hover: name)
          })
      })
  }

  static func depths(named name: String) -> DepthChart {
    DepthChart(
      title: "Is the needle of \(name) found?", caption: words,
      depths: ["0 %", "25 %", "50 %", "75 %", "100 %"], lengths: [512, 2048, 8192, 131_072, 1000],
      panels: (0..<5).map { panel -> DepthChart.Panel in
        let cells = (0..<5).map { row -> [DepthChart.Cell?] in
          (0..<5).map { column -> DepthChart.Cell? in
            row == column ? nil : .init(score: Double(row) / 4, count: 100, interval: nil)
          }
        }
        return DepthChart.Panel(label: "\(name) \(panel)", cells: cells)
      })
  }

  private static let words =
    "smollm2-135m-instruct (SmolLM2-135M-Instruct.Q4_1.gguf); perplexity/continuation, 5 texts together, whiskers: 95 % intervals."
}

extension XMLText {
  static func isWellFormed(_ text: String) -> Bool { XMLParser(data: Data(text.utf8)).parse() }
}
