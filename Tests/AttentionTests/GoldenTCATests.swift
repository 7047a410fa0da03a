import Attention
import Calibration
import Foundation
import JSON
import Tensors
import Testing
import Threads

@Suite("TCA against an independent implementation")
struct GoldenTCATests {
  static let heads = [9, 7, 9, 8]
  static let selector = TCASelector(blockSize: 16, localWindow: 32, balance: 0.5, sinks: 0)

  static func positions(_ selection: Selection) -> [Int] { selection.runs.flatMap { Array($0) } }

  static func importance(_ head: Int) throws -> ArraySlice<Float> {
    let all = try GoldenTCA.tensor("importance")
    return all[head * 256..<head * 256 + 208]
  }

  @Test("The 14 candidates have the published shares, budgets and decode budgets")
  func candidates() throws {
    let golden = try GoldenTCA.load()
    #expect(golden.candidates.count == TCACandidate.count)
    for (index, expected) in golden.candidates.enumerated() {
      let candidate = TCACandidate(index: index, blockSize: 16)
      #expect(candidate.counts == [1, 2, 4, 8, 16])
      for (share, other) in zip(candidate.shares, expected.p) {
        #expect(abs(share - other) < 1e-12)
      }
      #expect(candidate.budgets(blocks: 13) == expected.psi13)
      #expect(candidate.decodeBudget == expected.decodeT)
    }
  }

