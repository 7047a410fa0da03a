import Attention
import Calibration
import Probes
import Records
import Tensors
import Testing
import Transformer

extension RealModelTests {
  /// TCA against what an independent PyTorch implementation saw on the same model and texts: *Persuasion* from character
  /// 3,000, calibrated on *Emma* from character 3,000, 2,048 tokens each, blocks of 128, a window of 256, τ 0.9, meanMass.
  @Suite("TCA") struct TCATests {
    static let tokens = 2048

    @Test("Kept tokens, density, error and dropped mass are those of the reference implementation")
    func agreement() throws {
      let model = try LocalModel.smolLM2.load()
      let session = try calibrated(on: "emma", model)
      let probe = ApproximationProbe(
        .isolated, dense: model.denseSession(), sparse: [session], keepsShadow: false)
      var keptByQueryHeads: [Int] = []
      session.observer = { _, decision, selections in
        if case .attending = decision {
          keptByQueryHeads += selections.selections.map {
            $0.attendedCount(fromQuery: Self.tokens - 1)
          }
        }
      }
      _ = try model.forward(
        try LocalModel.smolLM2.tokens(Self.tokens, of: "persuasion", fromCharacter: 3000),
        firstPosition: 0, phase: .prefill, attention: probe, keeping: 0..<0)

      #expect(probe.failures == [nil])
      let heads = probe.finish()[0]
      #expect(heads.count == 270 && keptByQueryHeads.count == 270)
      let kept = keptByQueryHeads.reduce(0, +)
      expect("kept per query head", Double(kept) / Double(270 * Self.tokens), 0.29, within: 0.03)
      expect("kept per KV head", mean(heads, \.retainedFraction), 0.41, within: 0.03)
      expect("nominal density", mean(heads, \.nominalDensity), 0.38, within: 0.03)
      expect("relativeOutputError", mean(heads, \.relativeOutputError), 0.09, within: 0.02)
      expect("droppedMass", mean(heads) { $0.droppedMass ?? .nan }, 0.05, within: 0.015)
      #expect(heads.allSatisfy { $0.boundRatio ?? 0 <= 1 })
    }

    private func calibrated(on corpus: String, _ model: BlueprintDecoder) throws -> AttentionSession
    {
      let strategy = TCA {
        $0.threshold = 0.9
        $0.blockSize = 128
        $0.localWindow = 256
        $0.criterion = .meanMass
      }
      let pass = strategy.makePass(shape: model.shape, workspace: model.workspace)
      _ = try model.forward(
        try LocalModel.smolLM2.tokens(Self.tokens, of: corpus, fromCharacter: 3000),
        firstPosition: 0,
        phase: .prefill, attention: pass, keeping: 0..<0)
      let calibrated = try strategy.calibrated(by: pass.evidence()).strategy
      return AttentionSession(calibrated, shape: model.shape, workspace: model.workspace)
    }

    private func mean(_ heads: [HeadMeasurement], _ value: (HeadMeasurement) -> Double) -> Double {
      heads.reduce(0) { $0 + value($1) } / Double(heads.count)
    }

    private func expect(_ name: String, _ found: Double, _ expected: Double, within: Double) {
      #expect(abs(found - expected) <= within, "\(name) is \(found), the reference's \(expected)")
    }
  }
}
