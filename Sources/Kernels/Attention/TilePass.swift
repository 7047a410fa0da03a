import Tensors

/// One tile of queries of one head against all keys that its selection shows.
///
/// Keys come in chunks that stay in the L2 cache; each group of the tile takes its part of a chunk
/// before the next one.
struct TilePass {
  let step: AttentionStep
  let buffers: AttentionBuffers
  /// Rows of the call's queries.
  let rows: Range<Int>
  let head: Int
  let selection: Selection
  /// Tokens in runs, nil where there are none.
  let gathered: PackedKeys?
  /// Every token from the first window start of the call on.
  let window: PackedKeys
  /// Tokens of `window`, whole panels, that all queries of the tile see in addition to their
  /// windows. With them `gathered` holds what else they all see, and the windows of all queries
  /// begin at one token.
  var shared: [Range<Int>]?
  let scratch: TileScratch

  func run() -> PairCounts {
    let first = step.firstPosition + rows.lowerBound
    scratch.tile.plan(
      queries: first..<first + rows.count, selection: selection,
      gathered: shared == nil ? gathered : nil, window: window)
    let state = scratch.state(headDimension: step.shape.headDimension)
    loadQueries(state)
    state.reset(rows: rows.count)
    var counts = PairCounts(nominal: scratch.tile.nominalPairs)
    if let shared { counts += attend(state, shared: shared) }
    counts.computed += attend(state)
    finish(state)
    return counts
  }

  /// Takes in what all queries see: panels as they lie in the window's packing, then the gathered
  /// tokens.
  private func attend(_ state: SoftmaxState, shared: [Range<Int>]) -> PairCounts {
    let chunk = SoftmaxState.chunkKeys(headDimension: step.shape.headDimension)
    var stretches: [KeyStretch] = []
    var columns = 0
    var tokens = 0
    var counts = PairCounts()
    func absorb() {
      for group in scratch.tile.groups {
        state.absorb(stretches, columns: columns, rows: group.rows) { _, logits in
          for column in tokens..<columns { logits[column] = -.infinity }
        }
      }
      counts += PairCounts(nominal: tokens * rows.count, computed: columns * rows.count)
      stretches.removeAll(keepingCapacity: true)
      columns = 0
      tokens = 0
    }
    func add(_ packed: PackedPanels, _ range: Range<Int>) {
      var token = range.lowerBound
      while token < range.upperBound {
        let count = min(chunk - columns, range.upperBound - token)
        stretches.append(
          KeyStretch(packed: packed, tokens: token..<token + count, firstColumn: columns))
        token += count
        tokens += count
        columns += (count + Panel.rows - 1) / Panel.rows * Panel.rows
        if columns == chunk { absorb() }
      }
    }
    let panels = window.panels
    for range in shared { add(panels, range) }
    if let gathered { add(gathered.panels, 0..<gathered.count) }
    if columns > 0 { absorb() }
    return counts
  }

  private var queryStride: Int { step.shape.queryHeads * step.shape.headDimension }

  private var width: Int { PackedKeys.valueWidth(headDimension: step.shape.headDimension) }

  private func loadQueries(_ state: SoftmaxState) {
    let d = step.shape.headDimension
    let scale = BinaryLogits.factor(scale: window.scale)
    let source = buffers.queries + (rows.lowerBound * queryStride + head * d)
    let (stride, width) = (queryStride, width)
    for row in 0..<rows.count {
      let line = source + row * stride
      let target = state.queries + row * width
      var i = 0
      while i &+ 16 <= d {
        storeVector(loadVector(line + i) * scale, at: target + i)
        i &+= 16
      }
      while i < d {
        target[i] = line[i] * scale
        i &+= 1
      }
    }
  }

  /// Gives the pairs that were multiplied.
  ///
  /// A group's columns are the panels of its gathered tokens and, after them, those of its window;
  /// chunks are counted in columns, and hold nearly the same tokens for all groups.
  private func attend(_ state: SoftmaxState) -> Int {
    let tile = scratch.tile
    let chunk = SoftmaxState.chunkKeys(headDimension: step.shape.headDimension)
    let windowPanels = window.panels
    let gatheredPanels = shared == nil ? gathered?.panels ?? windowPanels : windowPanels
    let most = tile.groups.reduce(0) { max($0, $1.columns) }
    var computed = 0
    for begin in stride(from: 0, to: most, by: chunk) {
      for group in tile.groups where group.columns > begin {
        let columns = begin..<min(begin + chunk, group.columns)
        let first = KeyStretch(
          packed: gatheredPanels, tokens: group.gathered(in: columns), firstColumn: 0)
        let second = KeyStretch(
          packed: windowPanels, tokens: group.window(in: columns),
          firstColumn: max(group.gatheredColumns - begin, 0))
        state.absorb(first, second, columns: columns.count, rows: group.rows) { row, logits in
          tile.hide(group, row: row, columns: columns, logits)
        }
        computed += columns.count * group.rows.count
      }
    }
    return computed
  }

  /// Divides by the sums and writes the tile's rows; zeros and −infinity for a query that sees
  /// nothing.
  private func finish(_ state: SoftmaxState) {
    let (d, queryHeads) = (step.shape.headDimension, step.shape.queryHeads)
    for row in 0..<rows.count {
      let target = buffers.output(
        row: rows.lowerBound + row, head: head, queryHeads: queryHeads, headDimension: d)
      let place = state.place(of: row)
      let sum = state.sums[place]
      let scale = sum > 0 ? 1 / sum : 0
      let source = state.accumulator + row * width
      for i in 0..<d { target[i] = source[i] * scale }
      buffers.logSumExp[head * step.tokens + rows.lowerBound + row] =
        BinaryLogits.logSumExp(maximum: state.maxima[place], sum: Double(sum))
    }
  }
}

/// The scratch memory of one worker: owned by the kernel, used by one tile at a time.
final class TileScratch {
  var tile = QueryTile()
  /// Tokens in runs of the current tile, where each tile has its own selection.
  let gathered = PackedKeys()
  /// Nanoseconds spent on gathering them.
  var gatheringTime: UInt64 = 0
  private let floats = FloatBuffer()

  func state(headDimension: Int) -> SoftmaxState {
    let rows = AttentionKernel.tileRows
    let width = PackedKeys.valueWidth(headDimension: headDimension)
    let marks = 16 * ((rows - 1) / StripProduct.tileRows + 1)
    let logits = StripProduct.tileRows * SoftmaxState.logitStride
    let base = floats.reserve(2 * rows * width + 2 * marks + 256 + logits)
    let maxima = base + 2 * rows * width
    return SoftmaxState(
      headDimension: headDimension, queries: base, accumulator: base + rows * width,
      maxima: maxima, sums: maxima + marks, lanes: maxima + 2 * marks,
      logits: maxima + (2 * marks + 256))
  }
}
