import Tensors

/// One pattern of MInference with its sizes.
package struct MInferencePattern: Sendable, Hashable {
  package enum Kind: Sendable, Hashable { case aShape, verticalSlash, blockSparse }

  package var kind: Kind
  /// First tokens, columns, or blocks.
  package var first: Int
  /// Most recent tokens, or diagonals.
  package var second: Int

  /// The sizes times `scale`, rounded down.
  package func scaled(_ scale: Double) -> MInferencePattern {
    func scaled(_ size: Int) -> Int { min(largestSize, Share.count(scale, of: size)) }
    return MInferencePattern(kind: kind, first: scaled(first), second: scaled(second))
  }

  /// The sizes at the repository's `minference_ratio`, which does not reach its number of blocks; and
  /// the least columns and diagonals of its kernel.
  package func atRatio(_ ratio: Double) -> MInferencePattern {
    switch kind {
    case .blockSparse: return self
    case .aShape: return scaled(ratio)
    case .verticalSlash:
      let scaled = scaled(ratio)
      return MInferencePattern(
        kind: kind, first: max(scaled.first, 30), second: max(scaled.second, 50))
    }
  }
}

/// What one pattern bases its selection on, for one head of one prompt: enough for any size.
package enum MInferenceEstimate: Sendable {
  case everything
  case aShape
  case verticalSlash(VerticalSlashRanking)
  case blockSparse(BlockRanking)

  /// - Parameters:
  ///   - lastQueries: whose attention ranks columns and diagonals.
  ///   - isForMany: whether selections of several sizes will be made.
  package init(
    _ kind: MInferencePattern.Kind, _ layer: LayerView, head: Int, blockSize: Int,
    lastQueries: Int, isForMany: Bool
  ) {
    switch kind {
    case .aShape: self = .aShape
    case .verticalSlash:
      self = .verticalSlash(
        VerticalSlashRanking(
          layer, head: head, lastQueries: lastQueries, blockSize: blockSize, isSorted: isForMany))
    case .blockSparse: self = .blockSparse(BlockRanking(layer, head: head, blockSize: blockSize))
    }
  }

  package func select(_ sizes: MInferencePattern) -> MInferenceSelection {
    switch self {
    case .everything: .uniform(.everything)
    case .aShape: .uniform(.firstAndRecent(sizes.first, max(1, sizes.second)))
    case .verticalSlash(let ranking):
      .verticalSlash(ranking.select(verticals: sizes.first, slashes: sizes.second))
    case .blockSparse(let ranking): .blocks(ranking.select(sizes.first))
    }
  }
}

/// What one head's queries attend to, block by block.
package enum MInferenceSelection: Sendable {
  /// The same for all blocks.
  case uniform(Selection)
  case verticalSlash(VerticalSlashSelection)
  case blocks(BlockSelection)

  package func selection(_ block: Int) -> Selection {
    switch self {
    case .uniform(let selection): selection
    case .verticalSlash(let selection): selection.selection(block)
    case .blocks(let selection): selection.selection(block)
    }
  }

  /// Query-key pairs of a prompt.
  package func pairs(tokens: Int) -> Int {
    switch self {
    case .uniform(let selection):
      (0..<tokens).reduce(0) { $0 + selection.attendedCount(fromQuery: $1) }
    case .verticalSlash(let selection): selection.pairs
    case .blocks(let selection): selection.pairs
    }
  }
}

/// One head's pattern, and what its selections are made from.
public struct MInferenceHead: Sendable {
  let estimate: MInferenceEstimate
  let pattern: MInferencePattern
  /// Of the prompt.
  let tokens: Int

  package init(estimate: MInferenceEstimate, pattern: MInferencePattern, tokens: Int) {
    self.estimate = estimate
    self.pattern = pattern
    self.tokens = tokens
  }

  func select(_ sizes: MInferencePattern) -> MInferenceSelection { estimate.select(sizes) }
}

/// The sizes of several heads, brought to one density by one scale.
package enum MInferenceScale {
  /// The largest scale at which the estimates with their patterns attend to at most `limit` pairs;
  /// nil if none does.
  ///
  /// - Parameter sum: adds up the pairs of `count` heads.
  package static func largest(
    _ heads: [MInferenceHead], atMost limit: Int,
    sum: (_ count: Int, _ pairs: (Int) -> Int) -> Int
  ) -> Double? {
    let sizes = heads.flatMap { [$0.pattern.first, $0.pattern.second] }.filter { $0 > 0 }
    guard let smallest = sizes.min(), let largest = sizes.max(),
      let tokens = heads.map(\.tokens).max()
    else { return nil }
    // Below the first every size is 0, from the second on every size is the prompt's length.
    return DensityBudget.largest(
      from: 0.5 / Double(largest), through: Double(tokens) / Double(smallest), .geometric,
      steps: 24, atMost: limit
    ) { scale in
      sum(heads.count) { head in
        heads[head].select(heads[head].pattern.scaled(scale)).pairs(tokens: heads[head].tokens)
      }
    }
  }
}
