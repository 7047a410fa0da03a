import Records

/// The cells of one model x context length x task: they share samples, a dense pass and a timing group.
struct TaskBench {
  /// In the order of the plan: `full` first.
  var cells: [PlannedCell]

  var cell: CellRecord { cells[0].cell }

  /// Groups cells, in the order in which each group first appears.
  static func benches(of cells: [PlannedCell]) -> [TaskBench] {
    struct Key: Hashable {
      var model: String
      var contextLength: Int
      var task: String
      var taskProtocol: String?
      var taskParameters: JSONValue
    }
    var places: [Key: Int] = [:]
    var benches: [TaskBench] = []
    for planned in cells {
      let cell = planned.cell
      let key = Key(
        model: cell.modelDigest, contextLength: cell.contextLength, task: cell.task,
        taskProtocol: cell.taskProtocol, taskParameters: cell.taskParameters)
      if let place = places[key] {
        benches[place].cells.append(planned)
      } else {
        places[key] = benches.count
        benches.append(TaskBench(cells: [planned]))
      }
    }
    return benches
  }

  var sampleCount: Int { cell.expectedSampleCount }

  /// `perplexity/continuation at 2048 tokens`, for the log.
  var title: String {
    "\(cell.model), \(cells[0].taskTitle) at \(cell.contextLength) tokens"
  }
}

extension CellRecord {
  /// Samples of the cell, at each depth where the task has depths; 100 where a file decides.
  var expectedSampleCount: Int {
    let samples = taskParameters["samples"].map { $0.integerValue ?? 100 } ?? 1
    let depths = taskParameters["depths"]?.arrayValue?.count ?? 1
    let (count, overflow) = samples.multipliedReportingOverflow(by: depths)
    return overflow ? .max : count
  }
}
