import Foundation
import Testing

@testable import Reports

@Suite("Charts")
struct ChartTests {
  @Test(
    "Ticks are round, ascending and around the values",
    arguments: [
      (LineChart.Axis.Scale.linear, [0.0, 90.7]), (.linear, [-3, 17]), (.linear, [5]),
      (.linear, [0, 0]), (.linear, []), (.linear, [1e-9, 3e-9]), (.linear, [-2]),
      (.logarithmic, [0.02, 70]), (.logarithmic, [1, 1]), (.logarithmic, [3e-9, 4e12]),
      (.logarithmic, [250, 260]), (.logarithmic, []),
    ])
  func ticks(scale: LineChart.Axis.Scale, values: [Double]) {
    let axis = AxisScale(.init(label: "x", scale: scale), values: values)
    #expect(axis.low < axis.high && (2...20).contains(axis.ticks.count))
    #expect(axis.ticks == axis.ticks.sorted() && Set(axis.ticks).count == axis.ticks.count)
    for value in values + axis.ticks {
      #expect((-1e-9...1 + 1e-9).contains(axis.share(value)), "\(value)")
    }
  }

  @Test("What an axis cannot show is left out")
  func unshowable() {
    let chart = LineChart(
      title: "t", x: .init(label: "x", scale: .logarithmic), y: .init(label: "y", scale: .linear),
      series: [
        .init(name: "a", points: [.init(x: 0, y: 1), .init(x: 2, y: .nan), .init(x: 3, y: -1)]),
        .init(name: "b", points: [.init(x: -1, y: 1)]),
      ])
    #expect(chart.series == [.init(name: "a", points: [.init(x: 3, y: -1)])])
    #expect(SVGCanvas.text(of: chart).hasSuffix("</svg>\n"))
  }

  @Test("Names cannot end an element, and every series has its mark and line")
  func markup() throws {
    let series = (0..<20).map { number in
      LineChart.Series(
        name: "s<\(number)>&\u{1}",
        points: [.init(x: 1, y: 1), .init(x: 2, y: Double(number + 1))])
    }
    let text = SVGCanvas.text(
      of: LineChart(
        title: "a <b> & c", x: .init(label: "x", scale: .linear),
        y: .init(label: "y", scale: .logarithmic), series: series))
    #expect(
      text.contains("<title>a &lt;b&gt; &amp; c</title>") && text.contains("s&lt;19&gt;&amp;<"))
    #expect(text.components(separatedBy: "<polyline").count == 21)
    #expect(!text.contains("nan") && !text.contains("inf") && !text.contains(NumberFormat.missing))
  }

  @Test("Three lengths have a section on growth with fits and figures; two have none")
  func growth() throws {
    let three = Report(of: ExampleResults.experiment(contexts: [512, 1024, 2048]))
    let section = try #require(three.sections.first { $0.title.hasPrefix("Growth") })
    let full = try #require(section.tables[0].texts.first { $0[2] == "full" })
    // The example's times and bytes are linear; its machine wavers alike at every length.
    #expect(full[3] == "512–2,048 (3)" && full.contains { $0.hasPrefix("1.00 ± 0.00") })
    #expect(
      section.figures.map(\.name) == [
        "attention-and-selection-time-1", "time-to-first-token-1", "kv-bytes-1",
        "attention-and-selection-time-2", "time-to-first-token-2", "kv-bytes-2",
      ])
    let two = Report(of: ExampleResults.experiment())
    #expect(!two.sections.contains { $0.title.hasPrefix("Growth") })
    let files = MarkdownRenderer().files(of: three)
    #expect(Set(files.map(\.name)).count == files.count)
    for file in files.dropFirst() {
      #expect(files[0].text.contains("](\(file.name))") && file.text.hasPrefix("<svg "))
    }
  }
}
