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

  private static func evidence(
    _ calibration: any CalibratedStrategy, _ parameters: JSONValue, threads: Int = 1
  ) throws -> JSONValue {
    let request = try #require(
      try calibration.request(parameters: parameters, contextLength: 304))
    let pass = try calibration.makePass(
      request, shape: shape, workspace: Workspace(workers: try WorkerPool(threadCount: threads)))
    let queries = try tensor("q")
    var output = Matrix(rows: queries.rows, columns: queries.columns)
    pass.attend(
      layer: 0, phase: .prefill, queries: queries, keys: try tensor("k"), values: try tensor("v"),
      firstPosition: 0, output: &output)
    return try pass.evidence()
  }

  private static let xattention: JSONValue = [
    "calibrationCorpus": "emma", "stride": 8, "blockSize": 16,
  ]
  private static let minference: JSONValue = [
    "pattern": "search", "scale": 0.08, "blockSize": 16, "lastQueries": 32,
  ]

  @Test("XAttention's thresholds are those of the reference, on any number of threads")
  func thresholds() throws {
    let golden = try Golden.load().xattention.thresholds
    let found = try Self.evidence(XAttentionCalibration(), Self.xattention)
    let evidence = try found.decode(as: XAttentionEvidence.self)
    #expect(evidence.thresholds.count == golden.count)
    for (found, expected) in zip(evidence.thresholds, golden) {
      #expect(abs(found - expected) < 2e-6, "\(found), \(expected)")
    }
    #expect(try Self.evidence(XAttentionCalibration(), Self.xattention, threads: 3) == found)

    let resolved = try XAttentionCalibration().resolve(
      parameters: Self.xattention, evidence: found)
    #expect(
      try StrategyEntry<XAttention>().configuration(resolved).thresholds == evidence.thresholds)
    try StrategyEntry<XAttention>().check(parameters: resolved, shape: Self.shape)
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
    let found = try Self.evidence(MInferenceCalibration(), Self.minference)
    let evidence = try found.decode(as: MInferenceEvidence.self)
    for (entry, expected) in zip(evidence.entries, golden) {
      #expect(entry.mass.count == expected.count)
      for (found, expected) in zip(entry.mass, expected) {
        #expect(abs(found - expected) < 2e-6, "\(found), \(expected)")
      }
      #expect(entry.choice == expected.indices.max { expected[$0] < expected[$1] })
    }
    #expect(try Self.evidence(MInferenceCalibration(), Self.minference, threads: 3) == found)

    let resolved = try MInferenceCalibration().resolve(
      parameters: Self.minference, evidence: found)
    let configuration = try StrategyEntry<MInference>().configuration(resolved)
    #expect(configuration.heads == evidence.entries.map(\.choice))
    try StrategyEntry<MInference>().check(parameters: resolved, shape: Self.shape)
  }

  @Test("With a density every candidate is brought to it before they are compared")
  func equalDensities() throws {
    for density in [0.3, 0.5] {
      let found = try Self.evidence(
        MInferenceCalibration(),
        Self.minference.setting("budget", to: ["density": .number(density)]))
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
    func asks(_ calibration: any CalibratedStrategy, _ parameters: JSONValue) throws -> Int? {
      try calibration.request(parameters: parameters, contextLength: 8192)?.tokens
    }
    let minference = MInferenceCalibration()
    #expect(try asks(minference, [:]) == nil)
    #expect(try asks(minference, ["pattern": "block-sparse"]) == nil)
    #expect(try asks(minference, ["pattern": "search"]) == 4096)
    #expect(try asks(minference, ["pattern": "search", "calibrationLength": 700]) == 700)
    #expect(try asks(minference, ["pattern": "search", "heads": [1]]) == nil)
    let xattention = XAttentionCalibration()
    #expect(try asks(xattention, [:]) == nil)
    #expect(try asks(xattention, ["calibrationCorpus": "emma"]) == 4096)
    #expect(try asks(xattention, ["calibrationCorpus": "emma", "thresholds": [1]]) == nil)
    #expect(
      try asks(
        xattention,
        ["calibrationCorpus": "emma", "budget": ["density": 0.3, "promptTokens": 64]]) == nil)
    let error = #expect(throws: ConfigurationError.self) {
      try asks(xattention, ["calibrationCorpus": "emma", "calibrationLength": 9000])
    }
    #expect(error?.parameter == "calibrationLength")
  }

  @Test("What stands in for a result before calibration can be checked")
  func provisional() throws {
    for entry in CalibrationRegistry.builtIn.entries {
      let strategy = try #require(StrategyRegistry.builtIn.entry(named: entry.strategy))
      for parameters: JSONValue in [[:], ["pattern": "search"], ["calibrationCorpus": "emma"]] {
        try strategy.check(
          parameters: entry.provisional(parameters: parameters, shape: Self.shape),
          shape: Self.shape)
      }
    }
  }

  @Test("Damaged evidence is an error, not a choice")
  func damaged() {
    let calibrations: [any CalibratedStrategy] = [MInferenceCalibration(), XAttentionCalibration()]
    for calibration in calibrations {
      let damaged: [JSONValue] = [
        [:], ["tokens": 9], "x",
        ["tokens": 9, "layers": 1, "queryHeads": 2, "entries": [], "thresholds": [0.5]],
        [
          "tokens": 9, "layers": 1, "queryHeads": 1, "entries": [["mass": [1], "density": [1]]],
          "thresholds": [1.5],
        ],
      ]
      for evidence in damaged {
        #expect(throws: CalibrationError.damagedEvidence(strategy: calibration.strategy)) {
          try calibration.resolve(parameters: [:], evidence: evidence)
        }
      }
    }
  }
}
