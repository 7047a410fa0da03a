import Attention
import Foundation
import LabTestSupport
import Records
import Tensors
import Testing

@testable import Probes

@Suite("Approximation probe")
struct ApproximationProbeTests {
  /// Every figure of a head, computed in Double from whole rows of the attention matrix.
  private func expected(
    _ sequence: MadeUpSequence, layer: Int, head: Int, queries: Range<Int>, phase: MeasuredPhase,
    setting: ErrorSetting, kept: Int
  ) -> HeadMeasurement {
    let reference = sequence.reference(layer: layer)
    var difference = 0.0
    var norm = 0.0
    var errors: [Double] = []
    var cosines: [Double] = []
    var masses: [Double] = []
    var ratio: Double?
    var pairs = 0
    var causal = 0
    for query in queries {
      let attended = streamed(query)
      let sparse = reference.attend(head: head, query: query, to: attended)
      let dense = reference.attendDensely(head: head, query: query)
      let delta = zip(sparse.output, dense.output).map { $0 - $1 }
      func squared(_ row: [Double]) -> Double { row.reduce(0) { $0 + $1 * $1 } }
      difference += squared(delta)
      norm += squared(dense.output)
      errors.append((squared(delta) / squared(dense.output)).squareRoot())
      let product = zip(sparse.output, dense.output).reduce(0) { $0 + $1.0 * $1.1 }
      cosines.append(product / (squared(sparse.output) * squared(dense.output)).squareRoot())
      let mass = max(0, 1 - reference.attentionMass(head: head, query: query, on: attended))
      masses.append(mass)
      if mass >= 1e-4 {
        let absolute = delta.reduce(0) { $0 + abs($1) }
        let bound = 2 * mass * reference.largestValue(head: head, upTo: query)
        ratio = max(ratio ?? 0, absolute / bound)
      }
      pairs += attended.count
      causal += query + 1
    }
    let sorted = masses.sorted()
    let place = 0.95 * Double(sorted.count - 1)
    let below = sorted[Int(place)]
    let above = sorted[min(Int(place) + 1, sorted.count - 1)]
    return HeadMeasurement(
      setting: setting, phase: phase, layer: layer, queryHead: head,
      relativeOutputError: (difference / norm).squareRoot(), worstQueryError: errors.max()!,
      lastQueryError: errors.last!, outputCosine: cosines.reduce(0, +) / Double(queries.count),
      droppedMass: masses.reduce(0, +) / Double(queries.count),
      droppedMassP95: below + (place - place.rounded(.down)) * (above - below),
      droppedMassMaximum: sorted.last!, boundRatio: ratio, density: 0,
      nominalDensity: Double(pairs) / Double(causal),
      retainedFraction: Double(kept) / Double(queries.upperBound))
  }

