import Kernels
import Tensors

/// How much the pages of a cold tier may matter to a group's newest query, without reading all of
/// them exactly.
extension LayerView {
  /// The group's attention to each page's dequantised keys, summed over its query heads.
  func coldMasses(ofKVHead kvHead: Int) -> [Float] {
    cold(kvHead) { ColdScores.masses($0, of: $1) }
  }

  /// The softmax over pages of the upper bounds given by the ranges of their key channels, summed
  /// over the query heads.
  func coldBoundShares(ofKVHead kvHead: Int) -> [Float] {
    cold(kvHead) { ColdScores.boundShares($0, of: $1) }
  }

  private func cold(_ kvHead: Int, _ scores: (Span<Float>, ColdTier) -> [Float]) -> [Float] {
    guard let tier = heads[kvHead].cold else { return [] }
    let group = shape.queryHeads(of: kvHead)
    let columns =
      group.lowerBound * shape.headDimension..<group.upperBound * shape.headDimension
    return scores(queries.row(queries.rows - 1).extracting(columns), tier)
  }
}
