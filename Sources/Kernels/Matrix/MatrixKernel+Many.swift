extension MatrixKernel {
  /// Columns of a piece that is decoded before it is transposed: whole blocks of every format.
  private static let pieceColumns = 256
  /// Floats of decoded panels that exist at a time (4 MiB): rows beyond are done in a second round.
  private static let panelFloats = 1 << 20
  /// Tokens of a piece of work; a multiple of every register tile.
  private static let blockTokens = 96
  /// Depth that is summed in registers before the sums go to memory; its tokens and panels fit into
  /// the L2 cache.
  private static let blockDepth = 768

  /// Many tokens: decodes panels of 32 weight rows, each once, then multiplies blocks of tokens
  /// with tiles of panels.
  func multiplyMany(_ product: WeightProduct) {
    let panelCount = (product.rows - 1) / Panel.rows + 1
    let panelSize = product.depth * Panel.rows
    let round = min(panelCount, max(1, Self.panelFloats / panelSize))
    nonisolated(unsafe) let panels = panels.reserve(round * panelSize)
    let piece = Panel.rows * (Self.pieceColumns + 16)
    for worker in scratch { _ = worker.reserve(max(piece, Self.blockTokens * Panel.rows)) }
    nonisolated(unsafe) let scratch = scratch

    for first in stride(from: 0, to: panelCount, by: round) {
      let count = min(round, panelCount - first)
      workers.run(count: count) { index, worker in
        Self.decode(
          product, panel: first + index, into: panels + index * panelSize,
          scratch: scratch[worker].reserve(piece))
      }
      let blocks = (product.tokens - 1) / Self.blockTokens + 1
      let tile = blocks * count >= 128 ? 4 : 1
      let tiles = (count - 1) / tile + 1
      workers.run(count: blocks * tiles) { item, worker in
        let tokens = item / tiles * Self.blockTokens
        let begin = item % tiles * tile
        Self.multiply(
          product,
          tokens: tokens..<min(tokens + Self.blockTokens, product.tokens),
          panels: panels + begin * panelSize,
          rows: (first + begin)
            * Panel.rows..<min((first + min(begin + tile, count)) * Panel.rows, product.rows),
          scratch: scratch[worker].reserve(0))
      }
    }
  }

  private static func decode(
    _ product: WeightProduct, panel: Int, into target: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    let first = panel * Panel.rows
    let rows = min(Panel.rows, product.rows - first)
    let stride = pieceColumns + 16
    var column = 0
    while column < product.depth {
      let columns = min(pieceColumns, product.depth - column)
      let offset = column / product.format.elementsPerBlock * product.format.bytesPerBlock
      for row in 0..<rows {
        dequantize(
          product.format, product.weights + ((first + row) * product.bytesPerRow + offset),
          elements: columns, into: scratch + row * stride)
      }
      Panel.pack(rows: rows, depth: columns, into: target + column * Panel.rows) {
        UnsafePointer(scratch + $0 &* stride)
      }
      column += columns
    }
  }

  /// One block of tokens with consecutive panels, those of the weight rows `rows`.
  private static func multiply(
    _ product: WeightProduct, tokens: Range<Int>, panels: UnsafePointer<Float>, rows: Range<Int>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    let depth = product.depth
    let depthBlocks = (depth - 1) / blockDepth + 1
    let blockDepth = (depth - 1) / depthBlocks + 1
    let fullPanels = rows.count / Panel.rows
    let output = product.output + rows.lowerBound
    for begin in stride(from: 0, to: depth, by: blockDepth) {
      let strip = StripProduct(
        depth: min(blockDepth, depth - begin), strideA: depth, strideB: Panel.rows,
        strideC: product.rows, adds: begin > 0 || product.adds)
      for token in stride(from: tokens.lowerBound, to: tokens.upperBound, by: StripProduct.tileRows)
      {
        let count = min(StripProduct.tileRows, tokens.upperBound - token)
        let input = product.input + (token * depth + begin)
        for panel in 0..<fullPanels {
          strip.multiply32(
            rows: count, input, panels + (panel * depth + begin) * Panel.rows,
            output + (token * product.rows + panel * Panel.rows))
        }
      }
    }
    let rest = rows.count % Panel.rows
    guard rest > 0 else { return }
    // The last panel sticks out over the end of the output's rows.
    let strip = StripProduct(
      depth: depth, strideA: depth, strideB: Panel.rows, strideC: Panel.rows, adds: false)
    strip.multiply32(
      rows: tokens.count, product.input + tokens.lowerBound * depth,
      panels + fullPanels * depth * Panel.rows, scratch)
    for (index, token) in tokens.enumerated() {
      let target = output + (token * product.rows + fullPanels * Panel.rows)
      for column in 0..<rest {
        let value = scratch[index * Panel.rows + column]
        target[column] = product.adds ? target[column] + value : value
      }
    }
  }
}
