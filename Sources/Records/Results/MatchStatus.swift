/// How a cell's bytes stand to the mean that its budget asks for.
public enum MatchStatus: String, Codable, Sendable, Hashable, CaseIterable {
  /// Within 1 % of it.
  case matched
  /// The cell keeps everything, and that is less: its cache's format holds no more.
  case capped
  /// The least that the method can reach is more: the decoded tokens that it keeps, for one.
  case infeasible
  /// Further away, because no budget comes nearer, or because what the method holds depends on the samples.
  case missed

  /// How far a matched mean may be from what was asked for.
  public static let tolerance = 0.01

  /// How measurements, which are numbers, hold it: its place among all cases.
  public var code: Double { Double(Self.allCases.firstIndex(of: self) ?? 0) }
}
