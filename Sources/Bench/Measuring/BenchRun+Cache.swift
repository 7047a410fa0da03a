import Attention
import Kernels
import Records
import Tensors

extension BenchRun {
  private static let depth = 8192

  private static let decodeRows: [(BenchRowName, RowFormat, target: Double?)] = [
    (.cacheQ8Decode8192, .q8_0, 0.65), (.cacheQ4Decode8192, .q4_0, 0.6),
    (.cacheRotatedDecode8192, .q4_0_rotated, nil), (.cacheKivi4Decode8192, .kivi4, nil),
    (.cacheKivi2Decode8192, .kivi2, nil), (.cacheLloyd4Decode8192, .lloyd4, nil),
    (.cacheLloyd3Decode8192, .lloyd3, nil), (.cacheLloyd2Decode8192, .lloyd2, nil),
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
    let wanted = Self.decodeRows.filter { wants($0.0) }
    let appended = Self.appendRows.filter { wants($0.0) }
    let formats = Set(wanted.map(\.1)).union(appended.map(\.1))
    guard !formats.isEmpty else { return [] }
    let order = [RowFormat.f16] + RowFormat.allCases.filter(formats.contains)
    let names = order.map(\.rawValue).joined(separator: ", ")
    tell("decoding at depth \(Self.depth) with caches in \(names)")
    let runs = order.map { FilledCache(makeFull(cache: CacheFormat($0)), tokens: Self.depth) }
    for run in runs { run.step() }
    // Short turns, so that what slows the machine down hits all alike.
    for _ in 0..<max(20, 4 * repeats) {
      for run in runs { for _ in 0..<4 { run.step() } }
    }
    func run(_ format: RowFormat) -> FilledCache { runs[order.firstIndex(of: format) ?? 0] }
    let half = run(.f16)
    return wanted.map { name, format, target in
      BenchRow(
        name, samples: run(format).attending,
        references: [BenchReference("float16", samples: half.attending, target: target)])
    }
      + appended.map { name, format in
        BenchRow(
          name, samples: run(format).appending,
          references: [
            BenchReference(
              "attention to 8,192 tokens, all else of a step apart", samples: run(format).attending,
              target: 0.02)
          ])
      }
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

  init(_ session: AttentionSession, tokens: Int) {
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
