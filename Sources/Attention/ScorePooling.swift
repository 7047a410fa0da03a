/// Scores of neighbouring keys made one, with stride 1.
public struct ScorePooling: Sendable, Hashable {
  public enum Method: String, Codable, Hashable, Sendable, CaseIterable {
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

  /// Key j's result is that of the keys j − ⌊k/2⌋ ..< j − ⌊k/2⌋ + k.
  func pooled(_ scores: ArraySlice<Float>) -> [Float] {
    guard kernel > 1 else { return Array(scores) }
    let source = scores.span
    let count = scores.count
    return (0..<count).map { key in
      let first = max(0, key - kernel / 2)
      let end = min(count, key - kernel / 2 + kernel)
      switch method {
      case .average:
        var sum = 0.0
        for neighbour in first..<end { sum += Double(source[neighbour]) }
        return Float(sum / Double(kernel))
      case .maximum:
        var largest = source[first]
        for neighbour in first..<end { largest = max(largest, source[neighbour]) }
        return largest
      }
    }
  }
}

/// How the scores that a group's query heads give become those of their KV head.
public enum GroupAggregation: String, Codable, Hashable, Sendable, CaseIterable {
  case mean, maximum

  /// Takes in one query head's scores, none of them negative; `scores` begins as zeros.
  func add(_ head: [Float], to scores: inout [Float]) {
    switch self {
    case .mean: for key in head.indices { scores[key] += head[key] }
    case .maximum: for key in head.indices { scores[key] = max(scores[key], head[key]) }
    }
  }

  /// Once all heads are in.
  func finish(_ scores: inout [Float], heads: Int) {
    guard self == .mean, heads > 1 else { return }
    let share = 1 / Float(heads)
    for key in scores.indices { scores[key] *= share }
  }
}
