import Attention
import Kernels
import Records
import Tensors

extension BenchRun {
  /// A cache of some tokens, and how decode queries read it.
  private struct Subject: Equatable {
    var cache: RowFormat
    var tokens = 8192
    var reading = Reading.whole

    var label: String {
      reading == .whole ? cache.rawValue : "\(reading.rawValue) in \(cache.rawValue)"
    }
  }

  /// All of it; most of it by the highest bits; the same where only one token of 16 has all of its bits.
  private enum Reading: String { case whole, skim, fade }

  /// What a decode row measures, and what it is held against.
  private struct DecodeRow {
    var name: BenchRowName
    var subject: Subject
    var reference: Subject
    var target: Double?

    init(_ name: BenchRowName, _ cache: RowFormat, target: Double? = nil) {
      self.name = name
      subject = Subject(cache: cache)
      reference = Subject(cache: .f16)
      self.target = target
    }

    /// Our own methods beside the quantised cache that it is to beat.
    init(_ name: BenchRowName, _ reading: Reading, _ tokens: Int, target: Double? = nil) {
      self.name = name
      subject = Subject(cache: .nested, tokens: tokens, reading: reading)
      reference = Subject(cache: .q8_0, tokens: tokens)
      self.target = target
    }
  }

  private static let decodeRows: [DecodeRow] = [
    DecodeRow(.cacheQ8Decode8192, .q8_0, target: 0.65),
    DecodeRow(.cacheQ4Decode8192, .q4_0, target: 0.6),
    DecodeRow(.cacheRotatedDecode8192, .q4_0_rotated), DecodeRow(.cacheKivi4Decode8192, .kivi4),
    DecodeRow(.cacheKivi2Decode8192, .kivi2), DecodeRow(.cacheLloyd4Decode8192, .lloyd4),
    DecodeRow(.cacheLloyd3Decode8192, .lloyd3), DecodeRow(.cacheLloyd2Decode8192, .lloyd2),
    DecodeRow(.cacheNestedDecode8192, .nested),
    DecodeRow(.skimDecode8192, .skim, 8192, target: 0.4),
    DecodeRow(.skimDecode32768, .skim, 32_768, target: 0.25),
    DecodeRow(.fadeDecode8192, .fade, 8192), DecodeRow(.fadeDecode32768, .fade, 32_768),
  ]
  private static let appendRows: [(BenchRowName, RowFormat)] = [
    (.cacheQ8Append, .q8_0), (.cacheQ4Append, .q4_0),
  ]
  private static let prefillRows: [(BenchRowName, RowFormat)] = [
    (.cacheQ8Prefill2048, .q8_0), (.cacheQ4Prefill2048, .q4_0),
  ]

  /// Quantised caches beside one in float16, in turn with it.
  func cacheRows() throws -> [BenchRow] { decodeRows() + (try prefillRows()) }

  private func decodeRows() -> [BenchRow] {
    [8192, 32_768].flatMap { tokens in
      decodeRows(
        Self.decodeRows.filter { wants($0.name) && $0.subject.tokens == tokens },
        appended: tokens == 8192 ? Self.appendRows.filter { wants($0.0) } : [], tokens: tokens)
    }
  }

  private func decodeRows(
    _ wanted: [DecodeRow], appended: [(BenchRowName, RowFormat)], tokens: Int
  ) -> [BenchRow] {
    var subjects: [Subject] = []
    for subject in wanted.flatMap({ [$0.reference, $0.subject] })
      + appended.map({ Subject(cache: $0.1) }) where !subjects.contains(subject)
    { subjects.append(subject) }
    guard !subjects.isEmpty else { return [] }
    let names = subjects.map(\.label).joined(separator: ", ")
    tell("decoding at depth \(tokens) with caches in \(names)")
    let runs = subjects.map {
      FilledCache(session($0), tokens: tokens, wholeOf: $0.reading == .fade ? 16 : 1)
    }
    for run in runs { run.step() }
    // Short turns, so that what slows the machine down hits all alike.
    for _ in 0..<max(20, 4 * repeats) {
      for run in runs { for _ in 0..<4 { run.step() } }
    }
    func run(_ subject: Subject) -> FilledCache { runs[subjects.firstIndex(of: subject) ?? 0] }
    return wanted.map { row in
      let name = row.reference.cache == .f16 ? "float16" : row.reference.label
      return BenchRow(
        row.name, samples: run(row.subject).attending,
        references: [
          BenchReference(name, samples: run(row.reference).attending, target: row.target)
        ])
    }
      + appended.map { name, format in
        let run = run(Subject(cache: format))
        return BenchRow(
          name, samples: run.appending,
          references: [
            BenchReference(
              "attention to 8,192 tokens, all else of a step apart", samples: run.attending,
              target: 0.02)
          ])
      }
  }

