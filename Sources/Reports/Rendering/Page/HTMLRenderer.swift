/// One page for a browser, with all that it needs inside: figures, tables, the spec, the data.
///
/// It loads nothing, from wherever it is opened: a policy in it forbids the network, and any script but its own.
public struct HTMLRenderer: ReportRenderer {
  public let name = "html"

  public init() {}

  public func files(of report: Report) -> [ReportFile] {
    [ReportFile(name: "report.html", text: PageTemplate.text(of: PageContent(report)))]
  }
}
