import Records
import Tensors

extension TCAPlus {
  public struct Configuration: Codable, Hashable, Sendable {
    public var threshold: Double
    public var localWindow: Int
    public var sinks: Int
    public var importance: Importance
    public var importanceQueries: Int
    public var headBudgets: HeadBudgets
    public var denseQueries: Int
    public var coldTier: Tier
    public var decodeDensity: Double
    public var pageRanking: PageRanking
    public var calibrationCorpus: String
    public var calibrationLength: Int?
    /// An index into `TCAPlus.fractions` for each query head, layer after layer; nil until calibrated.
    public var heads: [Int]?
    public var prefill: Bool
    public var budget: Budget?

    public init(
      threshold: Double = 0.95, localWindow: Int = 128, sinks: Int = 4,
      importance: Importance = .sampled, importanceQueries: Int = 64,
      headBudgets: HeadBudgets = .calibrated, denseQueries: Int = 64, coldTier: Tier = .q4,
      decodeDensity: Double = 0.25, pageRanking: PageRanking = .mass,
      calibrationCorpus: String = "emma", calibrationLength: Int? = nil, heads: [Int]? = nil,
      prefill: Bool = true, budget: Budget? = nil
    ) {
      self.threshold = threshold
      self.localWindow = localWindow
      self.sinks = sinks
      self.importance = importance
      self.importanceQueries = importanceQueries
      self.headBudgets = headBudgets
      self.denseQueries = denseQueries
      self.coldTier = coldTier
      self.decodeDensity = decodeDensity
      self.pageRanking = pageRanking
      self.calibrationCorpus = calibrationCorpus
      self.calibrationLength = calibrationLength
      self.heads = heads
      self.prefill = prefill
      self.budget = budget
    }
  }

  /// Which queries a prompt's selection goes by.
  public enum Importance: String, Codable, Hashable, Sendable, CaseIterable {
    /// Queries at even steps over the prompt, each counting what lies before its own window.
    case sampled
    /// The last ones.
    case last
  }

  /// How tokens are shared out among KV heads.
  public enum HeadBudgets: String, Codable, Hashable, Sendable, CaseIterable {
    case calibrated, uniform
  }

  /// What becomes of tokens that are not kept exactly.
  public enum Tier: String, Codable, Hashable, Sendable, CaseIterable {
    /// They are freed.
    case none
    /// They stay in 4 bits.
    case q4
    /// They stay in 8 bits.
    case q8

    var format: ColdFormat? {
      switch self {
      case .none: nil
      case .q4: .q4
      case .q8: .q8
      }
    }
  }

  /// How a decode query ranks cold pages.
  public enum PageRanking: String, Codable, Hashable, Sendable, CaseIterable {
    /// By what the ranges of the page's key channels allow.
    case bound
    /// By the attention of the page's keys as they are read back.
    case mass
  }

