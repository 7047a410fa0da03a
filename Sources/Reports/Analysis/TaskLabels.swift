import Records

/// What to call each cell's task: `perplexity/prefill`, with the parameters that tell tasks apart.
struct TaskLabels {
  private var distinguishing: [String: [String]] = [:]

  init(_ rows: [ComparisonRow]) {
    // Defaults may depend on the context length: only cells of one place are compared.
    let places = rows.grouped { row in
      let cell = row.planned.cell
      return [Self.name(of: cell), cell.model, "\(cell.contextLength)", row.planned.label]
    }
    for (place, rows) in places where rows.count > 1 {
      let parameters = rows.map { $0.planned.cell.taskParameters.objectValue ?? [:] }
      let keys = Set(parameters.flatMap(\.keys)).filter { key in
        Set(parameters.map { $0[key] ?? .null }).count > 1
      }
      distinguishing[place[0]] = Set(distinguishing[place[0]] ?? []).union(keys).sorted()
    }
  }

  func label(of row: ComparisonRow) -> String {
    let cell = row.planned.cell
    let name = Self.name(of: cell)
    return (distinguishing[name] ?? []).filter { $0 != "protocol" }.reduce(name) { label, key in
      let value = cell.taskParameters[key] ?? .null
      return label + " \(key)=\(value.stringValue ?? value.canonicalText)"
    }
  }

  private static func name(of cell: CellRecord) -> String {
    cell.taskProtocol.map { "\(cell.task)/\($0)" } ?? cell.task
  }
}
