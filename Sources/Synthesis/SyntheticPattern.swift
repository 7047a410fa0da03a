import Records

/// The structure that is planted in made-up attention inputs: what a query head of a real model looks for.
///
/// Logits between a query at i and a key at j ≤ i are a sum of parts, each along directions of its own in the head:
/// sinks (the first tokens, for every query), locality (falls with i − j), heavy tokens (some keys that many queries
/// look for) and noise. Real attention has all of them (Xiao et al., arXiv 2309.17453; Zhang et al., arXiv
/// 2306.14048); how much of each is up to the reader of the results, not a finding.
public struct SyntheticPattern: Sendable, Hashable, Codable {
  public var sinks = 4
  public var sinkStrength = 9.0
  public var localStrength = 9.0
  public var localDistance = 1024
  public var heavyShare = 0.01
  public var heavyStrength = 8.0
  public var diffuseHeads = 0.125
  public var noise = 0.5
  public var seed = 0

  public init() {}

  /// The keys of `pattern` in a spec.
  public static let parameters: [ParameterDescription] = {
    let pattern = SyntheticPattern()
    let strength = ParameterKind.number(minimum: 0, maximum: 50)
    let share = ParameterKind.number(minimum: 0, maximum: 1)
    return [
      ParameterDescription(
        "sinks", .integer(minimum: 0, maximum: 1_000_000), default: .integer(pattern.sinks),
        "first tokens that every query looks for; their values are a tenth as long"),
      ParameterDescription(
        "sinkStrength", strength, default: .number(pattern.sinkStrength),
        "what a sink adds to a logit"),
      ParameterDescription(
        "localStrength", strength, default: .number(pattern.localStrength),
        "what a token adds to its own logit; falls with the distance"),
      ParameterDescription(
        "localDistance", .integer(minimum: 1, maximum: 1_000_000),
        default: .integer(pattern.localDistance),
        "tokens over which locality falls to about nothing, as the logarithm of the distance does"),
      ParameterDescription(
        "heavyShare", share, default: .number(pattern.heavyShare),
        "share of tokens that many queries look for"),
      ParameterDescription(
        "heavyStrength", strength, default: .number(pattern.heavyStrength),
        "what a heavy token adds to a logit: times 0.7…1.3 by token and 0.6…1.2 by query"),
      ParameterDescription(
        "diffuseHeads", share, default: .number(pattern.diffuseHeads),
        "share of a layer's query heads, rounded down, that have no structure: noise alone"),
      ParameterDescription(
        "noise", .number(minimum: 0, maximum: 10), default: .number(pattern.noise),
        "standard deviation of the logit between a query's and a key's noise"),
      ParameterDescription(
        "seed", .integer(minimum: nil, maximum: nil), default: .integer(pattern.seed),
        "another seed makes another model of the same geometry"),
    ]
  }()
}

/// Attention inputs that stand for a model: a head geometry and the structure planted in it.
public struct SyntheticGeometry: Sendable, Hashable, Codable {
  public var layers = 1
  public var queryHeads: Int
  public var kvHeads: Int
  public var headDimension: Int
  public var pattern = SyntheticPattern()

  public init(
    layers: Int = 1, queryHeads: Int, kvHeads: Int, headDimension: Int,
    pattern: SyntheticPattern = SyntheticPattern()
  ) {
    self.layers = layers
    self.queryHeads = queryHeads
    self.kvHeads = kvHeads
    self.headDimension = headDimension
    self.pattern = pattern
  }

  /// Raised when the generator makes other numbers of the same geometry and pattern.
  public static let generatorVersion = 1
  /// The longest prompt.
  public static let contextLength = 1 << 20

  /// The keys of `synthetic` in a spec, beside `pattern`; nil as a default where it must be given.
  public static let sizes: [(name: String, kind: ParameterKind, defaultValue: Int?)] = [
    ("queryHeads", .integer(minimum: 1, maximum: 1024), nil),
    ("kvHeads", .integer(minimum: 1, maximum: 1024), nil),
    ("headDimension", .integer(minimum: 8, maximum: 1024), nil),
    ("layers", .integer(minimum: 1, maximum: 1024), 1),
  ]

  /// Bytes of the inputs and the output of a prompt, in float32.
  public func inputBytes(tokens: Double) -> Double {
    let columns = Double(layers) * Double(queryHeads + 2 * kvHeads) + Double(queryHeads)
    return 4 * tokens * columns * Double(headDimension)
  }
}
