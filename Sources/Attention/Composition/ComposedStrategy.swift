import JSON
import Records
import Tensors

/// A strategy made of others: one chooses what prompt queries attend to, one what the KV cache
/// keeps, one what decode queries attend to.
///
/// Each part acts in its phase alone; what it would do in others is ignored. A part has its own
/// parameters, its own budget and its own state. A part that has to remember something from other
/// phases (TCA's choice for the prompt) follows them as it would on its own; its choices there are
/// discarded, but their time counts, since the part cannot do without them. Parts see the cache as
/// it is: a decode part chooses among what the retention part left. What the part of the prompt
/// remembers goes with the prompt.
///
/// A phase without a part attends to, or keeps, everything that is held. Not from a paper itself;
/// each part names its source.
public struct ComposedStrategy: HasParts {
  public static let about = StrategyFacts(
    "composed",
    "One strategy for the prompt, one for what the cache keeps, one for decode queries.", .own,
    source: "no paper of its own; each part names its source")

  @Parameter("chooses what prompt queries attend to; without it everything", .prefill)
  public var prefill: StrategyPart? = nil
  @Parameter("decides what the KV cache keeps; without it everything", .retention)
  public var retention: StrategyPart? = nil
  @Parameter("chooses what decode queries attend to; without it everything that is held", .decode)
  public var decode: StrategyPart? = nil

  public init() {}

  public var parts: [StrategyPart] {
    get { [prefill, retention, decode].compactMap { $0 } }
    set {
      for part in newValue {
        switch part.phase {
        case .prefill: prefill = part
        case .retention: retention = part
        case .decode: decode = part
        }
      }
    }
  }

  public func check(for shape: AttentionShape) throws(ConfigurationError) {
    // Positions in the cache follow from sinks and a window that another part would not respect.
    for part in parts
    where part.phase != .retention && shape.isRotated && part.strategy.cachePositions != nil {
      throw ConfigurationError(
        part.phase.rawValue,
        "a part cannot count positions in the cache; use \"positions\": \"absolute\" in a composition"
      )
    }
    guard !parts.isEmpty else {
      throw ConfigurationError(
        "prefill",
        "composed has no part; give at least one of prefill, retention and decode, each {\"name\": …} with its parameters"
      )
    }
  }
}
