import Tensors

/// The query heads of one group at one position against a range of pages of their KV head's cold
/// tier.
///
/// Numbers are decoded on the fly; a page that no head attends to is not read. Results have the
/// form of `SingleQueryPass`, so that both tiers merge alike.
struct ColdPass {
  let tier: ColdTier
  let pages: Range<Int>
  /// The query's position.
  let query: Int
  /// Query heads.
  let group: Int
  /// (group x headDimension)
  let queries: UnsafePointer<Float>
  /// For each query head its maximum, its sum and its weighted values,
  /// (group x (headDimension + 2)).
  let partials: UnsafeMutablePointer<Float>
  let scratch: FloatBuffer

  /// Pages of one piece of work.
  static let partPages = AttentionKernel.partSlots / ColdTier.pageTokens

  private static let logitStride = AttentionKernel.partSlots

  /// Writes the partial results and one count for each query head.
  func run(selections: ArraySlice<Selection>, counts: UnsafeMutablePointer<PairCounts>) {
    tier.bytes.withUnsafeBytes { bytes in
      let memory = bytes.baseAddress!  // a pass has pages
      switch tier.format {
      case .q4: run(ColdPages<FourBitCodes>(tier, memory), selections, counts)
      case .q8: run(ColdPages<EightBitCodes>(tier, memory), selections, counts)
      }
    }
  }

  private func run<Codes: ColdCodes>(
    _ cold: ColdPages<Codes>, _ selections: ArraySlice<Selection>,
    _ counts: UnsafeMutablePointer<PairCounts>
  ) {
    let d = tier.headDimension
    let logits = scratch.reserve(group * (Self.logitStride + d + 16 * d))
    let scaled = logits + group * Self.logitStride
    let lanes = scaled + group * d
    let scale = BinaryLogits.factor(scale: tier.scale)
    for i in 0..<group * d { scaled[i] = queries[i] * scale }
    lanes.update(repeating: 0, count: group * 16 * d)
    for index in 0..<group { counts[index] = PairCounts() }

    // The pages that some head attends to, and their logits, compacted.
    var seen = 0
    withUnsafeTemporaryAllocation(of: Int.self, capacity: pages.count) { needed in
      for page in pages {
        let place = logits + seen * ColdTier.pageTokens
        var isNeeded = false
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: group) { shown in
          for (index, selection) in selections.enumerated() {
            shown[index] = bits(selection, page: page)
            counts[index].nominal += shown[index].nonzeroBitCount
            if shown[index] != 0 { isNeeded = true }
          }
          guard isNeeded else { return }
          cold.keys(ofPage: page).multiply(
            heads: group, scaled, into: place, stride: Self.logitStride)
          for index in 0..<group {
            Self.hide(place + index * Self.logitStride, shown: shown[index])
          }
        }
        if isNeeded {
          needed[seen] = page
          seen += 1
        }
      }
      for index in 0..<group {
        counts[index].computed = seen * ColdTier.pageTokens
        let mass = BinaryLogits.exponentiate(
          logits + index * Self.logitStride, count: seen * ColdTier.pageTokens)
        partials[index * (d + 2)] = mass.maximum
        partials[index * (d + 2) + 1] = mass.sum
      }
      for index in 0..<seen {
        accumulate(
          cold.values(ofPage: needed[index]), logits + index * ColdTier.pageTokens, into: lanes)
      }
    }
    for index in 0..<group {
      let weighted = partials + (index * (d + 2) + 2)
      for channel in 0..<d {
        weighted[channel] = loadVector(lanes + 16 * (index * d + channel)).laneSum
      }
    }
  }

  // MARK: Which tokens

  /// One bit for each token of a page that the query sees.
  private func bits(_ selection: Selection, page: Int) -> UInt32 {
    tier.positions.withUnsafeBufferPointer { positions in
      let positions = UnsafeBufferPointer(
        rebasing: positions[page * ColdTier.pageTokens..<(page + 1) * ColdTier.pageTokens])
      let first = Int(positions[0])
      let last = Int(positions[ColdTier.pageTokens - 1])
      let start = selection.window.start(forQuery: query)
      if first >= start { return .max }
      let run = selection.firstRun(endingAfter: first)
      if run < selection.runs.count, selection.runs[run].lowerBound <= first,
        selection.runs[run].upperBound > last
      {
        return .max
      }
      if last < start, run == selection.runs.count || selection.runs[run].lowerBound > last {
        return 0
      }
      var bits: UInt32 = 0
      for token in 0..<ColdTier.pageTokens
      where selection.attends(to: Int(positions[token]), fromQuery: query) {
        bits |= 1 << UInt32(token)
      }
      return bits
    }
  }

  /// Sets the logits of a page whose bits are 0 to −infinity.
  @inline(__always)
  private static func hide(_ logits: UnsafeMutablePointer<Float>, shown bits: UInt32) {
    guard bits != .max else { return }
    for token in 0..<ColdTier.pageTokens where bits & (1 << UInt32(token)) == 0 {
      logits[token] = -.infinity
    }
  }

  // MARK: Values

  /// Adds weight · value by lane, (group x headDimension x 16).
  @inline(__always)
  private func accumulate<Codes: ColdCodes>(
    _ values: ColdHalf<Codes>, _ weights: UnsafePointer<Float>,
    into lanes: UnsafeMutablePointer<Float>
  ) {
    let d = tier.headDimension
    for channel in 0..<d {
      let (first, second) = values.numbers(channel)
      for index in 0..<group {
        let weight = weights + index &* Self.logitStride
        let place = lanes + 16 &* (index &* d &+ channel)
        let sum = loadVector(place).addingProduct(loadVector(weight), first)
        storeVector(sum.addingProduct(loadVector(weight + 16), second), at: place)
      }
    }
  }
}
