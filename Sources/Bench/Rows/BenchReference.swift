/// What a row's value is held against: a peer, a ceiling of the machine, or another figure of this
/// program, measured in the same run.
public struct BenchReference: Sendable, Hashable {
  /// Such as "llama.cpp F16".
  public var name: String
  /// In the row's unit; nil where it was not measured, and then ``problem`` says why.
  public var value: Double?
  /// The ratio (row's value / this value) to reach; nil for one that is shown and not judged.
  public var target: Double?
  /// Half the distance between the quartiles over the median; nil for one sample.
  public var spread: Double?
  public var problem: String?

  public init(
    _ name: String, value: Double?, target: Double? = nil, spread: Double? = nil,
    problem: String? = nil
  ) {
    self.name = name
    self.value = value
    self.target = target
    self.spread = spread
    self.problem = problem
  }

  /// The median of samples, with their spread.
  public init(_ name: String, samples: [Double], target: Double? = nil) {
    self.init(name, value: samples.median, target: target, spread: samples.spread)
  }
}
