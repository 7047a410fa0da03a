import Attention
import Kernels
import Tensors

/// The matrices of one forward pass over a number of tokens, all row-major with a row for each
/// token.
///
/// Of a long prompt the residual stream exists for all tokens, the keys and values until they are
/// cached, the queries from then on until they have attended; everything else goes through it in
/// pieces.
struct ForwardScratch {
  let tokens: Int
  /// The residual stream (tokens x hiddenSize).
  var residual: Matrix
  /// The norms of a piece of its rows, or what attention gave them before its norm is added.
  var normed: Matrix
  /// Of several pieces, these three exist from the stage that fills them to the one that reads them.
  var queries: Matrix
  var keys: Matrix
  var values: Matrix
  /// At most two sizes: tiles of one pass differ by one row at most.
  var tiles: [FeedForwardTile] = []

  init(tokens: Int, _ blueprint: DecoderBlueprint) {
    self.tokens = tokens
    residual = Matrix(rows: tokens, columns: blueprint.hiddenSize)
    normed = Matrix(rows: 0, columns: blueprint.hiddenSize)
    queries = Matrix(rows: 0, columns: blueprint.shape.queryColumns)
    keys = Matrix(rows: 0, columns: blueprint.shape.keyColumns)
    values = keys
  }

  /// Tokens that the feed-forward network takes at once. The weights are dequantised once for each
  /// tile: with this many tokens that is a few per cent of the arithmetic.
  static let tileRows = 1024

  /// The index of the tile with `rows` rows, made if there is none.
  mutating func tile(rows: Int, _ blueprint: DecoderBlueprint) -> Int {
    if let index = tiles.firstIndex(where: { $0.gate.rows == rows }) { return index }
    tiles.append(FeedForwardTile(rows: rows, blueprint))
    return tiles.count - 1
  }

  mutating func makeNormed(rows: Int) {
    if normed.rows != rows { normed = Matrix(rows: rows, columns: residual.columns) }
  }

  mutating func makeRoomForKeys() {
    guard keys.rows != tokens else { return }
    keys = Matrix(rows: tokens, columns: keys.columns)
    values = keys
  }

  mutating func makeRoomForQueries() {
    if queries.rows != tokens { queries = Matrix(rows: tokens, columns: queries.columns) }
  }

  /// True if what a stage is through with is freed, rather than left for the next layer to fill.
  private var isLong: Bool { TokenPieces.of(tokens).count > 1 }

  mutating func freeKeys() {
    guard isLong else { return }
    keys = Matrix(rows: 0, columns: keys.columns)
    values = keys
  }

  mutating func freeQueries() {
    if isLong { queries = Matrix(rows: 0, columns: queries.columns) }
  }

  mutating func freeTiles() {
    if isLong { tiles = [] }
  }

  /// Keeps only `rows` of the residual stream.
  mutating func narrow(to rows: Range<Int>) {
    if rows.count < residual.rows { residual = residual.copy(ofRows: rows) }
  }
}

/// The matrices inside the feed-forward network for some tokens.
struct FeedForwardTile {
  /// These tokens' norms, then the network's output.
  var rows: Matrix
  var gate: Matrix
  var up: Matrix

  init(rows count: Int, _ blueprint: DecoderBlueprint) {
    rows = Matrix(rows: count, columns: blueprint.hiddenSize)
    gate = Matrix(rows: count, columns: blueprint.feedForwardSize)
    up = gate
  }

  /// gate = rows · Gᵀ, up = rows · Uᵀ.
  mutating func widen(_ layer: DecoderWeights.Layer, _ kernel: MatrixKernel) {
    kernel.multiply(rows, layer.gate, layer.up, into: &gate, &up)
  }
}

extension Matrix {
  /// `self[first + i, :] += rows[i, :]`
  mutating func add(_ rows: Matrix, firstRow first: Int) {
    precondition(
      rows.columns == columns && first >= 0 && first + rows.rows <= self.rows,
      "Matrix.add: \(rows.rows) x \(rows.columns) at row \(first) of \(self.rows) x \(columns)")
    let source = rows.elements.span
    let offset = first * columns
    var target = elements.mutableSpan
    for i in source.indices { target[offset + i] += source[i] }
  }
}
