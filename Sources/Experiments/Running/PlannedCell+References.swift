import Attention
import JSON
import Planning
import Records

extension PlannedCell {
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

  private static func kinds(_ parameters: JSONValue) -> Set<ResultKind> {
    guard let budget = parameters["budget"].flatMap(StatedBudget.init),
      case .matching(_, let use) = budget
    else { return [] }
    return switch use {
    case .kvBytes: [.memory]
    case .density: [.approximation]
    }
  }
}
