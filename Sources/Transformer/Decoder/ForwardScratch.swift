import Tensors

/// The matrices of one forward pass over a number of tokens, all row-major with a row for each
/// token.
///
/// The residual stream and what attention reads and writes exist for all tokens at once; the
/// feed-forward network, which is wider, goes through them in tiles.
struct ForwardScratch {
  let tokens: Int
  /// The residual stream (tokens x hiddenSize).
  var residual: Matrix
  /// Its normalised copy, the input of the products.
  var normed: Matrix
  var queries: Matrix
  var keys: Matrix
  var values: Matrix
  /// What attention wrote (tokens x queryHeads·headDimension).
  var attended: Matrix
  /// At most two sizes: tiles of one pass differ by one row at most.
  var tiles: [FeedForwardTile] = []

  init(tokens: Int, _ blueprint: DecoderBlueprint) {
    self.tokens = tokens
    residual = Matrix(rows: tokens, columns: blueprint.hiddenSize)
    normed = residual
    queries = Matrix(rows: tokens, columns: blueprint.shape.queryColumns)
    keys = Matrix(rows: tokens, columns: blueprint.shape.keyColumns)
    values = keys
    attended = queries
  }

  /// Tokens that the feed-forward network takes at once. The weights are dequantised once for each
  /// tile: with this many tokens that is a few per cent of the arithmetic.
  static let tileRows = 1024

  /// `0..<rows` in as few ranges of at most ``tileRows`` as possible, of nearly equal length.
  static func tileRanges(rows: Int) -> [Range<Int>] {
    let count = (rows + tileRows - 1) / tileRows
    return (0..<count).map { rows * $0 / count..<rows * ($0 + 1) / count }
  }

  /// The index of the tile with `rows` rows, made if there is none.
  mutating func tile(rows: Int, _ blueprint: DecoderBlueprint) -> Int {
    if let index = tiles.firstIndex(where: { $0.gate.rows == rows }) { return index }
    tiles.append(FeedForwardTile(rows: rows, blueprint))
    return tiles.count - 1
  }

  /// Keeps only `rows` of what the rest of the last layer reads.
  mutating func narrow(to rows: Range<Int>) {
    residual = residual.copy(ofRows: rows)
    attended = attended.copy(ofRows: rows)
    normed = Matrix(rows: rows.count, columns: residual.columns)
  }
}

/// The matrices inside the feed-forward network for some tokens.
struct FeedForwardTile {
  var gate: Matrix
  var up: Matrix
  /// These tokens' rows of the normalised stream, then of the network's output. Empty where one
  /// tile holds all tokens and its output goes straight into the residual stream.
  var rows: Matrix

  init(rows count: Int, _ blueprint: DecoderBlueprint) {
    gate = Matrix(rows: count, columns: blueprint.feedForwardSize)
    up = gate
    rows = Matrix(rows: 0, columns: blueprint.hiddenSize)
  }

  /// Fills ``rows`` from a matrix of all tokens.
  mutating func read(_ range: Range<Int>, of matrix: Matrix) {
    if rows.rows != range.count {
      rows = Matrix(rows: range.count, columns: matrix.columns)
    }
    rows.replaceRows(from: 0, with: matrix, rows: range)
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
