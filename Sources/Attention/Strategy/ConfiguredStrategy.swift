import JSON
import Records
import Tensors

/// A strategy with its parameters, its budget as stated and the format of its cache: made once from
/// a spec or a command line, and carried to the sessions.
public struct ConfiguredStrategy: Sendable {
  public var strategy: any AttentionStrategy
  public let budget: StatedBudget?
  public let cache: CacheFormat

  public init(
    _ strategy: any AttentionStrategy, budget: StatedBudget? = nil, cache: CacheFormat = .f32
  ) {
    self.strategy = strategy
    self.budget = budget
    self.cache = cache
  }

  public var name: String { type(of: strategy).about.name }

  public var description: StrategyDescription { strategy.description }

  /// The strategy itself and its parts.
  public var withParts: [ConfiguredStrategy] {
    [self] + ((strategy as? any HasParts)?.parts.map(\.configured) ?? [])
  }

  /// All parameters, the budget and the cache as a spec writes them; those without a value are left
  /// out, those whose default goes without saying, and a cache in float32, as which all cells were measured before there was a choice.
  public var parameters: JSONValue {
    var members: [String: JSONValue] = [:]
    let silent = description.parameters.filter(\.isLeftOutAtDefault)
    for (name, value) in ParameterDescription.values(of: strategy)
    where !value.isNull && !silent.contains(where: { $0.name == name && $0.leavesOut(value) }) {
      members[name] = value
    }
    members["budget"] = budget?.jsonValue
    if cache != .f32 { members["cache"] = cache.jsonValue }
    return .object(members)
  }

  /// Throws if the cache, or what another part makes of it, leaves of a strategy something else than its name says, so that
  /// its figures would say nothing about it: of one that reads or holds tokens by their highest bits where these do not lie
  /// apart, and of a decode part that does not go with the cold tier of the retention part, or with the lack of one.
  public func checkCache() throws(ConfigurationError) {
    let parts = (strategy as? any HasParts)?.parts ?? []
    let retaining = parts.first { $0.phase == .retention }?.configured ?? self
    let hasColdTier = (retaining.strategy as? any HasColdTier)?.coldFormat != nil
    if let coarse = withParts.first(where: {
      $0.strategy is any Skims || $0.strategy is any Coarsens
    }) {
      guard cache == .nested else {
        throw ConfigurationError(
          "cache",
          "\(cache.label), of which there is no coarse look: \(coarse.name) needs \"cache\": \"nested\""
        )
      }
      guard !hasColdTier else {
        throw ConfigurationError(
          "decode",
          "\(coarse.name) beside the cold tier of \(retaining.name), of which there is no coarse look; use it with a retention that has none"
        )
      }
    }
    guard let decoding = parts.first(where: { $0.phase == .decode })?.configured,
      let selecting = decoding.strategy as? any SelectsInDecode
    else { return }
    switch selecting.coldTokens {
    case .unseen where hasColdTier:
      throw ConfigurationError(
        "decode",
        "\(decoding.name) ranks the tokens that are held exactly, and would attend to those in the cold tier of \(retaining.name), or leave them out, unseen; use it with a retention that has none"
      )
    case .chosen:
      // What it notes of a retention depends on its own.
      let isOff = (decoding.strategy as? any HasColdTier).map { $0.coldFormat == nil } ?? false
      guard hasColdTier, !isOff else {
        throw ConfigurationError(
          "decode",
          "\(decoding.name) chooses among the tokens of a cold tier alone, and would attend to everything without one; use it with a \"coldTier\", beside a retention that has one"
        )
      }
    case .unseen, .alike: return
    }
  }

  /// Throws if a parameter is out of range, or if parameters contradict each other, the budget for
  /// a prompt of `promptTokens`, or the shape.
  public func check(promptTokens: Int, shape: AttentionShape) throws(ConfigurationError) {
    if let complaint = cache.complaint(headDimension: shape.headDimension) {
      throw ConfigurationError("cache", complaint)
    }
    try checkBytes(for: shape.global)
    let sized = forPrompt(of: promptTokens, shape: shape)
    try sized.checkRanges()
    if let composed = sized as? any HasParts {
      for part in composed.parts {
        do throws(ConfigurationError) {
          try part.configured.check(promptTokens: promptTokens, shape: shape)
        } catch {
          throw ConfigurationError("\(part.phase.rawValue).\(error.parameter)", error.message)
        }
      }
    }
    try sized.check(for: shape.global)
  }

  /// Throws for a budget of bytes, the strategy's or a part's, in which no token fits: every head keeps one at least, so that
  /// more would be held than the budget says.
  private func checkBytes(for shape: AttentionShape) throws(ConfigurationError) {
    let parts = (strategy as? any HasParts)?.parts ?? []
    let budgets: [(String, StatedBudget?)] =
      [("budget", budget)]
      + parts.map { ("\($0.phase.rawValue).budget", $0.configured.budget) }
    let least = shape.tokenBytes(in: cache)
    for (place, budget) in budgets {
      guard case .bytes(let bytes)? = budget, bytes < least else { continue }
      throw ConfigurationError(
        place,
        "\"\(bytes)\" bytes are less than one token, which takes \(least) in all heads of the global layers with \(cache.label); allowed: at least \(least)"
      )
    }
  }

  /// The strategy with a budget for one prompt, its parts with theirs.
  ///
  /// - Parameters:
  ///   - promptTokens: of this prompt.
  ///   - meanPromptTokens: the mean over all prompts measured together; by default this prompt's.
  ///   - matched: the measured use that a budget is to match; for a part of a composition, given
  ///     its phase.
  public func forPrompt<Failure: Error>(
    of promptTokens: Int, meanPromptTokens: Double? = nil, shape: AttentionShape,
    matched: (StatedBudget.MatchedUse, _ part: StrategyPhase?) throws(Failure) -> Double
  ) throws(Failure) -> any AttentionStrategy {
    func sized(
      _ configured: ConfiguredStrategy, _ part: StrategyPhase?
    ) throws(Failure) -> any AttentionStrategy {
      guard let stated = configured.budget,
        var budgeted = configured.strategy as? any Budgeted
      else { return configured.strategy }
      budgeted.budget = try stated.resolved(
        promptTokens: promptTokens, meanPromptTokens: meanPromptTokens ?? Double(promptTokens),
        shape: shape.global, cache: cache,
        matched: { use throws(Failure) in try matched(use, part) })
      return budgeted
    }
    guard var composed = strategy as? any HasParts else { return try sized(self, nil) }
    for index in composed.parts.indices {
      let part = composed.parts[index]
      composed.parts[index].configured = ConfiguredStrategy(
        try sized(part.configured, part.phase))
    }
    return composed
  }

  /// The same if nothing is matched, or if the use to match is not known yet: then everything is
  /// allowed.
  public func forPrompt(of promptTokens: Int, shape: AttentionShape) -> any AttentionStrategy {
    forPrompt(of: promptTokens, shape: shape) { use, _ in
      use == .density ? 1 : use == .meanKvBytes ? .infinity : Double(promptTokens)
    }
  }
}

extension AttentionStrategy {
  /// Throws for the first parameter that is out of range.
  func checkRanges() throws(ConfigurationError) {
    let declared = ParameterDescription.declared(by: self)
    for ((name, value), parameter) in zip(ParameterDescription.values(of: self), declared) {
      if !value.isNull, let complaint = parameter.kind.complaint(about: value) {
        throw ConfigurationError(
          name, "\(value.canonicalText) \(complaint); allowed is \(parameter.kind.allowedText)")
      }
    }
  }
}
