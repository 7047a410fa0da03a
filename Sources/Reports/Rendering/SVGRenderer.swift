/// The figures, each as an SVG file.
public struct SVGRenderer: ReportRenderer {
  public let name = "svg"

  public init() {}

  public func files(of report: Report) -> [ReportFile] {
    report.figures.map {
      ReportFile(name: Self.fileName(of: $0), text: SVGCanvas.text(of: $0.chart))
    }
  }

  static func fileName(of figure: ReportFigure) -> String { "\(figure.name).svg" }
}