  @Test(
    "Importance, block scores, budgets and selected tokens are the golden ones", arguments: 0..<4)
  func selection(head: Int) throws {
    let golden = try GoldenTCA.load().heads[head]
    let view = TestSequence(try GoldenTCA.attention(tokens: 256)).view()
    let weights = view.meanSoftmaxRow(ofHead: head, lastQueries: 1)
    let expected = try GoldenTCA.tensor("importance")[head * 256..<(head + 1) * 256]
    for (a, b) in zip(weights, expected) { #expect(abs(a - b) <= 1e-6) }

    #expect(Self.selector.evictableEnd(forQuery: 255) == golden.evictEnd)
    let importance = try Self.importance(head)
    let scores = Self.selector.blockScores(importance)
    for (a, b) in zip(scores, golden.blockScores) { #expect(abs(a - b) < 1e-6) }
    let order = scores.indices.sorted { scores[$0] > scores[$1] }
    #expect(order == golden.blockOrder)
    let candidate = TCACandidate(index: golden.candidate, blockSize: 16)
    #expect(Self.selector.blockBudgets(scores, candidate: candidate) == golden.budgets)
    #expect(
      Self.positions(Self.selector.select(importance, candidate: candidate)) == golden.selected)
    var massOnly = Self.selector
    massOnly.balance = 0
    #expect(
      Self.positions(massOnly.select(importance, candidate: candidate))
        == golden.massRuleSelected)
    var withSinks = Self.selector
    withSinks.sinks = 4
    #expect(
      Self.positions(withSinks.select(importance, candidate: candidate))
        == golden.sinks4Selected)
  }

  @Test("The mean importance of a group with a mixed distribution selects the golden tokens")
  func groupMean() throws {
    let golden = try GoldenTCA.load()
    for group in golden.gqa {
      let first = Array(try Self.importance(group.kvHead * 2))
      let second = Array(try Self.importance(group.kvHead * 2 + 1))
      let mean = zip(first, second).map { ($0 + $1) / 2 }
      let candidate = TCACandidate(counts: [1, 2, 4, 8, 16], shares: group.gmeanP)
      #expect(
        Self.positions(Self.selector.select(mean[...], candidate: candidate))
          == group.gmeanSelected)
    }
  }

  @Test("Calibration gives the golden figures and choices", arguments: 0..<4)
  func calibration(head: Int) throws {
    let golden = try GoldenTCA.load().heads[head]
    let evidence = try Self.calibrate()
    let entry = evidence.entries[head]
    // The last row of the table is dense attention.
    #expect(golden.calibrationTable.count == TCACandidate.count + 1)
    for (index, expected) in golden.calibrationTable.dropLast().enumerated() {
      #expect(entry.kept[index] == expected.size)
      #expect(abs(entry.columnMean[index] - expected.colmean) < 2e-6)
      #expect(abs(entry.meanMass[index] - expected.meanmass) < 2e-6)
      #expect(abs(entry.quantileMass[index] - expected.q10mass) < 2e-6)
      #expect(abs(entry.lastBlock[index] - expected.lastblk) < 2e-6)
    }
    let names: [(String, TCA.Criterion)] = [
      ("colmean", .columnMean), ("meanmass", .meanMass), ("q10mass", .quantileMass),
      ("lastblk", .lastBlock),
    ]
    for (name, criterion) in names {
      for (threshold, expected) in golden.calibrationChoice[name] ?? [:] {
        let value = try #require(Double(threshold))
        #expect(evidence.choose(threshold: value, criterion: criterion)[head] == expected)
      }
    }
  }

  static func calibrate() throws -> TCAEvidence {
    let tca = TCA {
      $0.blockSize = 16
      $0.localWindow = 32
    }
    let workspace = Workspace(workers: try WorkerPool(threadCount: 2))
    let attention = CalibratingAttention(
      TCACalibrator(tca.calibrationOptions, for: GoldenTCA.shape), shape: GoldenTCA.shape,
      workspace: workspace)
    var output = Matrix(rows: 256, columns: 64)
    attention.attend(
      layer: 0, phase: .prefill, queries: try GoldenTCA.rows("q", 0..<256),
      keys: try GoldenTCA.rows("k", 0..<256), values: try GoldenTCA.rows("v", 0..<256),
      firstPosition: 0, output: &output)
    return attention.finish()
  }

  // MARK: The strategy at work

  static func session() throws -> AttentionSession {
    try AttentionSession(
      "tca",
      ["blockSize": 16, "localWindow": 32, "heads": .array(heads.map(JSONValue.integer))],
      shape: GoldenTCA.shape, promptTokens: 256,
      workspace: Workspace(workers: try WorkerPool(threadCount: 2)))
  }

  static func run(
    _ session: AttentionSession, _ tokens: Range<Int>, _ phase: AttentionPhase
  ) throws -> (output: Matrix, outcome: AttentionOutcome) {
    var output = Matrix(rows: tokens.count, columns: 64)
    let outcome = session.attend(
      layer: 0, phase: phase, queries: try GoldenTCA.rows("q", tokens),
      keys: try GoldenTCA.rows("k", tokens), values: try GoldenTCA.rows("v", tokens),
      firstPosition: tokens.lowerBound, output: &output)
    return (output, outcome)
  }

  static func worst(_ output: Matrix, _ name: String) throws -> Float {
    let expected = try GoldenTCA.tensor(name)
    var worst: Float = 0
    for head in 0..<4 {
      for row in 0..<output.rows {
        for i in 0..<16 {
          let other = expected[(head * output.rows + row) * 16 + i]
          worst = max(worst, abs(output[row, head * 16 + i] - other))
        }
      }
    }
    return worst
  }

  @Test("Sparse prefill gives the golden output and pair counts; the cache keeps the golden tokens")
  func prefill() throws {
    let golden = try GoldenTCA.load()
    let session = try Self.session()
    let (output, outcome) = try Self.run(session, 0..<256, .prefill)
    #expect(try Self.worst(output, "out_tca_sliding") < 1e-5)
    for head in 0..<4 {
      #expect(outcome.pairs[head].nominal == golden.heads[head].attendedPairsSliding)
    }
    for group in golden.gqa {
      let held = session.caches[0][group.kvHead].positions.map(Int.init)
      #expect(held == group.union + Array(208..<256))
    }
  }

  @Test("The dropped mass of every query is the golden one")
  func droppedMass() throws {
    let dense = AttentionSession(
      FullAttention(), shape: GoldenTCA.shape, workspace: Workspace(workers: WorkerPool()))
    let session = try Self.session()
    let (output, whole) = try Self.run(dense, 0..<256, .prefill)
    #expect(try Self.worst(output, "out_full") < 1e-5)
    let sparse = try Self.run(session, 0..<256, .prefill).outcome
    let gamma = try GoldenTCA.tensor("gamma_sliding")
    for index in gamma.indices {
      let mass = 1 - exp(Double(sparse.logSumExp[index]) - Double(whole.logSumExp[index]))
      #expect(abs(max(0, mass) - Double(gamma[index])) < 3e-6)
    }
  }

  @Test(
    "Decode evicts the golden tokens, one step at a time or many together", arguments: [1, 7, 16])
  func decode(together: Int) throws {
    let golden = try GoldenTCA.load()
    let session = try Self.session()
    let log = SelectionLog(session)
    _ = try Self.run(session, 0..<256, .prefill)
    var output = Matrix(rows: 48, columns: 64)
    var position = 256
    while position < 304 {
      let count = min(together, session.queriesDecodedTogether(from: position), 304 - position)
      let step = try Self.run(session, position..<position + count, .decode).output
      for row in 0..<count {
        for column in 0..<64 { output[position - 256 + row, column] = step[row, column] }
      }
      for head in 0..<4 {
        let chosen = Self.positions(log.last[head])
        guard let eviction = golden.heads[head].decode.first(where: { $0.i == position }) else {
          continue
        }
        #expect(chosen.count == eviction.totalGlobal)
        #expect(
          chosen.filter { eviction.end - 16..<eviction.end ~= $0 } == eviction.keptInNewBlock)
      }
      // The block that left the window before this step.
      if let end = golden.heads[0].decode.first(where: { $0.i == position })?.end {
        for kvHead in 0..<2 {
          let members = [golden.heads[kvHead * 2], golden.heads[kvHead * 2 + 1]]
          let kept = Set(
            members.flatMap { head in
              head.decode.first { $0.i == position }?.keptInNewBlock ?? []
            })
          let held = session.caches[0][kvHead].positions.map(Int.init)
          #expect(held.filter { end - 16..<end ~= $0 } == kept.sorted())
          #expect(held.filter { $0 >= end } == Array(end..<position + count))
        }
      }
      position += count
    }
    #expect(try Self.worst(output, "out_decode_tca") < 1e-5)
  }

  @Test("Dense decode gives the golden output")
  func denseDecode() throws {
    let dense = AttentionSession(
      FullAttention(), shape: GoldenTCA.shape, workspace: Workspace(workers: WorkerPool()))
    _ = try Self.run(dense, 0..<256, .prefill)
    #expect(
      try Self.worst(try Self.run(dense, 256..<304, .decode).output, "out_decode_full") < 1e-5)
  }

  @Test("The file of the attend command holds the same results")
  func attendFile() throws {
    let session = try Self.session()
    let (output, outcome) = try Self.run(session, 0..<256, .prefill)
    let kept = try GoldenTCA.tensor("kept", of: "attend-tca-expected")
    for kvHead in 0..<2 {
      let held = Set(session.held(kvHead))
      #expect(
        (0..<256).map { held.contains($0) ? 1 : 0 }
          == Array(kept[kvHead * 256..<kvHead * 256 + 256]))
    }
    let expected = try GoldenTCA.tensor("out", of: "attend-tca-expected")
    let sums = try GoldenTCA.tensor("lse", of: "attend-tca-expected")
    for index in sums.indices { #expect(abs(outcome.logSumExp[index] - sums[index]) < 1e-5) }
    for head in 0..<4 {
      for row in 0..<256 {
        for i in 0..<16 {
          let difference = output[row, head * 16 + i] - expected[(head * 256 + row) * 16 + i]
          #expect(abs(difference) < 1e-5)
        }
      }
    }
  }
}
