import JSON
import Records

/// The cells of one model x context length x task: they share samples, a dense pass and a timing group.
///
/// A cell's `full` and the cells that its budgets match are in its own group.
public struct CellGroup: Sendable, Hashable {
  /// In the order of the plan: `full` first. Never empty.
  public let cells: [PlannedCell]

  public var cell: CellRecord { cells[0].cell }

  /// Groups cells, in the order in which each group first appears.
  public static func groups(of cells: [PlannedCell]) -> [CellGroup] {
    struct Key: Hashable {
      var model: String
      var contextLength: Int
      var task: String
      var taskProtocol: String?
      var taskParameters: JSONValue
    }
    var places: [Key: Int] = [:]
    var groups: [[PlannedCell]] = []
    for planned in cells {
      let cell = planned.cell
      let key = Key(
        model: cell.modelDigest, contextLength: cell.contextLength, task: cell.task,
        taskProtocol: cell.taskProtocol, taskParameters: cell.taskParameters)
      if let place = places[key] {
        groups[place].append(planned)
      } else {
        places[key] = groups.count
        groups.append([planned])
      }
    }
    return groups.map(CellGroup.init)
  }

  public var sampleCount: Int { cell.expectedSampleCount }

  /// `smollm2, perplexity/continuation at 2048 tokens`, for the log.
  public var title: String {
    "\(cell.model), \(cells[0].taskTitle) at \(cell.contextLength) tokens"
  }
}
