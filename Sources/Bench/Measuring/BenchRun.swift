import Attention
import Experiments
import Foundation
import JSON
import Kernels
import Planning
import Records
import Tasks
import Tensors
import Threads
import Transformer

/// Measures the rows of a bench, one after the other.
///
/// Rows that need the same work share it, and what is compared is measured in turn: a drifting machine then hits both.
public final class BenchRun {
  let model: LoadedModel
  let rows: Set<BenchRowName>
  let peers: PeerSet
  let repeats: Int
  let environment: SpecEnvironment
  private let report: (String) -> Void
  var sgemm: SgemmGauge
  private var multiplyAdd = MultiplyAddGauge()
  /// Bytes per second of the triad, once measured.
  private var bandwidth: [Double] = []
  private var knownTCA: ConfiguredStrategy?
  private var knownTokens: [Int32]?

  /// The settings of the rows about TCA.
  static let tca =
    #"{"name": "tca", "criterion": "meanMass", "threshold": 0.9, "blockSize": 128, "localWindow": 256}"#

  /// - Parameters:
  ///   - rows: what to measure; each fits the model's context.
  ///   - repeats: measured repetitions of each pass; peers that take a minute are repeated at most twice.
  ///   - environment: what strategies and specs are checked against.
  ///   - report: told what is being measured.
  public init(
    model: LoadedModel, rows: Set<BenchRowName>, peers: [PeerArgument], repeats: Int,
    environment: SpecEnvironment, report: @escaping (String) -> Void
  ) {
    self.model = model
    self.rows = rows
    self.repeats = repeats
    self.environment = environment
    self.report = report
    let threads = model.model.workspace.workers.threadCount
    self.peers = PeerSet(peers, model: model, threads: threads)
    sgemm = SgemmGauge(threads: threads)
  }

  /// The versions of the peers, or why there is none, by name.
  public var peerVersions: [String: String] { peers.versions }

  public func run() throws -> [BenchRow] {
    var measured: [BenchRow] = []
    // First, while the process holds nothing but the model.
    for name in [BenchRowName.memory8192, .memory32768] where wants(name) {
      measured.append(try memoryRow(name))
    }
    let needsSgemm = wants(
      .sgemm, .attentionDense8192, .prefill512, .prefill2048, .prefill8192, .prefill32768)
    if needsSgemm {
      tell("sgemm")
      sgemm.measure(times: 10, isEnd: false)
    }
    if needsSgemm || wants(.multiplyAdd) {
      tell("multiply-adds")
      multiplyAdd.measure(workers)
      measured.append(BenchRow(.multiplyAdd, samples: multiplyAdd.samples))
    }
    if wants(.bandwidth, .decode0, .decode8192, .decode32768) {
      tell("memory bandwidth")
      bandwidth = Self.bandwidth(workers)
    }
    if wants(.attentionDense8192) { measured.append(attentionRow()) }
    measured += try passRows()
    measured += try cacheRows()
    measured += try threadRows()
    if wants(.runnerOverhead) { measured.append(try runnerRow()) }
    if wants(.qualityIsolated2048, .qualityPropagated2048) { measured += try qualityRows() }
    if needsSgemm {
      tell("sgemm again")
      sgemm.measure(times: 10, isEnd: true)
      measured.append(sgemm.row)
    }
    if !bandwidth.isEmpty {
      measured.append(BenchRow(.bandwidth, samples: bandwidth.map { $0 * 1e-9 }))
    }
    return BenchRowName.allCases.compactMap { name in
      wants(name) ? measured.first { $0.name == name } : nil
    }
  }

  func wants(_ names: BenchRowName...) -> Bool { names.contains(where: rows.contains) }

  func tell(_ what: String) { report(what) }

  // MARK: What rows share

  var workers: WorkerPool { model.model.workspace.workers }

  /// The first tokens of a shipped text that no strategy is calibrated on.
  func prompt(_ count: Int) throws -> [Int32] {
    if knownTokens == nil {
      let text = try Corpus(named: Corpus.evaluationDefault, folder: .currentDirectory())
      knownTokens = model.tokenizer.encode(text.withJoinedLines)
    }
    let tokens = knownTokens ?? []
    guard tokens.count >= count else {
      throw BenchError.textTooShort(tokens: tokens.count, needed: count)
    }
    return Array(tokens.prefix(count))
  }

  /// That of specs, and of the peers.
  static let cache = CacheFormat.f16

  func makeFull() -> AttentionSession { makeFull(cache: Self.cache) }

