import Records

extension TCA {
  public struct Configuration: Codable, Hashable, Sendable {
    public var threshold: Double
    public var blockSize: Int
    public var localWindow: Int
    public var balance: Double
    public var calibrationCorpus: String
    public var calibrationLength: Int?
    public var criterion: Criterion
    public var groupMerge: GroupMerge
    public var groupAttends: GroupAttends
    public var sinks: Int
    public var importanceQueries: Int
    /// A candidate for each query head, layer after layer; nil until calibrated.
    public var heads: [Int]?
    public var prefill: Bool
    public var decode: Bool
    public var retention: Bool

    public init(
      threshold: Double = 0.9, blockSize: Int = 128, localWindow: Int = 4096,
      balance: Double = 0.5, calibrationCorpus: String = "emma", calibrationLength: Int? = nil,
      criterion: Criterion = .meanMass, groupMerge: GroupMerge = .union,
      groupAttends: GroupAttends = .own, sinks: Int = 0, importanceQueries: Int = 1,
      heads: [Int]? = nil, prefill: Bool = true, decode: Bool = true, retention: Bool = true
    ) {
      self.threshold = threshold
      self.blockSize = blockSize
      self.localWindow = localWindow
      self.balance = balance
      self.calibrationCorpus = calibrationCorpus
      self.calibrationLength = calibrationLength
      self.criterion = criterion
      self.groupMerge = groupMerge
      self.groupAttends = groupAttends
      self.sinks = sinks
      self.importanceQueries = importanceQueries
      self.heads = heads
      self.prefill = prefill
      self.decode = decode
      self.retention = retention
    }

    public var selector: TCASelector {
      TCASelector(
        blockSize: blockSize, localWindow: localWindow, balance: balance, sinks: sinks)
    }
  }

  /// What calibration holds against the threshold.
  public enum Criterion: String, Codable, Hashable, Sendable, CaseIterable {
    /// The paper's: mean attention of the kept columns over the queries that see them, of all columns'.
    case columnMean
    /// Mean retained mass over queries with a non-empty evictable region.
    case meanMass
    /// The 10 % quantile of that mass.
    case quantileMass
    /// Its mean over the last block of queries.
    case lastBlock
  }

  /// How the choices of a group's query heads become what their KV head keeps.
  public enum GroupMerge: String, Codable, Hashable, Sendable, CaseIterable {
    /// Everything that one of them chose.
    case union
    /// One choice from the mean importance of the group.
    case aggregate
  }

  /// What a query head attends to of the tokens its KV head holds.
  public enum GroupAttends: String, Codable, Hashable, Sendable, CaseIterable {
    case own, union
  }

  public static let description = StrategyDescription(
    name: "tca",
    summary:
      "Each head keeps the core tokens of every block, as many as its calibrated configuration allows.",
    phases: [.prefill, .decode, .retention],
    parameters: [
      ParameterDescription(
        "threshold", .number(minimum: 0, maximum: 1), default: .number(0.9),
        "attention mass that a head's configuration must keep in calibration"),
      ParameterDescription(
        "blockSize", .integer(minimum: 1, maximum: 65_536), default: .integer(128),
        "tokens of a block, a power of two"),
      ParameterDescription(
        "localWindow", .integer(minimum: 0, maximum: largestSize), default: .integer(4096),
        "most recent tokens always kept, a multiple of blockSize"),
      ParameterDescription(
        "balance", .number(minimum: 0, maximum: 1), default: .number(0.5),
        "0 ranks blocks by their attention mass, 1 by how spread out it is"),
      ParameterDescription(
        "calibrationCorpus", .string, default: .string("emma"),
        "a shipped corpus by name, or a text file"),
      ParameterDescription(
        "calibrationLength", .integer(minimum: 2, maximum: largestSize), default: .null,
        "tokens of the calibration pass; by default max(2048, 2 (localWindow + blockSize)), at most the model's context"
      ),
      ParameterDescription(
        "criterion", .choice(Criterion.allCases.map(\.rawValue)), default: .string("meanMass"),
        "what calibration holds against the threshold; the paper's is columnMean"),
      ParameterDescription(
        "groupMerge", .choice(GroupMerge.allCases.map(\.rawValue)), default: .string("union"),
        "how the choices of a group's query heads become what their KV head keeps"),
      ParameterDescription(
        "groupAttends", .choice(GroupAttends.allCases.map(\.rawValue)), default: .string("own"),
        "whether a query head attends to its own choice or to all that its group holds"),
      ParameterDescription(
        "sinks", .integer(minimum: 0, maximum: largestSize), default: .integer(0),
        "first tokens kept before others, inside the budget"),
      ParameterDescription(
        "importanceQueries", .integer(minimum: 1, maximum: largestSize), default: .integer(1),
        "last prompt queries whose mean attention gives the importance"),
      ParameterDescription(
        "heads", .list(of: .integer(minimum: -1, maximum: TCACandidate.count - 1)), default: .null,
        "a candidate for each query head, layer after layer (-1 keeps everything), instead of calibrating"
      ),
      ParameterDescription(
        "prefill", .boolean, default: .boolean(true), "prompt queries attend to the selection"),
      ParameterDescription(
        "decode", .boolean, default: .boolean(true), "decode queries attend to the selection"),
      ParameterDescription(
        "retention", .boolean, default: .boolean(true), "what was not chosen leaves the cache"),
    ],
    selectionLooksAhead: true, fidelity: .faithful, source: "You et al. 2025, arXiv 2512.09238")

  /// More tokens than a model takes, and few enough to add up.
  private static let largestSize = 1 << 30
}
