import JSON
import Records

/// The cells of one model x context length x task: they share samples, a dense pass and a timing group.
struct CellGroup {
  /// In the order of the plan: `full` first.
  var cells: [PlannedCell]

  var cell: CellRecord { cells[0].cell }

  /// Groups cells, in the order in which each group first appears.
  static func groups(of cells: [PlannedCell]) -> [CellGroup] {
    struct Key: Hashable {
      var model: String
      var contextLength: Int
      var task: String
      var taskProtocol: String?
      var taskParameters: JSONValue
    }
    var places: [Key: Int] = [:]
    var groups: [CellGroup] = []
    for planned in cells {
      let cell = planned.cell
      let key = Key(
        model: cell.modelDigest, contextLength: cell.contextLength, task: cell.task,
        taskProtocol: cell.taskProtocol, taskParameters: cell.taskParameters)
      if let place = places[key] {
        groups[place].cells.append(planned)
      } else {
        places[key] = groups.count
        groups.append(CellGroup(cells: [planned]))
      }
    }
    return groups
  }

  var sampleCount: Int { cell.expectedSampleCount }

  /// `perplexity/continuation at 2048 tokens`, for the log.
  var title: String {
    "\(cell.model), \(cells[0].taskTitle) at \(cell.contextLength) tokens"
  }
}
