import Kernels
import Records
import Tensors
import Testing
import Threads

@testable import Attention

@Suite("tca-plus")
struct TCAPlusTests {
  static let shape = AttentionShape(layers: 2, queryHeads: 6, kvHeads: 2, headDimension: 16)

  static func strategy(
    heads: [Int] = [Int](repeating: 8, count: 12), _ change: (inout TCAPlus) -> Void
  ) throws -> TCAPlus {
    let strategy = TCAPlus {
      $0.heads = heads
      change(&$0)
    }
    try ConfiguredStrategy(strategy).check(promptTokens: 400, shape: shape)
    return strategy
  }

  // MARK: The plan

  @Test("Tiers never cost more than the budget, and hold as many tokens as it allows")
  func tierShares() {
    for format in [nil, ColdFormat.q4, .q8] {
      let plan = TierPlan(format: format, headDimension: 64, cache: .f32)
      let page = format.map { ColdTier.wholePageBytes($0, headDimension: 64) } ?? 0
      for count in [0, 1, 31, 32, 33, 100, 500] {
        for budget in [0, 1, 5, 20, 40, 99, 100, 101, 600] {
          let bytes = budget * 512
          let share = plan.share(bytes: bytes, of: count)
          #expect(share.exact >= 0 && share.cold % 32 == 0 && share.exact + share.cold <= count)
          #expect(share.exact * 512 + share.cold / 32 * page <= bytes)
          // No other division holds more.
          for pages in 0...(format == nil ? 0 : count / 32) where pages * page <= bytes {
            let others = min(count - 32 * pages, (bytes - pages * page) / 512) + 32 * pages
            #expect(others <= share.exact + share.cold)
          }
          if format != nil, bytes >= plan.leastBytes(holding: count) {
            #expect(share.exact + share.cold == count)
          }
          if bytes >= count * 512 { #expect(share == TierShare(exact: count, cold: 0)) }
        }
      }
    }
  }

  @Test("Bytes are shared out by weight, capped, and never above the mean")
  func tierBytes() {
    var generator = SeededGenerator(seed: 5, purpose: "weights")
    for format in [nil, ColdFormat.q4, .q8] {
      let plan = TierPlan(format: format, headDimension: 64, cache: .f32)
      for count in [0, 10, 64, 1000] {
        let least = plan.leastBytes(holding: count)
        for mean in [0, 100, 5_000, 100_000, 300_000, 512_000, 600_000] {
          let weights = (0..<12).map { _ in 0.01 + generator.unit() }
          let bytes = plan.bytes(mean: mean, weights: weights, count: count)
          let allowed = max(mean, 0)
          #expect(bytes.reduce(0, +) <= 12 * allowed || mean >= count * 512)
          #expect(bytes.allSatisfy { $0 <= max(count * 512, mean) })
          guard mean > least, mean < count * 512 else { continue }
          // Two heads that are not full have their extra bytes in proportion.
          let open = bytes.indices.filter { bytes[$0] < count * 512 - 1 }
          for (a, b) in zip(open, open.dropFirst()) {
            let ratio = Double(bytes[a] - least) / weights[a]
            let other = Double(bytes[b] - least) / weights[b]
            #expect(abs(ratio - other) <= 2 / min(weights[a], weights[b]))
          }
          // Rounding aside nothing is left over.
          #expect(bytes.reduce(0, +) >= 12 * mean - 12)
        }
      }
    }
  }

  // MARK: At work

  private func session(
    heads: [Int] = [Int](repeating: 8, count: 12), _ change: (inout TCAPlus) -> Void
  ) throws -> AttentionSession {
    AttentionSession(
      try Self.strategy(heads: heads, change), shape: Self.shape,
      workspace: Workspace(workers: WorkerPool()))
  }

  @Test("Nothing is lost: exact and cold tokens together are all, in fewer bytes")
  func holdsAll() throws {
    for tier in [TCAPlus.Tier.q4, .q8] {
      let session = try session {
        $0.localWindow = 32
        $0.sinks = 2
        $0.denseQueries = 8
        $0.coldTier = tier
      }
      let sequence = TestSequence(Self.shape, tokens: 400, seed: 3)
      sequence.feed(session, prompt: 300, decode: 100)
      for head in session.caches.joined() {
        #expect(head.heldPositions == (0..<400).map { Int32($0) })
        let cold = try #require(head.cold)
        // Two sinks, a quarter of the others, the window, and what fills no page.
        #expect(cold.count > 180)
        #expect(head.position(ofSlot: 0) == 0 && head.position(ofSlot: 1) == 1)
        #expect(head.slot(atOrAfter: 400 - 32) == head.count - 32)
        #expect(head.allocatedBytes < 400 * (2 * 16 + 1) * 4)
      }
    }
  }

  @Test("Without a cold tier what is not kept is freed, generated tokens too")
  func evicts() throws {
    let session = try session {
      $0.localWindow = 32
      $0.sinks = 2
      $0.denseQueries = 8
      $0.coldTier = .none
    }
    let sequence = TestSequence(Self.shape, tokens: 400, seed: 3)
    sequence.feed(session, prompt: 300, decode: 100)
    for head in session.caches.joined() {
      #expect(head.cold == nil)
      // A quarter of the 368 outside of the window, rounded up page by page.
      #expect((90...140).contains(head.count - 32))
    }
  }

  @Test(
    "With a window of 0 the newest token stays exact all the same, and pages that are full go cold",
    arguments: TCAPlus.Tier.allCases)
  func noWindow(tier: TCAPlus.Tier) throws {
    for (prompt, budget) in [(300, nil), (288, nil), (10, nil), (300, 120)] as [(Int, Int?)] {
      let session = try session {
        $0.localWindow = 0
        $0.sinks = 2
        $0.denseQueries = 8
        $0.coldTier = tier
        $0.budget = budget.map { .tokens($0) }
      }
      TestSequence(Self.shape, tokens: 400, seed: 3)
        .feed(session, prompt: prompt, decode: 400 - prompt)
      for head in session.caches.joined() {
        #expect(head.position(ofSlot: head.count - 1) == 399)
        guard tier != .none, budget == nil else { continue }
        #expect(head.heldPositions == (0..<400).map { Int32($0) })
        // The last retention was at 384: of all before it less than two pages are exact.
        let cold = try #require(head.cold)
        #expect(Set(cold.positions).isSuperset(of: (310..<350).map { Int32($0) }))
        #expect(head.slot(atOrAfter: 360) == head.count - 40)
      }
    }
  }

  @Test("A budget that covers the prompt covers what follows, and a larger one never holds less")
  func coveredPrompt() throws {
    let sequence = TestSequence(Self.shape, tokens: 300, seed: 8)
    var smaller = [Int](repeating: 0, count: 100)
    for budget in [150, 199, 200, 201, 256, 299, 300] {
      let session = try session(heads: [-1] + [Int](repeating: 3, count: 11)) {
        $0.localWindow = 32
        $0.budget = .tokens(budget)
      }
      sequence.feed(session, prompt: 200, decode: 100)
      let bytes = session.use.steps.map(\.global.logical)
      #expect(bytes.count == 100)
      #expect(zip(smaller, bytes).allSatisfy { $0 <= $1 }, "\(budget)")
      smaller = bytes
      if budget >= 200 {
        #expect(
          session.caches.joined().allSatisfy { $0.cold == nil && $0.count == 300 }, "\(budget)")
      }
    }
  }

