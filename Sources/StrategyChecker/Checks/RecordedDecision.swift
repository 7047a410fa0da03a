import Attention
import Records
import Tensors

/// What a strategy decided in one call, with what the cache held at that moment.
struct RecordedDecision {
  let layer: Int
  let phase: AttentionPhase
  let purpose: AttentionSession.Decision
  let selections: [Selection]
  /// Token positions by KV head, in whatever tier.
  let held: [[Int]]
  /// Those of the cold tier.
  let cold: [[Int]]
  /// Those that have given up all but their highest bits.
  let coarse: [[Int]]

  init(_ view: LayerView, _ purpose: AttentionSession.Decision, _ selections: HeadSelections) {
    layer = view.layer
    phase = view.phase
    self.purpose = purpose
    self.selections = selections.selections
    held = view.heads.map { $0.heldPositions.map { Int($0) } }
    cold = view.heads.map { $0.cold?.positions.map { Int($0) } ?? [] }
    coarse = view.heads.map { $0.coarsePositions.map { Int($0) } }
  }
}

/// A strategy that ranks tokens by a score.
protocol Ranking {
  /// The first token that may leave and whose score is NaN, in words.
  func unrankedToken(_ layer: LayerView) -> String?
}

extension ScoredRetention: Ranking {
  func unrankedToken(_ layer: LayerView) -> String? {
    for (kvHead, head) in layer.heads.enumerated() {
      let forced = scorer.forcedTokens(of: head.count)
      let scores = scorer.scores(layer, kvHead: kvHead)
      let ranked = scores.dropFirst(forced.first).dropLast(max(1, forced.newest))
      if let slot = ranked.indices.first(where: { ranked[$0].isNaN }) {
        return
          "layer \(layer.layer), KV head \(kvHead): the score of the token at \(head.position(ofSlot: slot)) is NaN"
      }
    }
    return nil
  }
}