  private func expectEqual(_ measured: HeadMeasurement, _ expected: HeadMeasurement) {
    func near(
      _ figure: KeyPath<HeadMeasurement, Double?>, _ name: String, tolerance: Double = 1e-5
    ) {
      let value = measured[keyPath: figure]
      let wanted = expected[keyPath: figure]
      let place = "\(name) of \(expected.phase) layer \(expected.layer) head \(expected.queryHead)"
      guard let value, let wanted else {
        #expect(value == wanted, "\(place)")
        return
      }
      #expect(abs(value - wanted) <= tolerance, "\(place): \(value), expected \(wanted)")
    }
    #expect(
      measured.layer == expected.layer && measured.queryHead == expected.queryHead
        && measured.phase == expected.phase && measured.setting == expected.setting)
    near(\.asOptional.relativeOutputError, "relativeOutputError")
    near(\.asOptional.worstQueryError, "worstQueryError")
    near(\.asOptional.lastQueryError, "lastQueryError")
    near(\.asOptional.outputCosine, "outputCosine")
    near(\.droppedMass, "droppedMass", tolerance: 3e-6)
    near(
      \.droppedMassP95, "droppedMassP95",
      tolerance: 3e-6 + 0.005 * (expected.droppedMassP95 ?? 0))
    near(\.droppedMassMaximum, "droppedMassMaximum", tolerance: 3e-6)
    // A ratio at γ = 1e-4 carries the 2e-6 of γ a hundredfold.
    near(\.boundRatio, "boundRatio", tolerance: 1e-2)
    near(\.asOptional.nominalDensity, "nominalDensity", tolerance: 1e-12)
    near(\.asOptional.retainedFraction, "retainedFraction", tolerance: 1e-12)
    #expect(measured.density >= measured.nominalDensity)
  }

  @Test(
    "Every figure equals the one computed in Double over the attention matrix",
    arguments: ErrorSetting.allCases)
  func figures(setting: ErrorSetting) {
    let sequence = MadeUpSequence(shape: probeShape, tokens: 45, seed: 1)
    let probe = ApproximationProbe(setting, dense: fullSession(), sparse: [streamingSession()])
    sequence.run(probe, prompt: 30)
    let heads = probe.finish()[0]
    #expect(probe.failures == [nil])
    #expect(heads.count == 2 * 2 * 6)
    var index = 0
    // After the prompt what the next query will see beside itself, at the end what the last one saw.
    for (phase, queries, kept) in [(MeasuredPhase.prefill, 0..<30, 7), (.decode, 30..<45, 8)] {
      for layer in 0..<2 {
        for head in 0..<6 {
          expectEqual(
            heads[index],
            expected(
              sequence, layer: layer, head: head, queries: queries, phase: phase,
              setting: setting, kept: kept))
          index += 1
        }
      }
    }
  }

  @Test("Decoding several tokens together gives the same figures as one by one")
  func groupedDecode() {
    let sequence = MadeUpSequence(shape: probeShape, tokens: 45, seed: 2)
    let single = ApproximationProbe(
      .propagated, dense: fullSession(), sparse: [streamingSession()])
    sequence.run(single, prompt: 20)
    let grouped = ApproximationProbe(
      .propagated, dense: fullSession(), sparse: [streamingSession()])
    sequence.run(grouped, prompt: 20, step: 25)
    for (one, other) in zip(single.finish()[0], grouped.finish()[0]) {
      #expect(abs(one.relativeOutputError - other.relativeOutputError) < 1e-6)
      #expect(abs(one.droppedMass! - other.droppedMass!) < 2e-6)
      #expect(one.nominalDensity == other.nominalDensity)
    }
  }

  @Test("Isolated gives the dense output on, propagated the sparse one")
  func outputs() {
    let sequence = MadeUpSequence(shape: probeShape, tokens: 40, seed: 3)
    let dense = sequence.run(fullSession(), prompt: 33)
    let sparse = sequence.run(streamingSession(), prompt: 33)
    let isolated = ApproximationProbe(
      .isolated, dense: fullSession(), sparse: [streamingSession()])
    let propagated = ApproximationProbe(
      .propagated, dense: fullSession(), sparse: [streamingSession()])
    #expect(sequence.run(isolated, prompt: 33) == dense)
    #expect(sequence.run(propagated, prompt: 33) == sparse)
    #expect(dense != sparse)
  }

  @Test("One dense pass serves several strategies as it serves each alone")
  func severalStrategies() {
    let sequence = MadeUpSequence(shape: probeShape, tokens: 40, seed: 4)
    let narrow = { streamingSession(sinks: 1, localWindow: 4) }
    let wide = { streamingSession(sinks: 4, localWindow: 12) }
    let together = ApproximationProbe(
      .isolated, dense: fullSession(), sparse: [narrow(), wide()])
    sequence.run(together, prompt: 33)
    let alone = [narrow(), wide()].map { session in
      let probe = ApproximationProbe(.isolated, dense: fullSession(), sparse: [session])
      sequence.run(probe, prompt: 33)
      return probe.finish()[0]
    }
    #expect(together.finish() == alone)
    #expect(alone[0][0].relativeOutputError > alone[1][0].relativeOutputError)
  }

  @Test("Samples combine as documented: means of figures, maxima, pooled masses")
  func samples() {
    let sequences = [5, 6].map { MadeUpSequence(shape: probeShape, tokens: 40, seed: $0) }
    let single = sequences.map { sequence in
      let probe = ApproximationProbe(
        .isolated, dense: fullSession(), sparse: [streamingSession()])
      sequence.run(probe, prompt: 40)
      return probe.finish()[0]
    }
    let probe = ApproximationProbe(
      .isolated, dense: fullSession(), sparse: [streamingSession()])
    sequences[0].run(probe, prompt: 40)
    probe.beginSample(dense: fullSession(), sparse: [streamingSession()])
    sequences[1].run(probe, prompt: 40)
    for (both, (a, b)) in zip(probe.finish()[0], zip(single[0], single[1])) {
      func isMean(_ figure: (HeadMeasurement) -> Double) -> Bool {
        abs(figure(both) - (figure(a) + figure(b)) / 2) < 1e-12
      }
      #expect(isMean(\.relativeOutputError))
      #expect(isMean(\.lastQueryError))
      #expect(isMean(\.outputCosine))
      #expect(isMean { $0.droppedMass! })
      #expect(isMean(\.density))
      #expect(isMean(\.retainedFraction))
      #expect(both.worstQueryError == max(a.worstQueryError, b.worstQueryError))
      #expect(both.boundRatio == max(a.boundRatio!, b.boundRatio!))
      #expect(both.droppedMassMaximum == max(a.droppedMassMaximum!, b.droppedMassMaximum!))
      let range = [a.droppedMassP95!, b.droppedMassP95!].sorted()
      #expect(both.droppedMassP95! >= range[0] && both.droppedMassP95! <= range[1])
    }
  }

  @Test("Full attention against itself: no error, no dropped mass, no bound ratio, all retained")
  func full() {
    let sequence = MadeUpSequence(shape: probeShape, tokens: 20, seed: 7)
    let probe = ApproximationProbe(.propagated, dense: fullSession(), sparse: [fullSession()])
    sequence.run(probe, prompt: 17)
    for head in probe.finish()[0] {
      #expect(head.relativeOutputError == 0 && head.worstQueryError == 0)
      #expect(abs(head.outputCosine - 1) < 1e-6)
      #expect(head.droppedMass == 0 && head.droppedMassMaximum == 0 && head.boundRatio == nil)
      #expect(head.nominalDensity == 1 && head.retainedFraction == 1)
    }
    #expect(probe.failures == [nil])
  }

  @Test("An output that its dropped mass does not explain is reported with its place")
  func brokenBound() throws {
    let sequence = MadeUpSequence(shape: probeShape, tokens: 20, seed: 8)
    let wrong = fullSession()
    // Its own value counts for so much in head 3's output for token 7.
    let weight = sequence.reference(layer: 1).attentionMass(head: 3, query: 7, on: [7])
    wrong.spoil(layer: 1, kvHead: 1, token: 7, before: 7) { $0 + Float(0.01 / weight) }
    let probe = ApproximationProbe(
      .isolated, dense: fullSession(), sparse: [streamingSession(), wrong])
    sequence.run(probe, prompt: 17)
    #expect(probe.failures[0] == nil)
    let failure = try #require(probe.failures[1])
    #expect(failure.layer == 1 && failure.queryHead == 3 && failure.query == 7)
    #expect(failure.phase == .prefill && failure.setting == .isolated)
    #expect(abs(failure.difference - 0.01) < 1e-4)
    #expect(
      failure.description.hasPrefix(
        "full, layer 1, query head 3, query 7 (prefill, isolated): the output differs from the dense one by"
      ))
  }

  /// A shape whose keys can be seen at other positions than their own.
  private static var rotary: AttentionShape {
    var shape = probeShape
    let rotary = RotaryEmbedding(base: 10_000, dimensions: 16, layout: .interleaved)
    for layer in shape.geometry.indices { shape.geometry[layer].rotary = rotary }
    return shape
  }

  @Test(
    "An output that is no number is reported, with or without a dropped mass",
    arguments: [true, false])
  func notANumber(logitsAreDense: Bool) throws {
    let sequence = MadeUpSequence(shape: probeShape, tokens: 20, seed: 9)
    // Everything is in the window: the output is the dense one.
    let wrong = streamingSession(localWindow: 100, shape: Self.rotary) {
      if !logitsAreDense { $0.positions = .cacheRelative }
    }
    #expect(wrong.logitsAreDense == logitsAreDense)
    wrong.spoil(layer: 0, kvHead: 0, token: 18, before: 18) { _ in .nan }
    let probe = ApproximationProbe(.propagated, dense: fullSession(Self.rotary), sparse: [wrong])
    sequence.run(probe, prompt: 17)
    let failure = try #require(probe.failures[0])
    #expect(failure.query == 18 && failure.layer == 0 && failure.phase == .decode)
    #expect(
      failure.description.contains("is not a finite number (half floats of a cache end at 65,504"))
  }

  @Test("Dropped mass and bound ratio are null where the logits are not the dense ones")
  func otherLogits() {
    let sequence = MadeUpSequence(shape: probeShape, tokens: 20, seed: 10)
    let relative = streamingSession(shape: Self.rotary) { $0.positions = .cacheRelative }
    let probe = ApproximationProbe(
      .isolated, dense: fullSession(Self.rotary), sparse: [relative])
    sequence.run(probe, prompt: 17)
    for head in probe.finish()[0] {
      #expect(head.droppedMass == nil && head.droppedMassP95 == nil)
      #expect(head.droppedMassMaximum == nil && head.boundRatio == nil)
      #expect(head.relativeOutputError > 0)
    }
  }

  @Test("Without a shadow the dense cache of a layer is freed once it has attended")
  func shadow() {
    let sequence = MadeUpSequence(shape: probeShape, tokens: 30, seed: 11)
    let freed = fullSession()
    let sparse = streamingSession()
    let probe = ApproximationProbe(.isolated, dense: freed, sparse: [sparse], keepsShadow: false)
    sequence.run(probe, prompt: 30)
    #expect(freed.residentBytes == 0)
    #expect(sparse.residentBytes > 0)
    let kept = fullSession()
    let other = ApproximationProbe(.isolated, dense: kept, sparse: [streamingSession()])
    sequence.run(other, prompt: 30)
    #expect(kept.tokensHeld == 2 * 2 * 30)
    #expect(probe.finish() == other.finish())
  }

  @Test("A decode step without the shadow that it needs is a broken promise and traps")
  func decodeWithoutShadow() async {
    await #expect(processExitsWith: .failure) {
      let probe = ApproximationProbe(
        .isolated, dense: fullSession(), sparse: [fullSession()], keepsShadow: false)
      MadeUpSequence(shape: probeShape, tokens: 5, seed: 1).run(probe, prompt: 4)
    }
  }

  /// Takes at most 13 decode steps from position 35 on: its block ends there.
  private func carefulSession() -> AttentionSession {
    session(
      TCA {
        $0.blockSize = 16
        $0.localWindow = 16
        $0.heads = Array(repeating: 0, count: 12)
      })
  }

  /// Evicts before every decode step, and so takes one at a time.
  private func evictingSession() -> AttentionSession {
    session(ScoredRetention(TOVA(), budget: .tokens(20)))
  }

  @Test("A step of any size gives the figures of single steps, in both settings")
  func steps() {
    let sequence = MadeUpSequence(shape: probeShape, tokens: 90, seed: 9)
    for setting in ErrorSetting.allCases {
      for make in [carefulSession, evictingSession] {
        let single = ApproximationProbe(setting, dense: fullSession(), sparse: [make()])
        let together = ApproximationProbe(setting, dense: fullSession(), sparse: [make()])
        let expected = sequence.run(single, prompt: 35, step: 1)
        let found = sequence.run(together, prompt: 35, step: 20)
        for (one, other) in zip(found, expected) {
          #expect(one.elements.count == other.elements.count)
          #expect(zip(one.elements, other.elements).allSatisfy { abs($0 - $1) <= 1e-5 })
        }
        let heads = together.finish()[0]
        let singleHeads = single.finish()[0]
        #expect(heads.count == singleHeads.count)
        for (one, other) in zip(heads, singleHeads) {
          #expect(abs(one.relativeOutputError - other.relativeOutputError) < 1e-5)
          #expect(one.nominalDensity == other.nominalDensity)
          #expect(one.retainedFraction == other.retainedFraction)
        }
      }
    }
  }

  @Test("Isolated, the dense output and a strategy's figures do not depend on who else is measured")
  func companions() {
    let sequence = MadeUpSequence(shape: probeShape, tokens: 90, seed: 9)
    let alone = ApproximationProbe(
      .isolated, dense: fullSession(), sparse: [streamingSession()])
    let outputs = sequence.run(alone, prompt: 35, step: 20)
    let together = ApproximationProbe(
      .isolated, dense: fullSession(), sparse: [carefulSession(), streamingSession()])
    #expect(sequence.run(together, prompt: 35, step: 20) == outputs)
    #expect(together.finish()[1] == alone.finish()[0])
  }
}

extension HeadMeasurement {
  /// Lets key paths to figures that always exist stand beside those that may not.
  fileprivate var asOptional: Figures { Figures(head: self) }

  fileprivate struct Figures {
    let head: HeadMeasurement
    var relativeOutputError: Double? { head.relativeOutputError }
    var worstQueryError: Double? { head.worstQueryError }
    var lastQueryError: Double? { head.lastQueryError }
    var outputCosine: Double? { head.outputCosine }
    var nominalDensity: Double? { head.nominalDensity }
    var retainedFraction: Double? { head.retainedFraction }
  }
}
