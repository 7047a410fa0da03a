import Tensors

extension TCAPlus {
  /// Shares of the tokens outside of the window that a KV head may keep: 2^(i/2 − 6) for i in 0…11.
  public static let fractions: [Double] = [
    0.015_625, 0.022_097_086_912_079_6, 0.031_25, 0.044_194_173_824_159_2, 0.062_5,
    0.088_388_347_648_318_5, 0.125, 0.176_776_695_296_637, 0.25, 0.353_553_390_593_274, 0.5,
    0.707_106_781_186_548,
  ]

  /// The share of each KV head, layer after layer; nil where it keeps everything. Uniform, their
  /// mean, where a head that keeps everything has a share of 1.
  func shares(_ shape: AttentionShape) -> [Double?] {
    let heads = heads ?? []
    let group = shape.queryHeadsPerKVHead
    let shares = stride(from: 0, to: heads.count, by: group).map { first -> Double? in
      let members = heads[first..<first + group]
      return members.contains(-1) ? nil : Self.fractions[members.max() ?? 0]
    }
    guard headBudgets == .uniform, shares.contains(where: { $0 != nil }) else { return shares }
    let mean = shares.reduce(0) { $0 + ($1 ?? 1) } / Double(shares.count)
    return shares.map { _ in mean }
  }
}