  public static let description = StrategyDescription(
    name: "tca-plus",
    summary:
      "Each KV head keeps its core tokens exactly and the others in few bits, from which decode queries fetch pages.",
    phases: [.prefill, .decode, .retention],
    parameters: [
      ParameterDescription(
        "threshold", .number(minimum: 0, maximum: 1), default: .number(0.95),
        "attention mass that nine queries in ten must keep in calibration"),
      ParameterDescription(
        "localWindow", .integer(minimum: 0, maximum: largestSize), default: .integer(128),
        "most recent tokens always kept, besides those of a page that is not full"),
      ParameterDescription(
        "sinks", .integer(minimum: 0, maximum: largestSize), default: .integer(4),
        "first tokens always kept"),
      ParameterDescription(
        "importance", .choice(Importance.allCases.map(\.rawValue)), default: .string("sampled"),
        "which queries the prompt's selection goes by: spread over it, or its last"),
      ParameterDescription(
        "importanceQueries", .integer(minimum: 1, maximum: largestSize), default: .integer(64),
        "how many; those of the prompt's end decide what is kept exactly after it"),
      ParameterDescription(
        "headBudgets", .choice(HeadBudgets.allCases.map(\.rawValue)),
        default: .string("calibrated"),
        "whether KV heads keep as many tokens as calibration says or all the same share"),
      ParameterDescription(
        "denseQueries", .integer(minimum: 0, maximum: largestSize), default: .integer(64),
        "last prompt queries that attend to everything"),
      ParameterDescription(
        "coldTier", .choice(Tier.allCases.map(\.rawValue)), default: .string("q4"),
        "bits of the tokens that are not kept exactly; with none they are freed"),
      ParameterDescription(
        "decodeDensity", .number(minimum: 0, maximum: 1), default: .number(0.25),
        "share of the cold pages that a decode query reads"),
      ParameterDescription(
        "pageRanking", .choice(PageRanking.allCases.map(\.rawValue)), default: .string("mass"),
        "what a decode query chooses cold pages by: attention to their keys, or bounds of it"),
      ParameterDescription(
        "calibrationCorpus", .string, default: .string("emma"),
        "a shipped corpus by name, or a text file"),
      ParameterDescription(
        "calibrationLength", .integer(minimum: 2, maximum: largestSize), default: .null,
        "tokens of the calibration pass; by default max(2048, 2 (localWindow + 32)), at most the model's context"
      ),
      ParameterDescription(
        "heads", .list(of: .integer(minimum: -1, maximum: fractions.count - 1)), default: .null,
        "a share of tokens for each query head, by index, layer after layer (-1 keeps everything), instead of calibrating; a KV head takes the largest of its query heads'"
      ),
      ParameterDescription(
        "prefill", .boolean, default: .boolean(true), "prompt queries attend to the selection"),
    ],
    budgets: RetentionBudget.forms, budgetPhases: [.retention], selectionLooksAhead: true,
    fidelity: .own,
    source: "this repository, docs/findings.md; after You et al. 2025, arXiv 2512.09238")

  /// Shares of the tokens outside of the window that a KV head may keep: 2^(i/2 − 6) for i in 0…11.
  public static let fractions: [Double] = [
    0.015_625, 0.022_097_086_912_079_6, 0.031_25, 0.044_194_173_824_159_2, 0.062_5,
    0.088_388_347_648_318_5, 0.125, 0.176_776_695_296_637, 0.25, 0.353_553_390_593_274, 0.5,
    0.707_106_781_186_548,
  ]

  /// Throws unless numbers are in range: what can be said before calibration.
  public static func checkSizes(_ configuration: Configuration) throws(ConfigurationError) {
    for (name, value) in [
      ("threshold", configuration.threshold), ("decodeDensity", configuration.decodeDensity),
    ] {
      guard (0...1).contains(value) else {
        throw ConfigurationError(name, "\(value) is outside of 0…1")
      }
    }
    for (name, value, least) in [
      ("localWindow", configuration.localWindow, 0), ("sinks", configuration.sinks, 0),
      ("denseQueries", configuration.denseQueries, 0),
      ("importanceQueries", configuration.importanceQueries, 1),
      ("calibrationLength", configuration.calibrationLength ?? 2, 2),
    ] {
      _ = try checkSize(name, value, atLeast: least)
    }
  }

  /// The share of each KV head, layer after layer; nil where it keeps everything. Uniform, their mean, where a head that
  /// keeps everything has a share of 1.
  static func shares(
    _ configuration: Configuration, _ shape: AttentionShape
  ) throws(ConfigurationError) -> [Double?] {
    guard let heads = configuration.heads else {
      throw ConfigurationError(
        "heads", "not calibrated: run `tca-lab calibrate`, or list a share for each query head")
    }
    let needed = shape.layers * shape.queryHeads
    guard heads.count == needed else {
      throw ConfigurationError(
        "heads",
        "\(heads.count) shares for \(shape.layers) layers x \(shape.queryHeads) query heads; \(needed) are needed, layer after layer"
      )
    }
    if let wrong = heads.first(where: { !(-1..<fractions.count).contains($0) }) {
      throw ConfigurationError(
        "heads",
        "share \(wrong) does not exist; use 0…\(fractions.count - 1), or -1 to keep everything")
    }
    let group = shape.queryHeadsPerKVHead
    let shares = stride(from: 0, to: needed, by: group).map { first -> Double? in
      let members = heads[first..<first + group]
      return members.contains(-1) ? nil : fractions[members.max() ?? 0]
    }
    guard configuration.headBudgets == .uniform, shares.contains(where: { $0 != nil }) else {
      return shares
    }
    let mean = shares.reduce(0) { $0 + ($1 ?? 1) } / Double(shares.count)
    return shares.map { _ in mean }
  }
}
