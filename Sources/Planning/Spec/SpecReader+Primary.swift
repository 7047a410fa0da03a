import JSON
import Records

/// The contrasts that an experiment is about. Reports read them from the spec's text; here they are checked.
extension SpecReader {
  /// - Parameter metrics: what is measured; without quality no contrast has an answer.
  mutating func checkPrimary(
    _ members: [String: JSONValue], of strategies: [SpecStrategy],
    measuring metrics: Set<ResultKind>
  ) {
    let allowed = "a list of pairs of strategy labels, each [\"full\", \"tca\"]"
    guard let value = members["primary"] else { return }
    let labels = StrategyVariant.all(of: strategies).map(\.label)
    let path = JSONPath.root.appending("primary")
    let hasWrongMetrics = problems.contains { $0.path.components.first == .key("metrics") }
    if !metrics.contains(.quality), !hasWrongMetrics {
      report(
        path, nil,
        "contrasts are differences of \"quality\", which this experiment does not measure; add it to metrics (synthetic models have none), or leave primary out"
      )
    }
    var seen: Set<Set<String>> = []
    for (index, element) in (list(value, at: path, allowed: allowed) ?? []).enumerated() {
      let place = path.appending(index)
      guard let pair = element.arrayValue, pair.count == 2 else {
        report(
          place, element, element.arrayValue == nil ? "is \(element.kindName)" : "is no pair",
          allowed: "two strategy labels")
        continue
      }
      for (side, label) in pair.enumerated()
      where label.stringValue.map(labels.contains) != true {
        report(
          place.appending(side), label, "is no strategy of this experiment",
          allowed: labels.joined(separator: ", "), among: labels)
      }
      if pair[0] == pair[1] {
        report(place, element, "compares a strategy with itself", allowed: "two strategy labels")
      } else if !seen.insert(Set(pair.compactMap(\.stringValue))).inserted {
        report(place, element, "is the same contrast as an earlier one; keep one")
      }
    }
  }
}
