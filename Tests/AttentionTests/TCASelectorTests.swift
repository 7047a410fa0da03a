import Attention
import Records
import Tensors
import Testing

@Suite("TCA's selection")
struct TCASelectorTests {
  private static func positions(_ selection: Selection) -> Set<Int> {
    Set(selection.runs.flatMap { Array($0) })
  }

  private static func strategy(_ blockSize: Int, balance: Double, sinks: Int) -> TCA {
    TCA {
      $0.blockSize = blockSize
      $0.localWindow = 0
      $0.balance = balance
      $0.sinks = sinks
    }
  }

  @Test(
    "Equals full sorts, ties included, for every candidate",
    arguments: [1, 2, 8, 64], [0.0, 0.5, 1.0])
  func equalsReference(blockSize: Int, balance: Double) {
    for (round, levels) in [3, 40, 100_000].enumerated() {
      for sinks in [0, 1, 5] {
        let strategy = Self.strategy(blockSize, balance: balance, sinks: sinks)
        var generator = SeededGenerator(seed: round, purpose: "importance \(blockSize)")
        // Multiples of a power of two, so that sums are exact and few levels make many ties.
        let importance = (0..<blockSize * 13).map { _ in
          Float(generator.index(below: levels)) * 0x1p-20
        }
        for candidate in 0..<TCACandidate.count {
          let selection = strategy.selector.select(
            importance[...], candidate: TCACandidate(index: candidate, blockSize: blockSize))
          let expected = ReferenceTCA.select(
            importance.map(Double.init),
            shares: ReferenceTCA.shares(candidate, blockSize: blockSize),
            strategy: strategy)
          #expect(
            Self.positions(selection) == expected,
            "candidate \(candidate), \(levels) levels, \(sinks) sinks")
        }
      }
    }
  }

  @Test("A block that leaves the window keeps its top, sinks first", arguments: [0, 3, 16, 40])
  func block(sinks: Int) {
    let strategy = Self.strategy(16, balance: 0.5, sinks: sinks)
    var generator = SeededGenerator(seed: sinks, purpose: "block")
    let importance = (0..<16).map { _ in Float(generator.index(below: 6)) }
    for first in [0, 16, 32] {
      for budget in 1...16 {
        let selection = strategy.selector.selectBlock(
          importance[...], at: Array(first..<first + 16), budget: budget)
        #expect(
          Self.positions(selection)
            == ReferenceTCA.thin(
              importance.map(Double.init), from: first, budget: budget, sinks: sinks),
          "block at \(first), budget \(budget)")
        #expect(selection.runTokenCount == budget)
      }
    }
  }

  @Test("Sinks never raise the number of tokens kept")
  func sinksStayInside() {
    var generator = SeededGenerator(seed: 9, purpose: "sinks")
    let importance = (0..<64).map { _ in Float(generator.unit()) }
    for candidate in 0..<TCACandidate.count {
      let candidate = TCACandidate(index: candidate, blockSize: 16)
      let counts = [0, 1, 4, 30, 64, 1000].map { sinks in
        Self.strategy(16, balance: 0.5, sinks: sinks).selector
          .select(importance[...], candidate: candidate).runTokenCount
      }
      #expect(Set(counts).count == 1)
    }
  }

  @Test("A block without any importance counts as evenly spread")
  func zeroBlock() {
    let selector = TCASelector(blockSize: 4, localWindow: 0, balance: 0.5, sinks: 0)
    let scores = selector.blockScores([0, 0, 0, 0, 0.25, 0.25, 0.25, 0.25])
    #expect(scores == [0.5 * 0.75, 0.5 * 1 + 0.5 * 0.75])
    // A part of a block at the end does not count.
    #expect(selector.blockScores([0, 0, 0, 0, 1, 1]).count == 1)
  }

  @Test("The evictable region holds whole blocks before the window", arguments: 0..<200)
  func evictableEnd(query: Int) {
    let selector = TCASelector(blockSize: 16, localWindow: 32, balance: 0.5, sinks: 0)
    let end = selector.evictableEnd(forQuery: query)
    #expect(end % 16 == 0)
    let window = query - end + 1
    #expect(query < 48 ? end == 0 : (33...48).contains(window))
  }

  @Test("Budgets of any number of blocks add up, largest first, and follow the shares")
  func budgets() {
    for blockSize in [1, 2, 64, 128] {
      for candidate in TCACandidate.all(blockSize: blockSize) {
        #expect(abs(candidate.shares.reduce(0, +) - 1) < 1e-12)
        #expect((1...blockSize).contains(candidate.decodeBudget))
        for blocks in 0...40 {
          let budgets = candidate.budgets(blocks: blocks)
          #expect(budgets.count == blocks && budgets == budgets.sorted(by: >))
          for (count, share) in zip(candidate.counts, candidate.shares) {
            let quota = Double(budgets.count { $0 == count })
            #expect(abs(quota - share * Double(blocks)) < 1)
          }
        }
      }
    }
    // Of two equal remainders the larger k takes the block.
    let even = TCACandidate(counts: [1, 2], shares: [0.5, 0.5])
    #expect(even.budgets(blocks: 3) == [2, 2, 1])
  }
}
