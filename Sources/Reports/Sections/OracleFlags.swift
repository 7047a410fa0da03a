import Records

extension CellRecord {
  /// True for an oracle that was told what follows the prompt, and for a composition with one.
  var readsFuture: Bool { strategies.contains("oracle-eviction") }

  /// True for the control that keeps tokens drawn by chance.
  var isRandom: Bool { strategy == "random" }

  /// True for any oracle: it chooses by the exact scores that methods only guess.
  var isOracle: Bool { strategies.contains { $0.hasPrefix("oracle-") } }

  private var strategies: [String] {
    [strategy] + parametersWithParts.compactMap { $0["name"]?.stringValue }
  }
}

/// The share of keys by which an oracle and a method are compared, and what they drop of the attention.
private struct OracleClass {
  var share: ComparisonColumn
  var dropped: ComparisonColumn
  var words: String

  /// One selection after the prompt.
  static let eviction = [
    OracleClass(
      share: .retainedFraction, dropped: .decodeDroppedMass, words: "retained fraction")
  ]
  /// A selection for each query.
  static let selection = [
    OracleClass(share: .nominalDensity, dropped: .droppedMass, words: "nominal density"),
    OracleClass(
      share: .decodeNominalDensity, dropped: .decodeDroppedMass, words: "decode nominal density"),
  ]
}

extension ExperimentAnalysis {
  /// Methods that drop less of the attention than an oracle of their class that has as much or more.
  var passedOracles: [String] {
    let tasks = Dictionary(grouping: rows, by: \.row.planned.fullIdentity)
    let oracles = rows.filter { $0.cell.strategy.hasPrefix("oracle-") }
    return oracles.flatMap { oracle in
      let classes =
        oracle.cell.strategy == "oracle-eviction" ? OracleClass.eviction : OracleClass.selection
      return (tasks[oracle.row.planned.fullIdentity] ?? []).flatMap { method in
        classes.compactMap { passed(oracle, by: method, in: $0) }
      }
    }
  }

  private func passed(
    _ oracle: AnalysedRow, by method: AnalysedRow, in kind: OracleClass
  ) -> String? {
    guard !method.row.isFull, !method.cell.isOracle,
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
    switch (oracle.strategy, oracle.strategyParameters["scope"]?.stringValue) {
    case ("oracle-eviction", "model"): "that cannot be, please report it"
    case ("oracle-eviction", let scope):
      "it shares a budget \(scope == "layer" ? "inside of a layer" : "not at all"), so a method whose heads have uneven budgets may; scope model is the bound"
    case ("oracle-top-k", _):
      "it gives each query as many keys, so a method that shares them unevenly may at the same mean"
    default:
      "it holds each query to the same mass, which is not the least loss at a mean density"
    }
  }
}
