import Foundation
import Records
import Testing

@testable import Reports

@Suite("Charts")
struct ChartTests {
  private static let kinds: [AxisScale.Kind] = [
    .linear, .logarithmic, .signedLogarithmic(linearBelow: 0.01),
  ]

  @Test(
    "Ticks are ascending and on the axis, and values too",
    arguments: [
      [0.0, 90.7], [-3, 17], [5], [0, 0], [], [1e-9, 3e-9], [-2], [0.02, 70], [1, 1], [3e-9, 4e12],
      [250, 260], [0.25, 1], [-0.0004, 0.27], [1e-300, 1e300], [-1e12, 1e12],
    ])
  func ticks(values: [Double]) {
    for kind in Self.kinds {
      let shown = values.filter(kind.canShow)
      let axis = AxisScale(kind, values: values)
      #expect((1...24).contains(axis.ticks.count), "\(kind) \(axis.ticks)")
      #expect(axis.ticks == axis.ticks.sorted() && Set(axis.ticks).count == axis.ticks.count)
      for value in shown + axis.ticks {
        #expect((-1e-9...1 + 1e-9).contains(axis.share(value)), "\(kind) \(value)")
      }
    }
  }

  @Test(
    "The data fill at least half of an axis, however wide their intervals are",
    arguments: [[1.0, 1.2], [0, 0.001], [0.2, 0.25, 0.3], [1e-6, 1e3]])
  func fills(values: [Double]) {
    for kind in Self.kinds {
      for width in [0, 0.1, 10, 1e6] {
        let axis = AxisScale(
          kind, values: values,
          intervals: values.map { Interval(low: $0 - width * $0, high: $0 + width) })
        let shares = values.filter(kind.canShow).map(axis.share)
        guard shares.count > 1 else { continue }
        #expect(shares.max()! - shares.min()! >= 0.5, "\(kind) \(width)")
      }
    }
  }

  @Test("An interval is on its axis whole where there is room")
  func intervals() {
    let axis = AxisScale(
      .linear, values: [0, 1],
      intervals: [Interval(low: -0.2, high: 0.1), Interval(low: 0.5, high: 1.3)])
    #expect(axis.share(-0.2) > 0 && axis.share(1.3) < 1)
    let single = AxisScale(.linear, values: [2], intervals: [Interval(low: -8, high: 9)])
    #expect(single.share(-8) > 0 && single.share(9) < 1)
  }

  @Test("What an axis cannot show is left out, and a panel without two points with it")
  func unshowable() {
    func point(_ price: Double, _ loss: Double) -> TradeOffChart.Point {
      .init(
        label: "a", name: "a", style: ExampleCharts.style(0), price: price, loss: loss, hover: "")
    }
    let chart = TradeOffChart(
      title: "t", caption: "", price: ValueAxis(label: "x", kind: .logarithmic),
      loss: ValueAxis(label: "y", kind: .linear),
      panels: [
        .init(title: "a", points: [point(0, 1), point(2, .nan), point(3, -1), point(4, 0)]),
        .init(title: "b", points: [point(-1, 1), point(1, 1)]),
      ])
    #expect(chart.panels.map(\.title) == ["a"] && chart.panels[0].points.map(\.price) == [3, 4])
    #expect(SVGCanvas.text(of: chart).hasSuffix("</svg>\n"))
    let none = GrowthChart(
      title: "t", caption: "", axis: "y",
      lines: [
        .init(
          label: "a", name: "a", power: "", style: ExampleCharts.style(0),
          points: [
            .init(length: 0, value: 1, hover: ""), .init(length: 2, value: .infinity, hover: ""),
          ])
      ])
    #expect(none.lines.isEmpty && SVGCanvas.text(of: none).hasSuffix("</svg>\n"))
  }

