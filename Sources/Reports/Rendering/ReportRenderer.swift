/// One way to write a report down; knows nothing of files.
public protocol ReportRenderer: Sendable {
  static var fileExtension: String { get }

  /// Writes what fits into one stream.
  func render(_ report: Report, to output: inout some TextOutputStream) throws(ReportError)

  /// The report as named texts; one text called `report` unless a renderer says otherwise.
  func files(of report: Report) throws(ReportError) -> [ReportFile]
}

/// A text and the name that it should get, with its extension.
public struct ReportFile: Sendable, Hashable {
  public var name: String
  public var text: String

  public init(name: String, text: String) {
    self.name = name
    self.text = text
  }
}

extension ReportRenderer {
  public func files(of report: Report) throws(ReportError) -> [ReportFile] {
    var text = ""
    try render(report, to: &text)
    return [ReportFile(name: "report.\(Self.fileExtension)", text: text)]
  }
}
