/// One way to write a report down; knows nothing of folders.
public protocol ReportRenderer: Sendable {
  /// The word for it on the command line.
  var name: String { get }

  /// The report as named texts. Where there is room for one only, it is the first.
  func files(of report: Report) -> [ReportFile]
}

/// A text and the name that it should get, with its extension.
public struct ReportFile: Sendable, Hashable {
  public var name: String
  public var text: String
}

/// The ways to write a report down: a new one is a file of its own, and a word in this list.
public enum ReportFormats {
  public static let all: [any ReportRenderer] = [
    MarkdownRenderer(), CSVRenderer(), HTMLRenderer(), SVGRenderer(), LaTeXRenderer(),
    TerminalRenderer(),
  ]
}