  @Test("The frontier is a stair under which no point lies")
  func frontier() {
    let points = ExampleCharts.tradeOff(panels: 1, named: "s").panels[0].points
    let frontier = ExampleCharts.tradeOff(panels: 1, named: "s").panels[0].frontier
    #expect(frontier.count > 1)
    for (left, right) in zip(frontier, frontier.dropFirst()) {
      #expect(left.price < right.price && left.loss > right.loss)
    }
    for point in points {
      #expect(frontier.contains { $0.price <= point.price && $0.loss <= point.loss })
    }
  }

  @Test(
    "No two texts overlap and nothing leaves the drawing",
    arguments: ["s", "tca-plus meanKvBytes=0.125"])
  func geometry(name: String) {
    for chart in ExampleCharts.all(named: name) {
      let canvas = SVGCanvas.drawing(of: chart)
      expectRoom(canvas, "\(type(of: chart))")
    }
  }

  private func point(
    _ name: String, _ style: Int, _ price: Double, _ loss: Double, isDominated: Bool = false
  ) -> TradeOffChart.Point {
    .init(
      label: "\(name) \(price) \(loss)", name: name, style: ExampleCharts.style(style),
      price: price,
      loss: loss, lossInterval: Interval(low: loss - 0.1, high: loss + 0.1),
      isDominated: isDominated, hover: "")
  }

  private func chart(_ panels: [(title: String, points: [TradeOffChart.Point])]) -> TradeOffChart {
    TradeOffChart(
      title: "t", caption: "", price: ValueAxis(label: "x", kind: .logarithmic),
      loss: ValueAxis(label: "y", kind: .linear),
      panels: panels.map { .init(title: $0.title, points: $0.points) })
  }

  @Test("Every mark stands at its own price and loss, whatever stands there too")
  func truePlaces() {
    let shared = chart([
      (
        "a",
        [
          point("full", 0, 1, 0), point("a", 1, 0.1, 0.4), point("b", 2, 0.1, 0.2),
          point("c", 9, 0.1003, 0.3, isDominated: true), point("d", 3, 0.1, 0.2),
          point("a", 1, 0.8, 0.1),
        ]
      )
    ])
    for chart in [shared, ExampleCharts.tradeOff(panels: 3, named: "s")] {
      for index in chart.panels.indices {
        let layout = chart.layout(index)
        #expect(layout.marks.count == chart.panels[index].points.count)
        for mark in layout.marks + layout.series.joined() {
          #expect(mark.x == layout.area.across(mark.point.price))
          #expect(mark.y == layout.area.up(mark.point.loss))
        }
      }
    }
    // At one price each whisker has bars of its own; of marks on each other the lower one is larger.
    let column = shared.layout(0).marks.filter { $0.point.price < 0.5 }
    #expect(column.count == 4 && Set(column.map(\.bar)).count == 4)
    #expect(column[0].point.name == "c")
    #expect(abs(column[0].bar - TradeOffChart.Placed.mostBar) < 1e-9)
    #expect(column.filter { $0.scale > 1 }.map(\.point.name) == ["d"])
    #expect(shared.overlapWords.contains("bars of different widths"))
    #expect(shared.overlapWords.contains("the lower ones are larger"))
    let apart = chart([("a", [point("a", 1, 0.1, 0.4), point("b", 2, 0.9, 0.1)])])
    #expect(apart.overlapWords.isEmpty)
  }