  @Test("A share of −1 keeps its head exact while others have a cold tier")
  func mixedHeads() throws {
    let heads = [-1, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3]
    let session = try session(heads: heads) { $0.localWindow = 32 }
    TestSequence(Self.shape, tokens: 300, seed: 4)
      .feed(session, prompt: 200, decode: 100)
    #expect(session.caches[0][0].cold == nil && session.caches[0][0].count == 300)
    #expect(session.caches[0][1].cold != nil && session.caches[1][0].cold != nil)
  }

  @Test("A budget shares exact tokens out by the calibrated shares; uniform makes them equal")
  func headBudgets() throws {
    let heads = [2, 2, 2, 8, 8, 8, 5, 5, 5, 5, 5, 5]
    for budgets in TCAPlus.HeadBudgets.allCases {
      let session = try session(heads: heads) {
        $0.localWindow = 32
        $0.headBudgets = budgets
        $0.budget = .tokens(200)
      }
      TestSequence(Self.shape, tokens: 400, seed: 5)
        .feed(session, prompt: 400, decode: 0)
      let counts = session.caches.joined().map(\.count)
      #expect(session.logicalBytes <= 200 * 4 * 128)
      // What is left over buys no further page of exact tokens.
      #expect(session.logicalBytes > 200 * 4 * 128 - 4 * 32 * 128)
      switch budgets {
      case .uniform: #expect(Set(counts).count == 1)
      case .calibrated: #expect(counts[0] < counts[2] && counts[2] < counts[1])
      }
    }
  }

