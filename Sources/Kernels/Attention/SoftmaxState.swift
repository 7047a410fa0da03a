/// The running maximum, sum and weighted values of a tile of queries while keys stream past (online
/// softmax).
///
/// After absorbing keys J: maximum m_i = max_J s_ij, sum l_i = Σ_J 2^(s_ij − m_i), accumulator
/// a_i = Σ_J 2^(s_ij − m_i) v_j, where s is in units of log 2. Sums are kept in Float with 16
/// lanes.
struct SoftmaxState {
  let headDimension: Int
  /// (rows x valueWidth), scaled by log₂ e · scale.
  let queries: UnsafeMutablePointer<Float>
  /// (rows x valueWidth).
  let accumulator: UnsafeMutablePointer<Float>
  /// Sixteen for each group of queries, of which the group's first are used.
  let maxima: UnsafeMutablePointer<Float>
  let sums: UnsafeMutablePointer<Float>
  /// Sixteen vectors, one for each query of a group.
  let lanes: UnsafeMutablePointer<Float>
  /// (rows of a register tile x logitStride): logits of one group, then their exponentials.
  let logits: UnsafeMutablePointer<Float>

  private var width: Int { PackedKeys.valueWidth(headDimension: headDimension) }

  /// Keys that are absorbed at a time: a group's logits stay in the L1 cache, keys and values in
  /// the L2 cache.
  static func chunkKeys(headDimension: Int) -> Int {
    let width = PackedKeys.valueWidth(headDimension: headDimension)
    return min(512, max(64, 32_768 / width / Panel.rows * Panel.rows))
  }

  /// Floats from one query's logits to the next one's; a whole chunk, and not a power of two.
  static let logitStride = 512 + 16

  /// The index of a query's maximum and sum.
  func place(of row: Int) -> Int {
    row / StripProduct.tileRows * 16 + row % StripProduct.tileRows
  }

  /// Before any key.
  func reset(rows: Int) {
    let groups = (rows + StripProduct.tileRows - 1) / StripProduct.tileRows
    maxima.update(repeating: -.infinity, count: 16 * groups)
    sums.update(repeating: 0, count: 16 * groups)
    accumulator.update(repeating: 0, count: rows * width)
  }

  /// Takes in tokens for the queries `rows`: those of both stretches, which share the `columns` of
  /// the logits, at most a chunk.
  ///
  /// - Parameter hide: sets logits to −infinity where a query does not see a token or a column has
  ///   none.
  @inline(__always)
  func absorb(
    _ first: KeyStretch, _ second: KeyStretch, columns: Int, rows: Range<Int>,
    hide: (_ row: Int, _ logits: UnsafeMutablePointer<Float>) -> Void
  ) {
    multiplyKeys(first, rows)
    multiplyKeys(second, rows)
    weigh(rows, columns: columns, hide: hide)
    multiplyValues(first, rows)
    multiplyValues(second, rows)
  }

  /// The same for any number of stretches, of the tokens that all queries see.
  @inline(__always)
  func absorb(
    _ stretches: [KeyStretch], columns: Int, rows: Range<Int>,
    hide: (_ row: Int, _ logits: UnsafeMutablePointer<Float>) -> Void
  ) {
    for stretch in stretches { multiplyKeys(stretch, rows) }
    weigh(rows, columns: columns, hide: hide)
    for stretch in stretches { multiplyValues(stretch, rows) }
  }

  private func multiplyKeys(_ stretch: KeyStretch, _ rows: Range<Int>) {
    let product = StripProduct(
      depth: headDimension, strideA: width, strideB: Panel.rows, strideC: Self.logitStride,
      adds: false)
    let query = queries + rows.lowerBound * width
    for (index, panel) in stretch.panels.enumerated() {
      product.multiply32(
        rows: rows.count, query, stretch.packed.panel(panel),
        logits + (stretch.firstColumn + index * Panel.rows))
    }
  }