  @Test("A series' line and names are in its colour where any of its marks is")
  func seriesColour() {
    let chart = chart([
      (
        "a",
        [
          point("full", 0, 1, 0), point("s", 5, 0.1, 0.4, isDominated: true),
          point("s", 5, 0.3, 0.2), point("s", 5, 0.7, 0.15, isDominated: true),
          point("g", 6, 0.5, 0.5, isDominated: true), point("g", 6, 0.9, 0.4, isDominated: true),
        ]
      )
    ])
    for names in chart.naming.panels {
      #expect(Set(names.map(\.text)) == ["full", "s", "g"])
      for name in names {
        let colour = ["full": 0, "s": 5][name.owner.point.name]
        #expect(name.style.colour == colour, "\(name.text)")
      }
    }
    let lines = SVGCanvas.text(of: chart).split(separator: "\n").filter {
      $0.hasPrefix("<polyline class=\"thin ")
    }
    #expect(
      lines.contains { $0.contains("thin c5") } && lines.contains { $0.contains("thin rest") })
    #expect(!lines.contains { $0.contains("thin c6") })
  }

  @Test("What runs behind a name strikes it through nowhere")
  func clearNames() {
    let chart = ExampleCharts.tradeOff(panels: 1, named: "s", series: 4)
    let elements = SVGCanvas.text(of: chart).split(separator: "\n")
    let names = elements.indices.filter { elements[$0].hasPrefix("<text class=\"name ") }
    #expect(!names.isEmpty)
    for index in names {
      #expect(elements[index - 1].hasPrefix("<rect class=\"ground\""), "\(elements[index])")
    }
  }

  @Test("Where names end alike figures show all of them: nothing that tells two apart is cut off")
  func wholeLabels() {
    let word = "calibrationCorpus=sqlite-documentation"
    let lines = TextSize.lines(word, size: 13.6, within: 186)
    #expect(lines.count > 1 && lines.joined() == word)
    #expect(lines.allSatisfy { TextSize.width($0, size: 13.6) <= 186 })
    let labels = [0.25, 0.5].map { "streaming-llm matching snapkv fraction=\($0)" }
    var stages = ExampleCharts.stages(named: "s")
    var depths = ExampleCharts.depths(named: "s")
    for (index, label) in labels.enumerated() {
      for panel in stages.panels.indices { stages.panels[panel].bars[index].label = label }
      depths.panels[index].label = label
    }
    for chart in [stages, depths] as [any Chart] {
      let canvas = SVGCanvas.drawing(of: chart)
      expectRoom(canvas, "\(type(of: chart))")
      let texts = canvas.texts.map(\.text)
      for end in ["fraction=0.25", "fraction=0.5"] {
        #expect(texts.contains { $0.hasSuffix(end) }, "\(texts)")
      }
      #expect(!texts.contains { $0.hasSuffix("…") && $0.hasPrefix("streaming") })
    }
    let titles = ["scoredTokens=256", "scoredTokens=512"].map {
      (
        title: "a-model-of-a-long-name at 131,072 tokens, joinLines=false \($0)",
        points: [point("a", 1, 0.1, 0.4), point("b", 2, 0.9, 0.1)]
      )
    }
    let texts = SVGCanvas.drawing(of: chart(titles)).texts.map(\.text)
    for end in ["scoredTokens=256", "scoredTokens=512"] {
      #expect(texts.contains { $0.hasSuffix(end) }, "\(texts)")
    }
    let abridged = labels.map { TextSize.abridged($0, size: 12, within: 180) }
    #expect(Set(abridged).count == 2 && abridged.allSatisfy { $0.contains("…") })
    #expect(abridged.allSatisfy { TextSize.width($0, size: 12) <= 180 })
  }

  @Test("Captions say one as one, whom they leave out and why, and no more than a picture can show")
  func captions() throws {
    var results = ExampleResults.experiment(contexts: [512])
    for row in 4..<8 {
      results.rows[row].planned.cell.taskParameters = ["corpus": "corpora/persuasion.txt"]
    }
    for group in results.timingGroups.indices {
      results.timingGroups[group].group.samples.removeAll { $0.repetition > 0 }
      results.timingGroups[group].group.controls.removeAll { $0.repetition > 0 }
    }
    let report = Report(of: results)
    let captions = Dictionary(
      report.figures.map { ($0.name, $0.chart.caption) }, uniquingKeysWith: { first, _ in first })
    let scores = try #require(captions["quality-and-bytes"])
    #expect(scores.contains("; passkey, 1 text: persuasion."))
    #expect(scores.contains("over 4 prompts: tables give its p."))
    let stages = try #require(captions["stages"])
    #expect(stages.contains(" Times of one repeat; the number at a bar is their sum. Times are"))
    for (name, caption) in captions {
      for words in ["hover", "side by side", "hold their ground", " 1 repeats", " 1 tokens"] {
        #expect(!caption.contains(words), "\(name): \(caption)")
      }
    }
    let rows = ExperimentAnalysis(results).rows
    #expect(ExperimentAnalysis.leftOutWords(rows, of: rows).isEmpty)
    #expect(
      ExperimentAnalysis.leftOutWords([rows[0]], of: Array(rows.prefix(3)))
        == " Room for 1 strategy, those in colour elsewhere first: without streaming-llm, tca threshold=0.7."
    )
  }

  @Test(
    "What is not dominated and grey for want of a colour is named, and only where there is such")
  func colourless() throws {
    func caption(_ count: Int) throws -> String {
      let methods = (0..<count).map { number in
        KnownStrategy(
          label: "s\(number)", share: 0.9 - 0.05 * Double(number),
          losses: [0.1, 0.12, 0.11, 0.1].map { $0 + 0.2 * Double(number) })
      }
      let results = ExampleResults.known([("m", [.full()] + methods)])
      return try #require(Report(of: results).frontier).chart.caption
    }
    #expect(try !caption(6).contains("colours"))
    #expect(
      try caption(8).contains(
        "Not dominated and grey all the same, for there are 7 colours: s6, s7."))
  }

  @Test(
    "Each series of each panel has its name, or a number that the key explains; no text covers a mark",
    arguments: [2, 7, 10, 11, 15, 20], ["s", "composed of parts whose parameters make it long"])
  func seriesNames(count: Int, name: String) {
    let chart = ExampleCharts.tradeOff(panels: 3, named: name, series: count)
    let naming = chart.naming
    let numbers = naming.numbers
    if count == 2, name == "s" { #expect(numbers.isEmpty) }
    if count > 10 || name != "s" { #expect(!numbers.isEmpty) }
    for (index, names) in naming.panels.enumerated() {
      #expect(
        Set(names.map(\.owner.point.name)) == Set(chart.panels[index].points.map(\.name)))
      for one in names {
        #expect(one.text == numbers[one.owner.point.name].map(String.init) ?? one.owner.point.name)
      }
    }
    let canvas = SVGCanvas.drawing(of: chart)
    expectRoom(canvas, "\(count) series")
    let texts = canvas.texts.map(\.text)
    for (name, number) in numbers {
      #expect(texts.contains("\(number)") && texts.contains(name))
    }
    for (text, box) in canvas.texts {
      #expect(!canvas.marks.contains(where: box.overlaps), "\"\(text)\" covers a mark")
    }
  }

  @Test(
    "A number goes without its parameter's name where it is the only one; budgets are no part of a series"
  )
  func shortNames() {
    func name(_ label: String) -> String {
      var results = ExampleResults.experiment(contexts: [512])
      results.rows[2].planned.label = label
      return ExperimentAnalysis(results).rows[2].seriesName
    }
    #expect(name("tca threshold=0.9 criterion=meanMass") == "tca 0.9 meanMass")
    #expect(
      name("tca threshold=0.9 blockSize=32 criterion=meanMass")
        == "tca threshold=0.9 blockSize=32 meanMass")
    #expect(name("tca threshold=0.9 joins=true") == "tca threshold=0.9 joins=true")
    #expect(name("tca threshold=0.9 meanKvBytes=0.25") == "tca 0.9")
    #expect(name("tca meanMass") == "tca meanMass")
  }

  @Test("Names of many parameters have room beside their marks, on several lines if need be")
  func longRowNames() {
    let name = "corpus=persuasion depths=[0.1,0.3,0.5,0.7,0.9] queryAware=false"
    for count in [1, 2, 12] {
      var chart = ExampleCharts.dots(named: name)
      chart.strategies = (0..<count).map { .init(label: "s\($0)", style: ExampleCharts.style($0)) }
      for panel in chart.panels.indices {
        for row in chart.panels[panel].rows.indices {
          chart.panels[panel].rows[row].marks.removeAll { $0.strategy >= count }
        }
      }
      let canvas = SVGCanvas.drawing(of: chart)
      expectRoom(canvas, "\(count) strategies")
      let whole = canvas.texts.filter { $0.text.contains("queryAware=false 0") }
      #expect(whole.count == (count == 12 ? 3 : 0), "\(canvas.texts.map(\.text))")
    }
  }

  @Test("The figures of a report keep their texts apart and inside")
  func reportGeometry() {
    let report = Report(of: ExampleResults.experiment(contexts: [512, 1024, 2048]))
    #expect(report.figures.count > 6)
    for figure in report.figures {
      expectRoom(SVGCanvas.drawing(of: figure.chart), figure.name)
    }
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

  private func expectRoom(_ canvas: SVGCanvas, _ name: String) {
    let area = Box(left: 0, top: 0, right: canvas.size.width, bottom: canvas.size.height)
    #expect(!canvas.texts.isEmpty)
    for (number, one) in canvas.texts.enumerated() {
      #expect(area.holds(one.box), "\(name): \"\(one.text)\" leaves the drawing")
      for other in canvas.texts[(number + 1)...] where one.box.overlaps(other.box) {
        Issue.record("\(name): \"\(one.text)\" and \"\(other.text)\" overlap")
      }
    }
    for mark in canvas.marks { #expect(area.holds(mark), "\(name): a mark leaves the drawing") }
  }

  @Test("Names beside a cloud of points overlap neither each other nor a mark")
  func placement() {
    let area = Box(left: 0, top: 0, right: 400, bottom: 300)
    var generator = SeededGenerator(seed: 7, purpose: "points")
    let points = (0..<60).map { _ in
      (Double.random(in: 0...400, using: &generator), Double.random(in: 0...300, using: &generator))
    }
    let marks = points.map { Box(around: $0.0, $0.1, reach: SeriesStyle.reach) }
    var placement = LabelPlacement(in: area, around: marks)
    var leaders: [LabelPlacement.Leader] = []
    let boxes = points.enumerated().compactMap { number, point -> Box? in
      let text = "strategy \(number)"
      return placement.place(text, near: point.0, point.1).map {
        let box = SVGCanvas.box(of: text, $0.x, $0.y, $0.anchor)
        #expect(($0.leader == nil) == (box.distance(to: point.0, point.1) <= 12))
        if let leader = $0.leader {
          leaders.append(leader)
          #expect(box.distance(to: leader.x2, leader.y2) < 1e-9)
        }
        return box
      }
    }
    #expect(!leaders.isEmpty)
    #expect(boxes.count > 5)
    for (number, box) in boxes.enumerated() {
      #expect(area.holds(box) && !marks.contains(where: box.overlaps))
      #expect(!boxes[(number + 1)...].contains(where: box.overlaps))
    }
    var full = LabelPlacement(in: area, around: [area])
    #expect(full.place("no room", near: 200, 150) == nil)
  }

  @Test("Names at the ends of lines keep their order and their distance")
  func lineEnds() {
    let area = Box(left: 0, top: 0, right: 10, bottom: 200)
    for places in [[0.0, 1, 2, 3], [190, 195, 199, 200], [10, 100, 100, 100, 190], [], [50]] {
      let moved = GrowthChart.apart(places, in: area)
      #expect(moved.count == places.count && moved.allSatisfy { 0...200 ~= $0 })
      #expect(zip(moved, moved.dropFirst()).allSatisfy { $1 - $0 >= 15 })
    }
  }

  @Test("Nothing in a name ends an element, and each mark says whose it is and what it shows")
  func markup() {
    for chart in ExampleCharts.all(named: ExampleCharts.hostile) {
      let text = SVGCanvas.text(of: chart)
      #expect(!text.contains("<b>") && !text.unicodeScalars.contains("\u{0}"))
      #expect(text.contains("data-strategy=\"&lt;b&gt;&amp;&quot;"))
      // What turns the text around is not drawn; in what only programs and pointers read it stands.
      #expect(
        text.split(separator: "\n").allSatisfy {
          !$0.hasPrefix("<text") || !$0.unicodeScalars.contains("\u{202E}")
        })
      #expect(!text.contains("nan") && !text.contains("inf") && !text.contains("\">–<"))
      #expect(XMLText.isWellFormed(text), "\(type(of: chart))")
    }
  }

  @Test("Of nothing each chart is still a whole drawing")
  func empty() {
    let charts: [any Chart] = [
      TradeOffChart(
        title: "", caption: "", price: ValueAxis(label: "", kind: .linear),
        loss: ValueAxis(label: "", kind: .linear), panels: []),
      DotChart(
        title: "", caption: "", axis: ValueAxis(label: "", kind: .linear), strategies: [],
        panels: []), GrowthChart(title: "", caption: "", axis: "", lines: []),
      HeatmapChart(title: "", caption: "", figure: "", panels: []),
      StageChart(title: "", caption: "", stages: [], panels: []),
      DepthChart(title: "", caption: "", depths: [], lengths: [], panels: []),
    ]
    for chart in charts {
      #expect(XMLText.isWellFormed(SVGCanvas.text(of: chart)), "\(type(of: chart))")
    }
  }
}

