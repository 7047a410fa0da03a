import Attention
import Kernels
import Records
import Tensors

/// Passes of one length that some rows are made from: full attention, TCA where a row needs it, and peers, in turn.
private struct PassGroup {
  var tokens: Int
  var decodeTokens = 0
  var rows: Set<BenchRowName>
  var tcaRows: Set<BenchRowName> = []
}

/// What came of a group.
struct MeasuredPasses {
  var full: [TimingSample] = []
  var tca: [TimingSample] = []
  /// Of TCA's prefill.
  var tcaUse = AttentionUse()
}

extension BenchRun {
  private static let groups = [
    PassGroup(tokens: 512, rows: [.prefill512]),
    PassGroup(tokens: 2048, rows: [.prefill2048]),
    PassGroup(tokens: 4096, rows: [], tcaRows: [.tcaAttention4096, .tcaSelection4096]),
    PassGroup(
      tokens: 8192, rows: [.prefill8192], tcaRows: [.tcaAttention8192, .tcaSelection8192]),
    PassGroup(tokens: 32_768, rows: [.prefill32768]),
    PassGroup(tokens: 1, decodeTokens: 64, rows: [.decode0]),
    // The model's context ends at 8,192, so the last tokens before that are decoded.
    PassGroup(
      tokens: 8160, decodeTokens: 32, rows: [.decode8192], tcaRows: [.tcaDecode8192]),
    PassGroup(tokens: 32_736, decodeTokens: 32, rows: [.decode32768]),
  ]

  /// All rows that are passes of the model.
  func passRows() throws -> [BenchRow] {
    var measured: [BenchRow] = []
    for group in Self.groups {
      let names = rows.intersection(group.rows.union(group.tcaRows))
      guard !names.isEmpty else { continue }
      var references = group.rows.isDisjoint(with: names) ? [] : peerMeasures(group)
      let passes = try measure(
        group, withTCA: !group.tcaRows.isDisjoint(with: names), peers: &references)
      for name in names {
        measured.append(row(name, group, passes, peers: references.map(\.reference)))
      }
    }
    return measured
  }

  private func measure(
    _ group: PassGroup, withTCA: Bool, peers: inout [PeerMeasure]
  ) throws -> MeasuredPasses {
    var result = MeasuredPasses()
    let text = try prompt(group.tokens)
    let what =
      group.decodeTokens > 0
      ? "\(group.decodeTokens) tokens at depth \(group.tokens)"
      : "prefill of \(group.tokens) tokens"
    tell("\(what), warm-up")
    _ = try timed(text, decodeTokens: min(group.decodeTokens, 8), session: makeFull())
    if withTCA {
      let session = try makeTCA()
      _ = try timed(text, decodeTokens: 0, session: session)
      result.tcaUse = AttentionUse(of: session, tokens: group.tokens)
    }
    for round in 0..<repeats {
      tell("\(what), repeat \(round + 1) of \(repeats)")
      result.full.append(
        try timed(text, decodeTokens: group.decodeTokens, session: makeFull()))
      if withTCA {
        result.tca.append(
          try timed(text, decodeTokens: group.decodeTokens, session: makeTCA()))
      }
      // A peer takes up to a minute for the longest prompts.
      guard round < (group.tokens > 4096 ? 2 : repeats) else { continue }
      for index in peers.indices {
        tell("\(what), repeat \(round + 1) of \(repeats), peer \(peers[index].reference.name)")
        peers[index].measure()
      }
    }
    return result
  }

  // MARK: Peers and targets

  private func peerMeasures(_ group: PassGroup) -> [PeerMeasure] {
    let tokens = group.tokens
    func prompt(_ type: String, _ target: Double?) -> PeerMeasure {
      peers.llamaCpp(
        type, LlamaBench.Test(promptTokens: tokens), target: target, warmsUp: tokens <= 2048)
    }
    func steps(_ type: String, _ target: Double?) -> PeerMeasure {
      let depth = tokens > 1 ? tokens : 0
      return peers.llamaCpp(
        type, LlamaBench.Test(generatedTokens: group.decodeTokens, depth: depth), target: target,
        warmsUp: true)
    }
    // Where most layers have a window, a step reads the weights above all, as fast as memory gives
    // them, and a prompt multiplies with them.
    let shape = model.model.shape
    let hasWindows = shape.globalLayers.count < shape.layers
    if group.rows.contains(.decode0) { return [steps("same", 1)] }
    if group.rows.contains(.decode8192) {
      return [steps("F16", 1.25), steps("same", hasWindows ? 1.3 : 2.2)]
    }
    if group.rows.contains(.decode32768) { return [steps("same", 1.3)] }
    if group.rows.contains(.prefill32768) { return [prompt("same", 1.3)] }
    if group.rows.contains(.prefill8192) {
      return [
        prompt("F16", 1.25), prompt("same", 1.25),
        peers.pyTorch(.prefill, tokens: tokens, name: "PyTorch transformers", target: 1.25) {
          Double(tokens) / $0
        },
      ]
    }
    return [prompt("same", hasWindows ? 1.3 : 2), prompt("F16", 1.2), prompt("Q4_0", nil)]
  }