  private func multiplyValues(_ stretch: KeyStretch, _ rows: Range<Int>) {
    guard !stretch.tokens.isEmpty else { return }
    let first = stretch.firstColumn + stretch.tokens.lowerBound % Panel.rows
    StripProduct(
      depth: stretch.tokens.count, strideA: Self.logitStride, strideB: width, strideC: width,
      adds: true
    ).multiply(
      rows: rows.count, width: width, logits + first,
      stretch.packed.values(from: stretch.tokens.lowerBound), accumulator + rows.lowerBound * width)
  }

  /// Replaces the logits of a group's queries by 2^(logit − maximum) and brings their states up to
  /// the new maxima.
  @inline(__always)
  private func weigh(
    _ rows: Range<Int>, columns: Int,
    hide: (_ row: Int, _ logits: UnsafeMutablePointer<Float>) -> Void
  ) {
    // A lane for each query.
    let place = place(of: rows.lowerBound)
    for row in rows {
      let lane = row &- rows.lowerBound
      let line = logits + lane &* Self.logitStride
      hide(row, line)
      storeVector(maximum(of: line, count: columns), at: lanes + 16 &* lane)
    }
    let old = loadVector(maxima + place)
    let new = old.orLarger(LaneReduction.maxima(lanes))
    storeVector(new, at: maxima + place)
    // A query that has seen nothing yet has no maximum to subtract; its weights are all 0.
    let shifts = new.replacing(with: 0, where: new .== -.infinity)
    let corrections = vectorExp2OfNegative(old - shifts)
    for row in rows {
      let lane = row &- rows.lowerBound
      if new[lane] > old[lane] { rescale(row, by: corrections[lane]) }
      exponentiate(
        logits + lane &* Self.logitStride, count: columns, minus: shifts[lane],
        total: lanes + 16 &* lane)
    }
    storeVector(
      LaneReduction.sums(lanes).addingProduct(loadVector(sums + place), corrections),
      at: sums + place)
  }

  @inline(__always)
  private func rescale(_ row: Int, by correction: Float) {
    let scale = SIMD16<Float>(repeating: correction)
    let weighted = accumulator + row * width
    var i = 0
    while i < width {
      storeVector(loadVector(weighted + i) * scale, at: weighted + i)
      i &+= 16
    }
  }

  /// The largest logits by lane; in four chains, so that one comparison need not wait for the one
  /// before.
  @inline(__always)
  private func maximum(of line: UnsafePointer<Float>, count: Int) -> SIMD16<Float> {
    var first = SIMD16<Float>(repeating: -.infinity)
    var second = first
    var third = first
    var fourth = first
    var i = 0
    while i &+ 64 <= count {
      first = first.orLarger(loadVector(line + i))
      second = second.orLarger(loadVector(line + (i &+ 16)))
      third = third.orLarger(loadVector(line + (i &+ 32)))
      fourth = fourth.orLarger(loadVector(line + (i &+ 48)))
      i &+= 64
    }
    while i < count {
      first = first.orLarger(loadVector(line + i))
      i &+= 16
    }
    return first.orLarger(second).orLarger(third.orLarger(fourth))
  }

  /// Replaces x by 2^(x − maximum) and writes their sums by lane to `total`.
  @inline(__always)
  private func exponentiate(
    _ line: UnsafeMutablePointer<Float>, count: Int, minus maximum: Float,
    total: UnsafeMutablePointer<Float>
  ) {
    let shift = SIMD16<Float>(repeating: maximum)
    var sum = SIMD16<Float>.zero
    var i = 0
    while i < count {
      let weight = vectorExp2OfNegative(loadVector(line + i) - shift)
      storeVector(weight, at: line + i)
      sum += weight
      i &+= 16
    }
    storeVector(sum, at: total)
  }
}

/// Consecutive packed tokens, and the columns of their logits.
struct KeyStretch {
  let packed: PackedPanels
  let tokens: Range<Int>
  /// The logits' column of the first token of the panel that holds `tokens.lowerBound`.
  let firstColumn: Int

  /// The panels that hold the tokens.
  var panels: Range<Int> {
    tokens.isEmpty
      ? 0..<0 : tokens.lowerBound / Panel.rows..<(tokens.upperBound - 1) / Panel.rows + 1
  }
}
