import Attention
import Calibration
import JSON
import Tensors
import Testing
import Threads

@Suite("TCA's calibration")
struct TCACalibratorTests {
  static let shape = AttentionShape(layers: 1, queryHeads: 6, kvHeads: 2, headDimension: 16)

  static let small = TCA {
    $0.blockSize = 16
    $0.localWindow = 32
  }

  static func calibrate(
    _ strategy: TCA, _ sequence: CalibrationSequence, threads: Int = 2
  ) throws -> TCAEvidence {
    let shape = sequence.attention.shape
    let pass = CalibratingAttention(
      TCACalibrator(strategy.calibrationOptions, for: shape), shape: shape,
      workspace: Workspace(workers: try WorkerPool(threadCount: threads)))
    sequence.run(pass)
    return pass.finish()
  }

  struct Case: Sendable {
    var tokens: Int
    var strategy: TCA
  }

  @Test(
    "Each candidate's figures are those of whole attention matrices in double precision",
    arguments: [
      Case(tokens: 150, strategy: small),
      Case(tokens: 49, strategy: small),
      Case(
        tokens: 96,
        strategy: TCA {
          $0.blockSize = 16
          $0.localWindow = 0
        }),
      Case(
        tokens: 200,
        strategy: TCA {
          $0.blockSize = 64
          $0.localWindow = 64
          $0.balance = 0
        }),
      Case(
        tokens: 40,
        strategy: TCA {
          $0.blockSize = 2
          $0.localWindow = 4
          $0.balance = 1
        }),
      Case(
        tokens: 150,
        strategy: TCA {
          $0.blockSize = 16
          $0.localWindow = 32
          $0.sinks = 4
          $0.importanceQueries = 9
        }),
      Case(
        tokens: 150,
        strategy: TCA {
          $0.blockSize = 16
          $0.localWindow = 32
          $0.groupMerge = .aggregate
        }),
    ])
  func figures(_ testCase: Case) throws {
    let sequence = CalibrationSequence(Self.shape, tokens: testCase.tokens, seed: testCase.tokens)
    let evidence = try Self.calibrate(testCase.strategy, sequence)
    let isAggregate = testCase.strategy.groupMerge == .aggregate
    #expect(evidence.queryHeadsPerEntry == (isAggregate ? 3 : 1))
    #expect(evidence.entries.count == (isAggregate ? 2 : 6))
    for (place, entry) in evidence.entries.enumerated() {
      let size = evidence.queryHeadsPerEntry
      let expected = ReferenceCalibration(
        testCase.strategy, sequence, heads: place * size..<(place + 1) * size)
      for candidate in 0..<TCACandidate.count {
        let figures = expected.figures(candidate)
        #expect(entry.kept[candidate] == figures.kept)
        for criterion in TCA.Criterion.allCases {
          #expect(
            abs(entry.values(criterion)[candidate] - figures.value(criterion)) < 2e-6,
            "entry \(place), candidate \(candidate), \(criterion)")
        }
      }
    }
  }

  @Test("Any number of threads finds the same")
  func threads() throws {
    let sequence = CalibrationSequence(Self.shape, tokens: 150, seed: 3)
    let strategy = Self.small
    let one = try Self.calibrate(strategy, sequence, threads: 1)
    #expect(try Self.calibrate(strategy, sequence, threads: 3) == one)
  }

  @Test("Dense attention is unchanged, and a layer's cache is freed once it was seen")
  func dense() throws {
    let shape = AttentionShape(layers: 2, queryHeads: 6, kvHeads: 2, headDimension: 16)
    let sequence = CalibrationSequence(shape, tokens: 80, seed: 4)
    let strategy = Self.small
    let workspace = Workspace(workers: WorkerPool())
    let pass = CalibratingAttention(
      TCACalibrator(strategy.calibrationOptions, for: shape), shape: shape, workspace: workspace)
    let dense = AttentionSession(FullAttention(), shape: shape, workspace: workspace)
    let queries = sequence.attention.queries
    for layer in 0..<2 {
      var output = Matrix(rows: 80, columns: queries.columns)
      var expected = output
      pass.attend(
        layer: layer, phase: .prefill, queries: queries, keys: sequence.attention.keys,
        values: sequence.attention.values, firstPosition: 0, output: &output)
      dense.attend(
        layer: layer, phase: .prefill, queries: queries, keys: sequence.attention.keys,
        values: sequence.attention.values, firstPosition: 0, output: &expected)
      #expect(output == expected)
      #expect(pass.residentBytes == 0)
    }
    #expect(pass.finish().entries.count == 12)
  }

  @Test("Finishing before every layer was seen traps")
  func unfinished() async {
    await #expect(processExitsWith: .failure) {
      let calibrator = TCACalibrator(
        TCACalibratorTests.small.calibrationOptions, for: TCACalibratorTests.shape)
      _ = calibrator.finish()
    }
  }

  // MARK: Choosing

  static func entry(_ candidates: [(kept: Int, mass: Double)]) -> TCAEvidence.Entry {
    var entry = TCAEvidence.Entry()
    for candidate in candidates {
      entry.kept.append(candidate.kept)
      entry.columnMean.append(0)
      entry.meanMass.append(candidate.mass)
      entry.quantileMass.append(0)
      entry.lastBlock.append(0)
    }
    return entry
  }

  @Test("The valid candidate that keeps the fewest tokens is taken; ties by criterion, then index")
  func choice() {
    let entry = Self.entry([(90, 0.99), (40, 0.9), (40, 0.95), (40, 0.95), (20, 0.6), (100, 1)])
    func choose(_ threshold: Double) -> Int {
      entry.choose(threshold: threshold, criterion: .meanMass)
    }
    #expect(choose(0.5) == 4)
    #expect(choose(0.6) == 4)
    #expect(choose(0.61) == 2)
    #expect(choose(0.96) == 0)
    #expect(choose(1) == 5)
    #expect(entry.choose(threshold: 0.1, criterion: .columnMean) == TCACandidate.keepEverything)
    #expect(TCAEvidence.Entry().choose(threshold: 0, criterion: .meanMass) == -1)
  }

  @Test("Evidence comes back from JSON as it was")
  func roundTrip() throws {
    let sequence = CalibrationSequence(Self.shape, tokens: 100, seed: 8)
    let evidence = try Self.calibrate(
      Self.small, sequence)
    let text = try JSONValue(encoding: evidence).canonicalText
    #expect(try JSONValue(parsing: text).decode(as: TCAEvidence.self) == evidence)
  }
}

