/// Where the tokens lie that a KV head kept of the prompt of a cell's first sample, right after the prompt was compacted;
/// exact ones and those in few bits alike.
public struct KeptTokens: Codable, Sendable, Hashable {
  /// Of the model, counted from 0; one that attends to everything.
  public var layer: Int
  public var kvHead: Int
  public var promptTokens: Int
  /// Of each of ``parts`` nearly equal, consecutive parts of the prompt the share that is kept, in percent, rounded; of
  /// shorter prompts a part is a token.
  public var percentages: [Int]

  public static let parts = 48

  public init(layer: Int, kvHead: Int, promptTokens: Int, percentages: [Int]) {
    self.layer = layer
    self.kvHead = kvHead
    self.promptTokens = promptTokens
    self.percentages = percentages
  }

  /// - Parameter positions: of the kept tokens, ascending, each in 0 ..< promptTokens; the prompt has at least one token.
  public init(layer: Int, kvHead: Int, promptTokens: Int, positions: [Int32]) {
    let parts = min(Self.parts, promptTokens)
    func first(_ part: Int) -> Int { promptTokens * part / parts }
    var kept = [Int](repeating: 0, count: parts)
    var part = 0
    for position in positions {
      while Int(position) >= first(part + 1) { part += 1 }
      kept[part] += 1
    }
    self.init(
      layer: layer, kvHead: kvHead, promptTokens: promptTokens,
      percentages: kept.indices.map {
        let tokens = first($0 + 1) - first($0)
        return (200 * kept[$0] + tokens) / (2 * tokens)
      })
  }

  /// Whether it is what can be drawn: as many parts as the prompt allows, each of 0 to 100 percent.
  public var isSound: Bool {
    layer >= 0 && kvHead >= 0 && promptTokens > 0
      && percentages.count == min(Self.parts, promptTokens)
      && percentages.allSatisfy { 0...100 ~= $0 }
  }
}
