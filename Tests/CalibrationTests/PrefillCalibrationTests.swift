import Attention
import Foundation
import GGUF
import JSON
import LabTestSupport
import Records
import Tensors
import Testing
import Threads

@testable import Calibration

@Suite("How minference and xattention are calibrated")
struct PrefillCalibrationTests {
  static let shape = AttentionShape(layers: 1, queryHeads: 4, kvHeads: 2, headDimension: 16)

  /// The figures of `scripts/vectors/prefill_sparsity.py`, float64, on all 304 tokens of the stored case.
  private struct Golden: Decodable {
    struct Calibration: Decodable {
      struct XAttention: Decodable { var thresholds: [Double] }
      struct MInference: Decodable { var masses: [[Double]] }

      var xattention: XAttention
      var minference: MInference
    }

    var calibration: Calibration

    static func load() throws -> Calibration {
      try JSONDecoder().decode(
        Golden.self,
        from: Data(contentsOf: URL(fileURLWithPath: GoldenFiles.path("prefill-sparsity.json")))
      ).calibration
    }
  }

  private static func tensor(_ name: String) throws -> Matrix {
    let (shape, values) = try SafetensorsFile(path: GoldenFiles.path("golden_small.safetensors"))
      .tensor(name)
    let (heads, tokens, d) = (shape[0], shape[1], shape[2])
    var matrix = Matrix(rows: tokens, columns: heads * d)
    for head in 0..<heads {
      for token in 0..<tokens {
        for i in 0..<d { matrix[token, head * d + i] = values[(head * tokens + token) * d + i] }
      }
    }
    return matrix
  }

  private static func evidence<Strategy: CalibratedStrategy>(
    _ type: Strategy.Type, _ parameters: JSONValue, threads: Int = 1
  ) throws -> JSONValue {
    let strategy = try Strategy.of(parameters, shape: shape)
    _ = try #require(try strategy.calibrationRequest(contextLength: 304))
    let sequence = CalibrationSequence(
      ReferenceAttention(
        shape: shape, queries: try tensor("q"), keys: try tensor("k"), values: try tensor("v")))
    return try strategy.evidence(
      sequence, workspace: Workspace(workers: try WorkerPool(threadCount: threads)))
  }

  private static let xattention: JSONValue = [
    "calibrationCorpus": "emma", "stride": 8, "blockSize": 16,
  ]
  private static let minference: JSONValue = [
    "pattern": "search", "scale": 0.08, "topBlocks": 8, "blockSize": 16, "lastQueries": 32,
  ]

  @Test("XAttention's thresholds are those of the reference, on any number of threads")
  func thresholds() throws {
    let golden = try Golden.load().xattention.thresholds
    let found = try Self.evidence(XAttention.self, Self.xattention)
    let evidence = try found.decode(as: XAttentionEvidence.self)
    #expect(evidence.thresholds.count == golden.count)
    for (found, expected) in zip(evidence.thresholds, golden) {
      #expect(abs(found - expected) < 2e-6, "\(found), \(expected)")
    }
    #expect(try Self.evidence(XAttention.self, Self.xattention, threads: 3) == found)

    let resolved = try XAttention.of(Self.xattention, shape: Self.shape)
      .calibrated(by: found).strategy
    #expect(resolved.thresholds == evidence.thresholds)
    try ConfiguredStrategy(resolved).check(promptTokens: 304, shape: Self.shape)
  }

  @Test("A threshold is the share of score down to the weakest block that attention needs")
  func threshold() {
    // Row 0 has one block. In row 1, 90 % need both blocks; in row 2 the last two, the weaker with a score of 0.2.
    let found = XAttentionCalibrator.threshold(
      masses: [[1], [0.5, 0.5], [0.05, 0.15, 0.8]], scores: [[1], [0.9, 0.1], [0.1, 0.7, 0.2]])
    #expect(abs(found - (1 + 1 + 0.9) / 3) < 1e-7)
  }

