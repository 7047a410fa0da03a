import Attention
import JSON
import Planning
import Records

extension PlannedCell {
  /// The kinds that are measured of each cell of a plan, by identity: those that the spec asks for, and what the budgets of
  /// other cells need.
  public static func wantedKinds(
    of cells: [PlannedCell], metrics: Set<ResultKind>
  ) -> [String: Set<ResultKind>] {
    cells.reduce(into: [:]) { wanted, cell in
      wanted[cell.cell.identity, default: []].formUnion(metrics)
      for reference in cell.references {
        wanted[reference, default: []].formUnion(cell.kindsNeeded(of: reference))
      }
    }
  }

  /// What its budget, or those of its parts, need to be known of another cell: the bytes of its cache are a figure of
  /// memory, its density one of approximation.
  func kindsNeeded(of identity: String) -> Set<ResultKind> {
    var kinds: Set<ResultKind> = []
    if matchedIdentity == identity { kinds.formUnion(Self.kinds(cell.strategyParameters)) }
    for (part, reference) in partReferences where reference == identity {
      kinds.formUnion(Self.kinds(cell.strategyParameters[part] ?? .null))
    }
    return kinds
  }

  /// The cells whose means over decode steps its budgets match.
  var meansNeeded: Set<String> {
    func matchesMean(_ parameters: JSONValue) -> Bool {
      guard let budget = parameters["budget"].flatMap(StatedBudget.init) else { return false }
      return budget.matchedName != nil && budget.isMeanOverSteps
    }
    var needed = Set(
      partReferences.filter { matchesMean(cell.strategyParameters[$0.key] ?? .null) }.values)
    if let matchedIdentity, matchesMean(cell.strategyParameters) { needed.insert(matchedIdentity) }
    return needed
  }

  private static func kinds(_ parameters: JSONValue) -> Set<ResultKind> {
    guard let budget = parameters["budget"].flatMap(StatedBudget.init),
      case .matching(_, let use) = budget
    else { return [] }
    return switch use {
    case .density?: [.approximation]
    case .kvBytes?, .meanKvBytes?, nil: [.memory]
    }
  }
}