  // MARK: Rows

  private func row(
    _ name: BenchRowName, _ group: PassGroup, _ passes: MeasuredPasses, peers: [BenchReference]
  ) -> BenchRow {
    switch name {
    case .tcaAttention4096, .tcaAttention8192: tcaAttentionRow(name, passes)
    case .tcaSelection4096, .tcaSelection8192:
      BenchRow(
        name, samples: passes.tca.map(\.selectionTime),
        references: [
          BenchReference(
            "attending and selecting", samples: passes.tca.map(\.attendingAndSelecting),
            target: 0.08)
        ])
    case .tcaDecode8192: tcaDecodeRow(passes)
    case .decode0, .decode8192, .decode32768:
      BenchRow(
        name, samples: passes.full.compactMap(\.decodeRate),
        references: peers
          + [bandwidthCeiling(depth: group.tokens + group.decodeTokens / 2)].compactMap { $0 })
    default:
      BenchRow(
        name, samples: passes.full.map { Double(group.tokens) / $0.timeToFirstToken },
        references: peers + [
          BenchReference(
            "arithmetic ceiling",
            value: arithmeticCeiling * 1e9 / model.blueprint.prefillOperations(tokens: group.tokens)
              * Double(group.tokens))
        ],
        details: [
          "attention share": (passes.full.map { $0.attentionTime / $0.timeToFirstToken }).median
            ?? .nan
        ])
    }
  }

  private func tcaAttentionRow(_ name: BenchRowName, _ passes: MeasuredPasses) -> BenchRow {
    let allowance = name == .tcaAttention4096 ? 0.08 : 0.05
    return BenchRow(
      name, samples: passes.tca.map(\.attendingAndSelecting),
      references: [
        BenchReference(
          "full attention", samples: passes.full.map(\.attentionTime),
          target: passes.tcaUse.density + allowance)
      ],
      details: [
        "effective density": passes.tcaUse.density,
        "nominal density": passes.tcaUse.nominalDensity,
        "retained fraction": passes.tcaUse.retainedFraction,
        "compaction s": passes.tca.map(\.compactionTime).median ?? .nan,
      ],
      notes: ["The target is the effective density + \(allowance)"])
  }

  private func tcaDecodeRow(_ passes: MeasuredPasses) -> BenchRow {
    let retained = passes.tcaUse.retainedFraction
    func perToken(_ sample: TimingSample) -> Double? {
      guard let attending = sample.decodeAttentionTime else { return nil }
      return attending + (sample.decodeSelectionTime ?? 0)
    }
    return BenchRow(
      .tcaDecode8192, samples: passes.tca.compactMap(perToken),
      references: [
        BenchReference(
          "full attention", samples: passes.full.compactMap(perToken), target: retained / 0.8)
      ],
      details: [
        "retained fraction": retained,
        "tokens/s": passes.tca.compactMap(\.decodeRate).median ?? .nan,
        "full tokens/s": passes.full.compactMap(\.decodeRate).median ?? .nan,
        "compaction s/token": passes.tca.compactMap(\.decodeCompactionTime).median ?? .nan,
      ],
      notes: ["The target is the retained fraction of a KV head / 0.8"])
  }
}

extension TimingSample {
  fileprivate var attendingAndSelecting: Double { attentionTime + selectionTime }

  /// Tokens per second over all decode steps; nil without any.
  var decodeRate: Double? {
    let parts = [
      decodeAttentionTime, decodeSelectionTime, decodeCompactionTime, decodeOtherTime,
    ].compactMap { $0 }
    let perToken = parts.reduce(0, +)
    return perToken > 0 ? 1 / perToken : nil
  }
}