@Suite("Colours of charts")
struct ColourTests {
  /// Relative luminance of WCAG, by the definition of sRGB.
  private func luminance(_ colour: String) -> Double {
    let value = Int(colour.dropFirst(), radix: 16)!
    let linear = [16, 8, 0].map { shift -> Double in
      let part = Double(value >> shift & 255) / 255
      return part <= 0.04045 ? part / 12.92 : pow((part + 0.055) / 1.055, 2.4)
    }
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
  }

  /// L* of CIELAB, 0…100.
  private func lightness(_ colour: String) -> Double { 116 * cbrt(luminance(colour)) - 16 }

  private func contrast(_ one: String, _ other: String) -> Double {
    let values = [luminance(one), luminance(other)].sorted()
    return (values[1] + 0.05) / (values[0] + 0.05)
  }

  @Test("Series differ in grey, too, and stand out from the ground")
  func series() {
    for colours in [Colours.light, .dark] {
      #expect(colours.series.count == SeriesStyle.colourCount)
      let sorted = colours.series.map(lightness).sorted()
      for (one, next) in zip(sorted, sorted.dropFirst()) { #expect(next - one >= 6) }
      for colour in colours.series { #expect(contrast(colour, colours.ground) >= 2.95) }
      #expect(contrast(colours.ink, colours.ground) >= 7)
      #expect(contrast(colours.soft, colours.ground) >= 4.5)
    }
  }

  @Test("Shapes differ, and a theme can be forced")
  func themes() {
    let shapes = (0..<SeriesStyle.shapeCount).map { number in
      SeriesStyle(colour: nil, shape: number).corners.map { "\($0)" }.joined()
    }
    #expect(Set(shapes).count == SeriesStyle.shapeCount)
    let chart = ExampleCharts.dots(named: "s")
    let (light, dark) = (
      SVGCanvas.text(of: chart, theme: .light), SVGCanvas.text(of: chart, theme: .dark)
    )
    #expect(light.contains(Colours.light.ground) && !light.contains(Colours.dark.ground))
    #expect(dark.contains(Colours.dark.ground) && !dark.contains(Colours.light.ground))
    let automatic = SVGCanvas.text(of: chart)
    #expect(automatic.contains("@media (prefers-color-scheme: dark)"))
    #expect(!light.contains("@media") && !dark.contains("@media"))
    for text in [light, dark, automatic] {
      let rules = text.split(separator: "\n").filter { $0.contains("{") && !$0.contains("@media") }
      #expect(rules.allSatisfy { $0.hasPrefix(".tca-figure ") })
    }
  }
}
