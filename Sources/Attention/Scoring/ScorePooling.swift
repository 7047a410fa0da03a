/// Pools the scores of neighbouring keys, with stride 1.
public struct ScorePooling: Sendable, Hashable {
  public enum Method: String, ParameterChoice {
    /// The sum divided by the kernel: keys beyond both ends count as zeros.
    case average
    /// The largest; there are no keys beyond the ends.
    case maximum
  }

  public let method: Method
  public let kernel: Int

  /// Traps unless the kernel has at least one key.
  public init(_ method: Method, kernel: Int) {
    precondition(kernel >= 1, "ScorePooling: kernel \(kernel)")
    self.method = method
    self.kernel = kernel
  }

  /// Kernels up to this size are computed key by key: fewer steps, and each sum in key order.
  private static let smallKernel = 32

  /// Key j's result pools the keys j − ⌊k/2⌋ ..< j − ⌊k/2⌋ + k. Linear in the keys, whatever the
  /// kernel.
  func pooled(_ scores: ArraySlice<Float>) -> [Float] {
    guard kernel > 1, !scores.isEmpty else { return Array(scores) }
    // What lies beyond all keys adds nothing.
    let back = min(kernel / 2, scores.count)
    let size = back + min(kernel - kernel / 2, scores.count)
    switch method {
    case .average:
      return Self.sliding(scores, back: back, size: size, beyond: 0, +)
        .map { Float($0 / Double(kernel)) }
    case .maximum:
      return Self.sliding(scores, back: back, size: size, beyond: -.infinity, max).map { Float($0) }
    }
  }

  /// For each key, `join` over the `size` values that begin `back` keys before it; beyond either
  /// end the value is `beyond`.
  ///
  /// Each window is the end of one block of `size` values and the beginning of the next. Both are
  /// accumulated once, so nothing is ever subtracted from a sum.
  private static func sliding(
    _ scores: ArraySlice<Float>, back: Int, size: Int, beyond: Double,
    _ join: (Double, Double) -> Double
  ) -> [Double] {
    let source = scores.span
    let count = scores.count
    func value(_ index: Int) -> Double {
      let key = index - back
      return key >= 0 && key < count ? Double(source[key]) : beyond
    }
    if size <= smallKernel {
      return (0..<count).map { key in
        (key..<key + size).dropFirst().reduce(value(key)) { join($0, value($1)) }
      }
    }
    let length = count + size - 1
    var ends = (0..<length).map(value)
    var beginnings = ends
    for index in 1..<length where index % size != 0 {
      beginnings[index] = join(beginnings[index - 1], beginnings[index])
    }
    for index in (0..<length - 1).reversed() where (index + 1) % size != 0 {
      ends[index] = join(ends[index], ends[index + 1])
    }
    return (0..<count).map { key in
      key % size == 0
        ? beginnings[key + size - 1] : join(ends[key], beginnings[key + size - 1])
    }
  }
}

/// How the scores of a group's query heads become those of their KV head.
public enum GroupAggregation: String, ParameterChoice {
  case mean, maximum

  /// Adds one query head's scores, none of them negative; `scores` begins as zeros.
  func add(_ head: [Float], to scores: inout [Float]) {
    switch self {
    case .mean: for key in head.indices { scores[key] += head[key] }
    case .maximum: for key in head.indices { scores[key] = max(scores[key], head[key]) }
    }
  }

  /// To be called once all heads have been added.
  func finish(_ scores: inout [Float], heads: Int) {
    guard self == .mean, heads > 1 else { return }
    let share = 1 / Float(heads)
    for key in scores.indices { scores[key] *= share }
  }
}
