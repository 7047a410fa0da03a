import Records

/// One of several parts of a plan, for one of several machines.
public struct Shard: Sendable, Hashable, CustomStringConvertible {
  /// 1…count.
  public let number: Int
  public let count: Int

  /// Nil unless 1 ≤ number ≤ count.
  public init?(_ number: Int, of count: Int) {
    guard number >= 1, number <= count else { return nil }
    self.number = number
    self.count = count
  }

  /// Reads `2/4`.
  public init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2,
      parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { 48...57 ~= $0 } }),
      let number = Int(parts[0]), let count = Int(parts[1])
    else { return nil }
    self.init(number, of: count)
  }

  public var description: String { "\(number)/\(count)" }

  /// The groups of a plan that are this shard's, in the order of the plan.
  ///
  /// Groups stay whole: their cells share a dense pass, matched cells need their reference, and times are compared inside
  /// a group. The most expensive group goes first, each to the shard that has least so far; no shard has more than the
  /// mean of all and one group. Costs are those of ``PlanEstimate`` at the rates that it assumes, never at a machine's own, so
  /// every machine splits a plan alike. Where there are more shards than groups, some are empty.
  public func groups(of plan: ExperimentPlan, in checked: CheckedSpec) -> [CellGroup] {
    let groups = CellGroup.groups(of: plan.cells)
    let costs = groups.map { Self.cost(of: $0, plan, checked) }
    // A shard beyond the groups' number gets nothing.
    var loads = Array(repeating: 0, count: min(count, max(1, groups.count)))
    var own: Set<Int> = []
    for group in groups.indices.sorted(by: { (-costs[$0], $0) < (-costs[$1], $1) }) {
      guard let least = loads.indices.min(by: { (loads[$0], $0) < (loads[$1], $1) }) else { break }
      loads[least] += costs[group]
      if least == number - 1 { own.insert(group) }
    }
    return groups.indices.filter(own.contains).map { groups[$0] }
  }

  /// Milliseconds, whole so that no machine rounds a sum otherwise; at least 1, so that groups of no cost spread too.
  static func cost(
    of group: CellGroup, _ plan: ExperimentPlan, _ checked: CheckedSpec
  ) -> Int {
    let seconds = PlanEstimate(of: group.cells, in: checked, plan: plan, rates: .assumed).seconds
    return 1 + Int(min(1000 * seconds, 1e15))
  }
}
