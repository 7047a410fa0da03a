import Records

/// The share of keys at which an oracle and a method are compared by what they drop.
private struct OracleClass {
  var share: ComparisonColumn
  var dropped: ComparisonColumn
  var words: String

  /// Of an oracle that selects once, after the prompt.
  private static let eviction = [
    OracleClass(
      share: .retainedFraction, dropped: .decodeDroppedMass, words: "retained fraction")
  ]
  /// Of one that selects for each query.
  private static let selection = [
    OracleClass(share: .nominalDensity, dropped: .droppedMass, words: "nominal density"),
    OracleClass(
      share: .decodeNominalDensity, dropped: .decodeDroppedMass, words: "decode nominal density"),
  ]

  static func all(of oracle: AnalysedRow) -> [OracleClass] {
    oracle.cell.readsFuture ? eviction : selection
  }
}

extension ExperimentAnalysis {
  /// Methods that drop less of the attention than an oracle of their class that has as much or
  /// more.
  var passedOracles: [String] {
    let tasks = Dictionary(grouping: rows, by: \.row.planned.fullIdentity)
    // A composition with an oracle is no method, and as a whole it bounds none either.
    let oracles = rows.filter {
      $0.cell.strategyRole == .oracle && $0.cell.parametersWithParts.count == 1
    }
    return oracles.flatMap { oracle in
      (tasks[oracle.row.planned.fullIdentity] ?? []).flatMap { method in
        OracleClass.all(of: oracle).compactMap { passed(oracle, by: method, in: $0) }
      }
    }
  }

  private func passed(
    _ oracle: AnalysedRow, by method: AnalysedRow, in kind: OracleClass
  ) -> String? {
    guard !method.row.isFull, method.cell.strategyRole != .oracle,
      let share = method.row[kind.share], let oracleShare = oracle.row[kind.share],
      // What is hardly bound is no comparison.
      oracleShare < 0.999, share <= oracleShare + 1e-6,
      let dropped = method.row[kind.dropped], let oracleDropped = oracle.row[kind.dropped],
      dropped < 0.999 * oracleDropped, oracleDropped - dropped > 1e-6
    else { return nil }
    let (mass, keys) = (NumberFormat.significant, NumberFormat.fixed(3))
    return
      "passes its oracle: \(method.place) drops \(mass.text(dropped)) of the attention at "
      + "\(kind.words) \(keys.text(share)), \(oracle.label) drops "
      + "\(mass.text(oracleDropped)) at \(keys.text(oracleShare)); " + Self.explanation(oracle.cell)
  }

  /// Why that may be.
  private static func explanation(_ oracle: CellRecord) -> String {
    let parameters = oracle.strategyParameters
    if oracle.readsFuture {
      let scope = parameters["scope"]?.stringValue
      if scope == "model" { return "that cannot be, please report it" }
      return
        "it shares a budget \(scope == "layer" ? "inside of a layer" : "not at all"), so a method whose heads have uneven budgets may; scope model is the bound"
    }
    let isHeldToMass = parameters["attentionMass"] != nil || parameters["budget"]?["mass"] != nil
    return isHeldToMass
      ? "it holds each query to the same mass, which is not the least loss at a mean density"
      : "it gives each query as many keys, so a method that shares them unevenly may at the same mean"
  }
}