  func makeFull(cache: CacheFormat) -> AttentionSession {
    AttentionSession(
      FullAttention(), shape: model.model.shape, workspace: model.model.workspace, cache: cache)
  }

  /// TCA, calibrated when first asked for.
  func tcaStrategy() throws -> ConfiguredStrategy {
    if let knownTCA { return knownTCA }
    tell("calibrating TCA")
    let tca = try SingleRun(model, StrategyArgument(parsing: Self.tca, in: environment))
      .calibrated(promptTokens: 0)
    knownTCA = tca
    return tca
  }

  func makeTCA() throws -> AttentionSession {
    AttentionSession(
      try tcaStrategy().strategy, shape: model.model.shape, workspace: model.model.workspace,
      cache: Self.cache)
  }

  // MARK: The machine

  /// Bytes per second of the triad.
  static func bandwidth(_ workers: WorkerPool) -> [Double] {
    var triad = ReferenceTriad(count: 1 << 25)
    triad.run(scale: 1, workers: workers)
    return (0..<10).map { repetition in
      var watch = Stopwatch()
      triad.run(scale: Float(repetition), workers: workers)
      return Double(triad.bytes) / watch.lap().seconds
    }
  }

  /// GFLOP/s that no product exceeds: OpenBLAS may have slow kernels for a processor, or collapse
  /// with many threads.
  var arithmeticCeiling: Double { [sgemm.rate, multiplyAdd.rate].filter(\.isFinite).max() ?? .nan }

  /// Tokens per second at which a decode step at that depth would read weights and cache once at the triad's rate.
  func bandwidthCeiling(depth: Int) -> BenchReference? {
    guard let rate = bandwidth.median else { return nil }
    let bytes = model.fileBytes + model.keyValueBytes(tokens: depth)
    return BenchReference("bandwidth ceiling", value: rate / Double(bytes))
  }

  // MARK: Memory

  private func memoryRow(_ name: BenchRowName) throws -> BenchRow {
    let tokens = name.contextLength
    let text = try prompt(tokens)
    tell("memory of a prefill of \(tokens) tokens")
    model.model.workspace.releaseScratch()
    model.model.releaseScratch()
    ScratchMemory.returnFreedMemory()
    let isResettable = ProcessMemory.resetPeak()
    _ = try timed(text, decodeTokens: 0, session: makeFull())
    guard let peak = ProcessMemory.peakResidentBytes else {
      throw BenchError.noPeakMemory
    }
    let cache = model.keyValueBytes(tokens: tokens)
    let allowed = model.fileBytes + cache + 300_000_000
    return BenchRow(
      name, value: Double(peak) * 1e-6,
      references: [
        BenchReference(
          "model file + KV + 300 MB", value: Double(allowed) * 1e-6, target: 1)
      ],
      details: [
        "model file MB": Double(model.fileBytes) * 1e-6, "KV MB": Double(cache) * 1e-6,
        "beyond both MB": Double(peak - model.fileBytes - cache) * 1e-6,
      ],
      notes: isResettable
        ? [] : ["The system does not let the high-water mark be reset: it counts from the start"])
  }

  /// One timed pass.
  func timed(
    _ prompt: [Int32], decodeTokens: Int, session: AttentionSession
  ) throws -> TimingSample {
    try TimedPass(
      model: model.model, sample: TaskSample(index: 0, place: 0, prompt: prompt),
      decodeTokens: decodeTokens
    ).run(session, identity: "", repetition: 0, isWarmup: false)
  }
}

/// What the machine does not let the bench find out.
enum BenchError: Error, CustomStringConvertible {
  case noPeakMemory
  case textTooShort(tokens: Int, needed: Int)

  var description: String {
    switch self {
    case .noPeakMemory:
      "memory-8192: this system does not tell a process's peak memory (/proc/self/status); leave the row out with --only"
    case .textTooShort(let tokens, let needed):
      "the text \"\(Corpus.evaluationDefault)\" has \"\(tokens)\" tokens with this model, \(needed) are needed"
    }
  }
}

extension LoadedModel {
  /// Bytes of the model file.
  var fileBytes: Int {
    (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
  }

  /// Bytes of the keys and values of so many tokens, over all layers and KV heads; a layer with a
  /// window holds no more than that.
  func keyValueBytes(tokens: Int) -> Int {
    let shape = model.shape
    let held = shape.geometry.reduce(0) { $0 + min(tokens, $1.window ?? tokens) }
    return held * shape.kvHeads * BenchRun.cache.tokenBytes(headDimension: shape.headDimension)
  }
}