  @Test("No token leaves while a narrower window can make room for it")
  func windowGivesWay() throws {
    for budget in [95, 105, 110, 115, 120, 140, 200] {
      let session = try session {
        $0.localWindow = 64
        $0.sinks = 2
        $0.budget = .tokens(budget)
      }
      TestSequence(Self.shape, tokens: 400, seed: 7).feed(session, prompt: 400, decode: 0)
      #expect(session.logicalBytes <= budget * 4 * 128)
      // With a window of r tokens the others, two sinks apart, fill pages of 768 bytes, the rest is exact.
      let hasRoom = (32...80).contains { r in
        (398 - r) / 32 * 768 + ((398 - r) % 32 + 2 + r) * 128 <= budget * 128
      }
      for head in session.caches.joined() {
        #expect((head.heldCount == 400) == hasRoom, "\(budget)")
      }
    }
  }

  @Test("Uniform shares are the mean, a head that keeps everything counting as 1")
  func uniformShares() {
    let heads = [-1, 0, 0, 8, 2, 2, 4, 4, 4, 6, 6, 6]
    var strategy = TCAPlus {
      $0.headBudgets = .uniform
      $0.heads = heads
    }
    let mean = (1 + 0.25 + 0.0625 + 0.125) / 4
    #expect(strategy.shares(Self.shape) == [mean, mean, mean, mean])
    strategy.headBudgets = .calibrated
    #expect(strategy.shares(Self.shape) == [nil, 0.25, 0.0625, 0.125])
    strategy.headBudgets = .uniform
    strategy.heads = [Int](repeating: -1, count: 12)
    #expect(strategy.shares(Self.shape) == [nil, nil, nil, nil])
  }

  @Test("Decode reads the cold pages with the most attention, as many as its density says")
  func reselection() throws {
    for density in [0, 0.1, 0.5, 1] {
      let session = try session {
        $0.localWindow = 32
        $0.importanceQueries = 16
        $0.decodeDensity = density
      }
      let log = SelectionLog(session)
      let sequence = TestSequence(Self.shape, tokens: 401, seed: 6)
      sequence.feed(session, prompt: 400, decode: 1)
      let d = Self.shape.headDimension
      for kvHead in 0..<2 {
        let cache = session.caches[1][kvHead]
        let tier = try #require(cache.cold)
        let attended = log.last[3 * kvHead]
        let read = tier.positions.map { attended.attends(to: Int($0), fromQuery: 400) }
        let pages = (0..<tier.pageCount).filter { read[32 * $0] }
        #expect(pages.count == Int((density * Double(tier.pageCount)).rounded(.up)))
        for page in 0..<tier.pageCount {
          #expect(Set(read[32 * page..<32 * (page + 1)]).count == 1)
        }
        for position in cache.positions {
          #expect(attended.attends(to: Int(position), fromQuery: 400))
        }
        let queries = sequence.attention.queries.row(400).extracting(
          3 * kvHead * d..<3 * (kvHead + 1) * d)
        let masses = ColdScores.masses(queries, of: tier)
        let least = pages.map { masses[$0] }.min() ?? .infinity
        for page in 0..<tier.pageCount where !pages.contains(page) {
          #expect(masses[page] <= least)
        }
      }
    }
  }

  @Test("Parameters that do not fit are refused by name")
  func refusals() {
    func parameter(_ change: (inout TCAPlus) -> Void) -> String? {
      do {
        _ = try Self.strategy(change)
        return nil
      } catch {
        return (error as? ConfigurationError)?.parameter
      }
    }
    #expect(parameter { _ in } == nil)
    #expect(parameter { $0.threshold = 1.5 } == "threshold")
    #expect(parameter { $0.decodeDensity = -0.1 } == "decodeDensity")
    #expect(parameter { $0.importanceQueries = 0 } == "importanceQueries")
    #expect(parameter { $0.localWindow = -1 } == "localWindow")
    #expect(parameter { $0.heads = nil } == "heads")
    #expect(parameter { $0.heads = [1] } == "heads")
    #expect(parameter { $0.heads = [Int](repeating: 12, count: 12) } == "heads")
    #expect(parameter { $0.budget = .mass(0.5) } == "budget")
    #expect(parameter { $0.budget = .density(0.5, promptTokens: 10) } == "budget")
  }
}

extension TestSequence {
  /// The same prompt and then single steps through every layer.
  fileprivate func feed(_ session: any LayerAttention, prompt: Int, decode: Int) {
    for layer in 0..<shape.layers {
      run(session, 0..<prompt, .prefill, layer: layer)
      for position in prompt..<prompt + decode {
        run(session, position..<position + 1, .decode, layer: layer)
      }
    }
  }
}