  @Test("MInference's search measures what the reference measures and takes the best")
  func search() throws {
    let golden = try Golden.load().minference.masses
    let found = try Self.evidence(MInference.self, Self.minference)
    let evidence = try found.decode(as: MInferenceEvidence.self)
    for (entry, expected) in zip(evidence.entries, golden) {
      #expect(entry.mass.count == expected.count)
      for (found, expected) in zip(entry.mass, expected) {
        #expect(abs(found - expected) < 2e-6, "\(found), \(expected)")
      }
      #expect(entry.choice == expected.indices.max { expected[$0] < expected[$1] })
    }
    #expect(try Self.evidence(MInference.self, Self.minference, threads: 3) == found)

    let resolved = try MInference.of(Self.minference, shape: Self.shape)
      .calibrated(by: found).strategy
    #expect(resolved.heads == evidence.entries.map(\.choice))
    try ConfiguredStrategy(resolved).check(promptTokens: 304, shape: Self.shape)
  }

  @Test("With a density every candidate is brought to it before they are compared")
  func equalDensities() throws {
    for density in [0.3, 0.5] {
      var parameters = Self.minference.objectValue ?? [:]
      parameters["budget"] = ["density": .number(density)]
      let found = try Self.evidence(MInference.self, .object(parameters))
      let evidence = try found.decode(as: MInferenceEvidence.self)
      for entry in evidence.entries {
        #expect(entry.density.allSatisfy { $0 <= density && $0 > density - 0.07 }, "\(entry)")
        #expect(Set(entry.mass).count > 1)
      }
    }
  }

  @Test("Of equal masses the sparser candidate is taken, of equal ones the first")
  func ties() {
    var entry = MInferenceEvidence.Entry()
    entry.mass = [0.5, 0.9, 0.9, 0.9, 0.1]
    entry.density = [0.1, 0.8, 0.4, 0.4, 0.2]
    #expect(entry.choice == 2)
  }

  @Test("Calibration is asked for where a spec asks for it, and nowhere else")
  func requests() throws {
    func asks<Strategy: CalibratedStrategy>(
      _ type: Strategy.Type, _ parameters: JSONValue
    ) throws -> Int? {
      try Strategy.of(parameters, shape: Self.shape).calibrationRequest(contextLength: 8192)?.tokens
    }
    #expect(try asks(MInference.self, [:]) == nil)
    #expect(try asks(MInference.self, ["pattern": "block-sparse"]) == nil)
    #expect(try asks(MInference.self, ["pattern": "search"]) == 4096)
    #expect(try asks(MInference.self, ["pattern": "search", "calibrationLength": 700]) == 700)
    #expect(try asks(MInference.self, ["pattern": "search", "heads": [1]]) == nil)
    #expect(try asks(XAttention.self, [:]) == nil)
    #expect(try asks(XAttention.self, ["calibrationCorpus": "emma"]) == 4096)
    #expect(
      try asks(XAttention.self, ["calibrationCorpus": "emma", "thresholds": [1]]) == nil)
    #expect(
      try asks(
        XAttention.self, ["calibrationCorpus": "emma", "budget": ["density": 0.3]]) == nil)
    let error = #expect(throws: ConfigurationError.self) {
      try asks(
        XAttention.self, ["calibrationCorpus": "emma", "calibrationLength": 9000])
    }
    #expect(error?.parameter == "calibrationLength")
  }

  @Test("What stands in for a result before calibration can be checked")
  func provisional() throws {
    var calibrated: Set<String> = []
    for entry in StrategyRegistry.builtIn.entries {
      for parameters: JSONValue in [[:], ["pattern": "search"], ["calibrationCorpus": "emma"]] {
        let configured = try entry.configure(parameters)
        if configured.strategy is any CalibratedStrategy { calibrated.insert(configured.name) }
        if configured.name != "composed" {
          _ = try configured.checkBeforeCalibration(for: Self.shape, contextLength: 4096)
        }
      }
    }
    #expect(calibrated == ["tca", "tca-plus", "minference", "xattention", "duo-attention"])
  }

  @Test("Damaged evidence is an error, not a choice")
  func damaged() {
    func expectDamage(_ strategy: some CalibratedStrategy) {
      let damaged: [JSONValue] = [
        [:], ["tokens": 9], "x",
        ["tokens": 9, "layers": 1, "queryHeads": 2, "entries": [], "thresholds": [0.5]],
        [
          "tokens": 9, "layers": 1, "queryHeads": 1, "entries": [["mass": [1], "density": [1]]],
          "thresholds": [1.5],
        ],
      ]
      for evidence in damaged {
        #expect(
          throws: CalibrationError.damagedEvidence(strategy: type(of: strategy).about.name)
        ) { try strategy.calibrated(by: evidence) }
      }
    }
    expectDamage(MInference())
    expectDamage(XAttention())
  }
}
