import Records

/// What to call each cell's task: `perplexity/prefill`, with parameters that tell several of the same name apart.
struct TaskLabels {
  private struct Kind: Hashable {
    var task: String
    var taskProtocol: String?
  }

  private struct Place: Hashable {
    var kind: Kind
    var model: String
    var contextLength: Int
    var strategy: String
  }

  private var distinguishing: [Kind: [String]] = [:]

  init(_ rows: [ComparisonRow]) {
    // Defaults may depend on the context length, so only cells of the same place are held against each other.
    let places = Dictionary(grouping: rows) { row in
      Place(
        kind: Self.kind(of: row), model: row.planned.cell.model,
        contextLength: row.planned.cell.contextLength, strategy: row.planned.label)
    }
    for (place, cells) in places where cells.count > 1 {
      let parameters = cells.map { $0.planned.cell.taskParameters.objectValue ?? [:] }
      let keys = Set(parameters.flatMap(\.keys)).filter { key in
        Set(parameters.map { $0[key] ?? .null }).count > 1
      }
      distinguishing[place.kind] = Set(distinguishing[place.kind] ?? []).union(keys).sorted()
    }
  }

  func label(of row: ComparisonRow) -> String {
    let kind = Self.kind(of: row)
    var label = kind.task
    if let taskProtocol = kind.taskProtocol { label += "/\(taskProtocol)" }
    for key in distinguishing[kind] ?? [] where key != "protocol" {
      let value = row.planned.cell.taskParameters[key] ?? .null
      label += " \(key)=\(value.stringValue ?? value.canonicalText)"
    }
    return label
  }

  private static func kind(of row: ComparisonRow) -> Kind {
    Kind(task: row.planned.cell.task, taskProtocol: row.planned.cell.taskProtocol)
  }
}
