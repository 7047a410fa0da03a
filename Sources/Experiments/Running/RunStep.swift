/// Where a run is.
public struct RunStep: Sendable, Hashable, CustomStringConvertible {
  public enum Phase: String, Sendable, Hashable {
    case loading, calibrating, prefill, decode, timing
  }

  public var phase: Phase
  /// The cell by its label, or the pass that several share.
  public var cell: String
  /// `sample 2 of 12`
  public var place: String
  /// Model, task and context length.
  public var group: String
  /// Of the pass that is going on; nil before it has got anywhere, and where nothing may watch it.
  public var tokensPerSecond: Double?

  public init(
    _ phase: Phase, of cell: String = "", place: String = "", group: String,
    tokensPerSecond: Double? = nil
  ) {
    self.phase = phase
    self.cell = cell
    self.place = place
    self.group = group
    self.tokensPerSecond = tokensPerSecond
  }

  /// What changes most first, since a terminal may be too narrow for all of it:
  /// `prefill at 830 tokens/s, snapkv, sample 2 of 12: smollm2, perplexity/continuation at 2048 tokens`.
  public var description: String {
    let rate = tokensPerSecond.map { " at \(Int(min($0, 1e9).rounded())) tokens/s" } ?? ""
    return [phase.rawValue + rate, cell, place].filter { !$0.isEmpty }.joined(separator: ", ")
      + ": \(group)"
  }
}
