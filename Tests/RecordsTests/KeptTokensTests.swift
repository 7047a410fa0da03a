import Records
import Testing

@Suite("Where kept tokens lie")
struct KeptTokensTests {
  @Test("Shares of the parts of a prompt, against counting each token")
  func shares() {
    var generator = SeededGenerator(seed: 5, purpose: "kept tokens")
    for count in [1, 2, 47, 48, 49, 95, 100, 512, 2_047] {
      for keep in [0.0, 0.2, 0.9, 1.0] {
        let positions = (0..<count).filter { _ in Double.random(in: 0..<1, using: &generator) < keep
        }
        let kept = KeptTokens(
          layer: 1, kvHead: 0, promptTokens: count, positions: positions.map(Int32.init))
        #expect(kept.isSound)
        let parts = min(48, count)
        for part in 0..<parts {
          let tokens = count * part / parts..<count * (part + 1) / parts
          let share = 100 * Double(positions.count(where: tokens.contains)) / Double(tokens.count)
          #expect(abs(Double(kept.percentages[part]) - share) <= 0.5)
        }
      }
    }
  }

  @Test("What no prompt has is not sound")
  func unsound() {
    let kept = KeptTokens(layer: 0, kvHead: 0, promptTokens: 3, percentages: [0, 50, 100])
    #expect(kept.isSound)
    for change: (inout KeptTokens) -> Void in [
      { $0.percentages[0] = 101 }, { $0.percentages[2] = -1 }, { $0.percentages.removeLast() },
      { $0.promptTokens = 0 }, { $0.layer = -1 }, { $0.kvHead = -1 },
    ] {
      var changed = kept
      change(&changed)
      #expect(!changed.isSound)
    }
  }
}
