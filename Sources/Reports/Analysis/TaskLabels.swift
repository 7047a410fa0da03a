import JSON
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
      let keys = Self.distinguishing(rows.map { $0.planned.cell.taskParameters.objectValue ?? [:] })
      distinguishing[place[0]] = Set(distinguishing[place[0]] ?? []).union(keys).sorted()
    }
  }

  /// Of the keys that tell the tasks apart those that are needed to, the one with the most values first, of several which
  /// task of a family it is: a text goes without whether its lines are joined, and such a task without its text.
  static func distinguishing(_ tasks: [[String: JSONValue]]) -> [String] {
    func count(_ keys: [String]) -> Int {
      Set(tasks.map { task in keys.map { task[$0] ?? .null } }).count
    }
    func rank(_ key: String) -> (Int, String) { (-count([key]), key == "task" ? "" : key) }
    let keys = Set(tasks.flatMap(\.keys)).filter { $0 != "protocol" && count([$0]) > 1 }
      .sorted { rank($0) < rank($1) }
    return keys.reduce(into: []) { kept, key in
      if count(kept + [key]) > count(kept) { kept.append(key) }
    }
  }

  func label(of row: ComparisonRow) -> String {
    let cell = row.planned.cell
    let name = Self.name(of: cell)
    return (distinguishing[name] ?? []).reduce(name) { label, key in
      let value = cell.taskParameters[key] ?? .null
      return label + " \(key)=\(value.stringValue ?? value.canonicalText)"
    }
  }

  private static func name(of cell: CellRecord) -> String {
    cell.taskProtocol.map { "\(cell.task)/\($0)" } ?? cell.task
  }
}