  private func session(_ subject: Subject) -> AttentionSession {
    let strategy: any AttentionStrategy
    switch subject.reading {
    case .whole: return makeFull(cache: CacheFormat(subject.cache))
    case .skim: strategy = Skim()
    // With its caches as they are.
    case .fade: strategy = Fade { $0.budget = .everything }
    }
    return AttentionSession(
      strategy, shape: model.model.shape, workspace: model.model.workspace,
      cache: CacheFormat(subject.cache))
  }

  private func prefillRows() throws -> [BenchRow] {
    let wanted = Self.prefillRows.filter { wants($0.0) }
    guard !wanted.isEmpty else { return [] }
    let text = try prompt(2048)
    var rates: [RowFormat: [Double]] = [:]
    for round in 0..<max(repeats, 5) + 1 {
      tell("prefill of 2048 tokens with quantised caches, repeat \(round)")
      for format in [.f16] + wanted.map(\.1) {
        let sample = try timed(
          text, decodeTokens: 0, session: makeFull(cache: CacheFormat(format)))
        // The first round is a warm-up.
        if round > 0 { rates[format, default: []].append(2048 / sample.timeToFirstToken) }
      }
    }
    return wanted.map { name, format in
      BenchRow(
        name, samples: rates[format] ?? [],
        references: [
          BenchReference("float16", samples: rates[.f16] ?? [], target: 1 / 1.05)
        ])
    }
  }
}

/// A session whose caches hold random numbers, and that takes one token after the other.
private final class FilledCache {
  private let session: AttentionSession
  private var position: Int
  private let queries: Matrix
  private let keys: Matrix
  private let values: Matrix
  private var output: Matrix
  /// Seconds per token: of attention, and of what keeps keys and values.
  private(set) var attending: [Double] = []
  private(set) var appending: [Double] = []

  /// - Parameter wholeOf: one token of so many has all its bits.
  init(_ session: AttentionSession, tokens: Int, wholeOf: Int) {
    self.session = session
    position = tokens
    let shape = session.shape
    var generator = SeededGenerator(seed: 1)
    func matrix(_ rows: Int, _ columns: Int) -> Matrix {
      Matrix(
        rows: rows, columns: columns,
        elements: (0..<rows * columns).map { _ in Float.random(in: -1...1, using: &generator) })
    }
    let held = (matrix(tokens, shape.keyColumns), matrix(tokens, shape.keyColumns))
    for heads in session.caches {
      for (index, head) in heads.enumerated() {
        head.append(
          keys: held.0, values: held.1, column: index * shape.headDimension, firstPosition: 0)
        if wholeOf > 1 {
          var whole = Selection(window: .currentToken)
          for token in stride(from: 0, to: tokens, by: wholeOf) { whole.keep(token..<token + 1) }
          head.coarsen(except: whole, newestQuery: tokens - 1)
        }
        head.settle()
      }
    }
    queries = matrix(1, shape.queryColumns)
    keys = matrix(1, shape.keyColumns)
    values = matrix(1, shape.keyColumns)
    output = queries
  }

  func step() {
    let before = session.times[.decode] ?? StageTimes()
    for layer in 0..<session.shape.layers {
      session.attend(
        layer: layer, phase: .decode, queries: queries, keys: keys, values: values,
        firstPosition: position, output: &output)
    }
    position += 1
    let after = session.times[.decode] ?? StageTimes()
    attending.append(Double(after.attend - before.attend) * 1e-9)
    appending.append(Double(after.cache - before.cache) * 1e-9)
  }
}