/// One head's calibration, or a group's, from whole attention matrices.
private struct ReferenceCalibration {
  struct Figures {
    var kept: Int
    var values: [TCA.Criterion: Double]

    func value(_ criterion: TCA.Criterion) -> Double { values[criterion] ?? .nan }
  }

  let strategy: TCA
  let tokens: Int
  /// By head and query.
  let matrices: [[[Double]]]

  init(_ strategy: TCA, _ sequence: CalibrationSequence, heads: Range<Int>) {
    self.strategy = strategy
    let n = sequence.attention.queries.rows
    tokens = n
    matrices = heads.map { head in (0..<n).map { sequence.weights(head: head, query: $0) } }
  }

  private func windowStart(_ query: Int) -> Int {
    let b = strategy.blockSize
    return max(0, query / b * b - strategy.localWindow)
  }

  func figures(_ candidate: Int) -> Figures {
    let end = windowStart(tokens - 1)
    let first = max(0, tokens - strategy.importanceQueries)
    var importance = [Float](repeating: 0, count: end)
    for key in 0..<end {
      let sum = matrices.reduce(0) { sum, matrix in
        (first..<tokens).reduce(sum) { $0 + (key <= $1 ? matrix[$1][key] : 0) }
      }
      importance[key] = Float(sum / Double((tokens - first) * matrices.count))
    }
    let selection = strategy.selector.select(
      importance[...],
      candidate: TCACandidate(index: candidate, blockSize: strategy.blockSize))
    let kept = Set(selection.runs.flatMap { Array($0) })

    var masses: [Double] = []
    var last: [Double] = []
    var columns = 0.0
    for matrix in matrices {
      for query in 0..<tokens {
        let start = windowStart(query)
        let mass = (0...query).filter { $0 >= start || kept.contains($0) }
          .reduce(0) { $0 + matrix[query][$1] }
        if start > 0 { masses.append(mass) }
        if query >= tokens - strategy.blockSize { last.append(mass) }
      }
      let means = (0..<tokens).map { key in
        (key..<tokens).reduce(0) { $0 + matrix[$1][key] } / Double(tokens - key)
      }
      let held = means.indices.filter { kept.contains($0) || $0 >= end }
      columns += held.reduce(0) { $0 + means[$1] } / means.reduce(0, +) / Double(matrices.count)
    }
    masses.sort()
    let place = 0.1 * Double(masses.count - 1)
    let low = masses[Int(place)]
    let high = masses[min(Int(place) + 1, masses.count - 1)]
    return Figures(
      kept: kept.count + tokens - end,
      values: [
        .columnMean: columns, .meanMass: masses.reduce(0, +) / Double(masses.count),
        .quantileMass: low + (high - low) * (place - place.rounded(.down)),
        .lastBlock: last.reduce(0, +) / Double(last.count),
      ])
  }
}
