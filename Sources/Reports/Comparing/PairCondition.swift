import Records

/// A condition under which a comparison is to fail, for scripts: `worse`, `difference>0.01`.
public struct PairCondition: Sendable, Hashable, CustomStringConvertible {
  /// What a condition can look at; all but `bytes` are B minus A.
  enum Figure: String, CaseIterable {
    /// Of likelihoods, in nats a token: the mean, and the ends of its 95 % interval.
    case difference, low, high
    /// Of a task's score.
    case score
    /// B's KV bytes over A's.
    case bytes
  }

  private enum Test: Hashable {
    /// B is worse than A, beyond the interval or by the test.
    case worse
    case above(Figure, Double)
    case below(Figure, Double)
  }

  /// As it was written.
  public let description: String
  private let test: Test

  public static let forms =
    "worse, FIGURE>NUMBER and FIGURE<NUMBER, where FIGURE is \(Figure.allCases.map(\.rawValue).joined(separator: ", "))"

  /// - Throws: ``ReportError`` with what is allowed and the nearest word.
  public init(parsing text: String) throws(ReportError) {
    let words = text.filter { $0 != " " }
    description = words
    if words == "worse" {
      test = .worse
      return
    }
    let parts = words.split(omittingEmptySubsequences: false) { $0 == ">" || $0 == "<" }
    let word = String(parts[0])
    let known = ["worse"] + Figure.allCases.map(\.rawValue)
    let named = Figure(rawValue: word)
    guard let figure = named, parts.count == 2 else {
      // It is not the word that a known one lacks.
      let near = known.contains(word) ? nil : NearestWord.to(word, among: known)
      let detail =
        named != nil && parts.count == 1
        ? "\"\(text)\" lacks the number that it is compared with, as in \(word)>0.01"
        : word == "worse"
          ? "\"\(text)\" compares \"worse\" with a number; it stands alone"
          : "\"\(text)\" is no condition"
      throw ReportError(
        detail: detail,
        advice: "Allowed are \(Self.forms)" + (near.map { "; did you mean \"\($0)\"?" } ?? "."))
    }
    guard let number = Double(parts[1]), number.isFinite else {
      throw ReportError(
        detail: "\"\(text)\" compares with \"\(parts[1])\", which is no number",
        advice: "Write \(figure.rawValue)>0.01, for one.")
    }
    test = words.contains(">") ? .above(figure, number) : .below(figure, number)
  }

  /// Why a comparison fails: a line for each place at which the condition holds, or cannot be judged though what it
  /// looks at was compared there; one line where that is so nowhere. Empty where all is well.
  func failures(_ verdicts: [PairVerdict]) -> [String] {
    let judged = verdicts.filter { !$0.saysNothing && applies(to: $0) }
    if judged.isEmpty { return ["cannot be judged: nothing that it looks at was compared"] }
    return judged.compactMap { verdict -> String? in
      guard let holds = holds(verdict) else {
        return "cannot be judged for \(verdict.place): \(verdict.sentence)"
      }
      return holds ? "holds for \(verdict.place): \(verdict.sentence)" : nil
    }
  }

  private func applies(to verdict: PairVerdict) -> Bool {
    switch test {
    case .worse, .above(.bytes, _), .below(.bytes, _): true
    case .above(.score, _), .below(.score, _): verdict.difference.figure == .score
    case .above, .below: verdict.difference.figure == .negativeLogLikelihood
    }
  }

  /// Nil where it is not known.
  private func holds(_ verdict: PairVerdict) -> Bool? {
    switch test {
    case .worse: Self.known(verdict.difference.pValue).map { _ in verdict.difference.verdict > 0 }
    case .above(let figure, let bound): value(figure, verdict).map { $0 > bound }
    case .below(let figure, let bound): value(figure, verdict).map { $0 < bound }
    }
  }

  private func value(_ figure: Figure, _ verdict: PairVerdict) -> Double? {
    let value: Double? =
      switch figure {
      case .difference, .score: verdict.difference.mean
      case .low: verdict.difference.interval?.low
      case .high: verdict.difference.interval?.high
      case .bytes: verdict.bytes?.ratio
      }
    return Self.known(value)
  }

  /// What a damaged database gives is no number to judge by.
  private static func known(_ value: Double?) -> Double? {
    value.flatMap { $0.isFinite ? $0 : nil }
  }
}
