import JSON
import Records
import Tensors

/// A budget as a spec states it; a strategy receives it resolved for one prompt, as a ``Budget``.
///
/// Definitions: `docs/experiments.md`, "Budgets".
public enum StatedBudget: Sendable, Hashable {
  /// Share of the prompt's tokens, in 0…1, excluding 0.
  case fraction(Double)
  /// Tokens per KV head; the mean over a layer's heads, or over layers, where a strategy shares
  /// them out.
  case tokens(Int)
  /// Bytes of all global layers, counted as `kvCacheLogicalBytes` does.
  case bytes(Int)
  /// Bytes of all global layers on average over decode steps, as a share of what full attention holds
  /// in float16.
  case meanKvBytes(Double)
  /// Attended pairs divided by causal pairs.
  case density(Double)
  /// The smallest set whose attention mass is at least this.
  case mass(Double)
  /// The measured use of another strategy at the same model, context length, task and protocol: of all variants of a
  /// name, or of the one with a label.
  ///
  /// Without a word for it, what is matched depends on the task: the mean over decode steps where
  /// tokens are decoded, else what is kept after the prefill; see ``whereTokensAreDecoded(_:)``.
  case matching(String, of: MatchedUse?)

  /// What is matched.
  public enum MatchedUse: String, Sendable, Hashable, CaseIterable {
    /// Tokens kept after the prefill, mean over layers and KV heads, rounded down, the same for
    /// every head.
    case kvBytes
    /// Logical bytes of the global layers, mean over decode steps.
    case meanKvBytes
    /// Attended pairs divided by causal pairs, in the prefill.
    case density
  }

  /// With what is matched said, for a task in which tokens are decoded after the prompt or not.
  public func whereTokensAreDecoded(_ areDecoded: Bool) -> StatedBudget {
    switch self {
    case .matching(let name, nil): .matching(name, of: areDecoded ? .meanKvBytes : .kvBytes)
    // A mean over no steps is what is held after the prompt.
    case .matching(let name, .meanKvBytes?) where !areDecoded: .matching(name, of: .kvBytes)
    default: self
    }
  }

  /// Whether its size follows from what caches hold over time.
  public var isMeanOverSteps: Bool {
    switch self {
    case .meanKvBytes, .matching(_, .meanKvBytes?): true
    default: false
    }
  }

  /// What a spec writes of the strategy whose use it matches: its name, or the label of one variant of it.
  public var matchedText: String? {
    if case .matching(let text, _) = self { text } else { nil }
  }

  /// The strategy whose use it matches, with which a label begins.
  public var matchedName: String? {
    matchedText.map { String($0.prefix { $0 != " " }) }
  }

  /// The same with the name alone where it matches the variant of a label.
  public var matchingName: StatedBudget {
    guard case .matching(_, let use) = self, let matchedName else { return self }
    return .matching(matchedName, of: use)
  }

  public var form: BudgetForm {
    switch self {
    case .fraction: .fraction
    case .tokens: .tokens
    case .bytes: .bytes
    case .meanKvBytes: .meanKvBytes
    case .density: .density
    case .mass: .mass
    case .matching: .matching
    }
  }

  /// As a spec writes it, `of` included where it is known.
  public var jsonValue: JSONValue {
    switch self {
    case .fraction(let value), .meanKvBytes(let value), .density(let value), .mass(let value):
      [form.rawValue: .number(value)]
    case .tokens(let count), .bytes(let count): [form.rawValue: .integer(count)]
    case .matching(let name, let use):
      .object(
        use.map { ["matching": .string(name), "of": .string($0.rawValue)] }
          ?? ["matching": .string(name)])
    }
  }

  /// Reads what ``jsonValue`` gives; nil for anything else.
  public init?(_ value: JSONValue) {
    guard let members = value.objectValue else { return nil }
    if let name = members["matching"]?.stringValue {
      let use = members["of"].map { $0.stringValue.flatMap(MatchedUse.init(rawValue:)) }
      // A word that is none.
      if case .some(nil) = use { return nil }
      self = .matching(name, of: use ?? nil)
      return
    }
    guard members.count == 1, let (key, value) = members.first, let form = BudgetForm(rawValue: key)
    else { return nil }
    switch (form, value.doubleValue, value.integerValue) {
    case (.fraction, let share?, _): self = .fraction(share)
    case (.meanKvBytes, let share?, _): self = .meanKvBytes(share)
    case (.density, let share?, _): self = .density(share)
    case (.mass, let share?, _): self = .mass(share)
    case (.tokens, _, let count?): self = .tokens(count)
    case (.bytes, _, let count?): self = .bytes(count)
    default: return nil
    }
  }

  /// The budget of one prompt.
  ///
  /// - Parameters:
  ///   - meanPromptTokens: the mean over all samples of the cell, since their mean use is what is
  ///     matched.
  ///   - shape: the one that the strategy sees.
  ///   - cache: in whose bytes a budget of bytes is counted.
  ///   - matched: gives the measured use of the matched strategy; of `meanKvBytes`, matched or
  ///     given as a share, the tokens of the mean prompt that come to it, infinite for everything.
  public func resolved<Failure: Error>(
    promptTokens: Int, meanPromptTokens: Double, shape: AttentionShape, cache: CacheFormat,
    matched: (MatchedUse) throws(Failure) -> Double
  ) throws(Failure) -> Budget {
    switch self {
    // Everything, whatever is decoded after the prompt.
    case .fraction(1): return .everything
    case .fraction(let fraction): return .tokens(Share.tokens(fraction, of: promptTokens))
    case .tokens(let count): return .tokens(count)
    case .bytes(let bytes): return .tokens(max(1, bytes / shape.tokenBytes(in: cache)))
    case .density(let density): return .density(density, promptTokens: promptTokens)
    case .mass(let mass): return .mass(mass)
    case .meanKvBytes, .matching(_, of: .meanKvBytes?):
      let share = try matched(.meanKvBytes) / meanPromptTokens
      return share.isFinite ? .tokens(Share.tokens(share, of: promptTokens)) : .everything
    case .matching(_, of: .kvBytes?), .matching(_, of: nil):
      let share = try matched(.kvBytes) / meanPromptTokens
      // A reference that dropped nothing sets no limit.
      return share >= 1 ? .everything : .tokens(Share.tokens(share, of: promptTokens))
    case .matching(_, of: .density?):
      return .density(try matched(.density), promptTokens: promptTokens)
    }
  }
}
