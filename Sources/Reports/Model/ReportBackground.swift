import Records

/// What readers cannot be expected to know and results do not hold: what the models and the strategies are.
public struct ReportBackground: Sendable {
  /// By the SHA-256 of their files.
  public var models: [String: Model]
  /// By the word in a spec.
  public var strategies: [String: StrategyDescription]
  /// What the formats of caches are, by the word in a spec.
  public var formats: [String: String]

  public struct Model: Sendable {
    /// The file's name, which tells the format of the weights.
    public var file: String
    public var layers: Int
    /// Layers that attend to all tokens before; strategies act on these.
    public var globalLayers: Int

    public init(file: String, layers: Int, globalLayers: Int) {
      self.file = file
      self.layers = layers
      self.globalLayers = globalLayers
    }

    /// `strategies act on 3 of 18 layers`; nil where they act on all.
    var reach: String? {
      globalLayers < layers
        ? "strategies act on \(globalLayers) of \(NumberFormat.counted(layers, "layer"))" : nil
    }
  }

  public init(
    models: [String: Model] = [:], strategies: [StrategyDescription] = [],
    formats: [String: String] = [:]
  ) {
    self.models = models
    self.formats = formats
    self.strategies = Dictionary(
      strategies.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
  }
}

extension ReportBackground {
  /// Whether a cell's quality was measured before its strategy, or a part of it, did anything: on the tokens of a prompt that
  /// is attended to in full. What leaves the cache after it has no part in that quality.
  func actsLater(_ row: ComparisonRow) -> Bool {
    let cell = row.planned.cell
    guard cell.taskProtocol == "prefill", !row.isFull, cell.strategyRole != .reference else {
      return false
    }
    // A parameter of its name can turn a phase off.
    if cell.strategyParameters[StrategyPhase.prefill.rawValue]?.booleanValue == false {
      return true
    }
    // A short prompt binds nothing: that shows where pairs were counted.
    if let density = row[.nominalDensity], density >= 1 { return true }
    guard let about = strategies[cell.strategy] else { return false }
    guard about.hasParts else { return !about.phases.contains(.prefill) }
    let phases = about.parameters.filter { cell.strategyParameters[$0.name]?["name"] != nil }
      .compactMap(\.partPhase)
    return phases != [.prefill]
  }
}
