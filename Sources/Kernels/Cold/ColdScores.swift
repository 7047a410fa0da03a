import Tensors

/// What pages of a cold tier are selected by: the logits of a group's query heads in them.
public enum ColdScores {
  /// For each query head and page an upper bound of the page's logits, (heads x pages), in
  /// units of log 2: log₂ e · scale · Σ_c max(q_c m_c, q_c M_c) with the range [m_c, M_c] of each
  /// key channel.
  ///
  /// - Parameter queries: (heads x headDimension).
  public static func bounds(_ queries: Span<Float>, of tier: ColdTier) -> [Float] {
    let d = tier.headDimension
    let heads = queries.count / d
    let levels = Float(tier.format.levels)
    var bounds = [Float](repeating: 0, count: heads * tier.pageCount)
    queries.withUnsafeBufferPointer { queries in
      tier.bytes.withUnsafeBytes { bytes in
        guard let memory = bytes.baseAddress else { return }
        for page in 0..<tier.pageCount {
          let halves = memory + page * tier.pageBytes
          for head in 0..<heads {
            bounds[head * tier.pageCount + page] = bound(
              queries.baseAddress! + head * d, halves, d, levels: levels)
          }
        }
      }
    }
    let scale = BinaryLogits.factor(scale: tier.scale)
    for index in bounds.indices { bounds[index] *= scale }
    return bounds
  }

  @inline(__always)
  private static func bound(
    _ query: UnsafePointer<Float>, _ halves: UnsafeRawPointer, _ d: Int, levels: Float
  ) -> Float {
    var sum = SIMD16<Float>.zero
    var i = 0
    while i &+ 16 <= d {
      let q = loadVector(query + i)
      let low = SIMD16<Float>(
        halves.loadUnaligned(fromByteOffset: 2 &* i, as: SIMD16<Float16>.self))
      let step = SIMD16<Float>(
        halves.loadUnaligned(fromByteOffset: 2 &* (d &+ i), as: SIMD16<Float16>.self))
      let high = low.addingProduct(step, SIMD16(repeating: levels))
      sum += (q * low).orLarger(q * high)
      i &+= 16
    }
    var rest: Float = 0
    while i < d {
      let low = halves.half(at: 2 &* i)
      let high = low + halves.half(at: 2 &* (d &+ i)) * levels
      rest += max(query[i] * low, query[i] * high)
      i &+= 1
    }
    return sum.laneSum + rest
  }

  /// The softmax of each query head's bounds over the pages, summed over the heads, (pages).
  ///
  /// - Parameter queries: (heads x headDimension).
  public static func boundShares(_ queries: Span<Float>, of tier: ColdTier) -> [Float] {
    let pages = tier.pageCount
    var bounds = bounds(queries, of: tier)
    var shares = [Float](repeating: 0, count: pages)
    guard pages > 0 else { return shares }
    bounds.withUnsafeMutableBufferPointer { bounds in
      for first in stride(from: 0, to: bounds.count, by: pages) {
        let row = bounds.baseAddress! + first
        AttentionWeights.softmax(ofLogits: row, count: pages)
        for page in 0..<pages { shares[page] += row[page] }
      }
    }
    return shares
  }

  /// The softmax of each query head over all tokens of the tier, summed over each page and over the
  /// heads: the share of the group's cold attention that a page has, (pages).
  ///
  /// - Parameter queries: (heads x headDimension).
  public static func masses(_ queries: Span<Float>, of tier: ColdTier) -> [Float] {
    switch tier.format {
    case .q4: masses(queries, tier, FourBitCodes.self)
    case .q8: masses(queries, tier, EightBitCodes.self)
    }
  }

  private static func masses<Codes: ColdCodes>(
    _ queries: Span<Float>, _ tier: ColdTier, _ codes: Codes.Type
  ) -> [Float] {
    let d = tier.headDimension
    let heads = queries.count / d
    let pages = tier.pageCount
    var masses = [Float](repeating: 0, count: pages)
    guard pages > 0 else { return masses }
    var logits = [Float](repeating: 0, count: heads * tier.count)
    let scale = BinaryLogits.factor(scale: tier.scale)
    let scaled = (0..<queries.count).map { queries[$0] * scale }
    scaled.withUnsafeBufferPointer { scaled in
      tier.bytes.withUnsafeBytes { bytes in
        logits.withUnsafeMutableBufferPointer { logits in
          let cold = ColdPages<Codes>(tier, bytes.baseAddress!)
          for page in 0..<pages {
            cold.keys(ofPage: page).multiply(
              heads: heads, scaled.baseAddress!,
              into: logits.baseAddress! + page * ColdTier.pageTokens, stride: tier.count)
          }
          for head in 0..<heads {
            let row = logits.baseAddress! + head * tier.count
            AttentionWeights.softmax(ofLogits: row, count: tier.count)
            for page in 0..<pages {
              let place = row + page * ColdTier.pageTokens
              masses[page] += (loadVector(place) + loadVector(place + 16)).laneSum
            }
          }
        }
      }
    }
    return masses
  }

  /// The rows of all tokens of a tier as they are read back: keys and values,
  /// (tokens x headDimension).
  public static func rows(of tier: ColdTier) -> (keys: Matrix, values: Matrix) {
    switch tier.format {
    case .q4: rows(of: tier, FourBitCodes.self)
    case .q8: rows(of: tier, EightBitCodes.self)
    }
  }

  private static func rows<Codes: ColdCodes>(
    of tier: ColdTier, _ codes: Codes.Type
  ) -> (keys: Matrix, values: Matrix) {
    var keys = Matrix(rows: tier.count, columns: tier.headDimension)
    var values = keys
    func read(_ half: ColdHalf<Codes>, _ page: Int, into matrix: inout Matrix) {
      for channel in 0..<tier.headDimension {
        let (first, second) = half.numbers(channel)
        for lane in 0..<16 {
          matrix[page * ColdTier.pageTokens + lane, channel] = first[lane]
          matrix[page * ColdTier.pageTokens + 16 + lane, channel] = second[lane]
        }
      }
    }
    tier.bytes.withUnsafeBytes { bytes in
      guard let memory = bytes.baseAddress else { return }
      let cold = ColdPages<Codes>(tier, memory)
      for page in 0..<tier.pageCount {
        read(cold.keys(ofPage: page), page, into: &keys)
        read(cold.values(ofPage: page), page, into: &values)
      }
    }
    return (keys, values)
  }
}

extension ColdHalf {
  /// Products of some vectors with the 32 tokens: `target[h · stride + t] = Σ_c
  /// vectors[h · d + c] · number_c[t]`.
  @inline(__always)
  func multiply(
    heads: Int, _ vectors: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>,
    stride: Int
  ) {
    var head = 0
    while head < heads {
      let vector = vectors + head &* headDimension
      let line = target + head &* stride
      switch heads &- head {
      case 1:
        multiply(Kept<1>(), vector, into: line, stride: stride)
        head &+= 1
      case 2:
        multiply(Kept<2>(), vector, into: line, stride: stride)
        head &+= 2
      case 3:
        multiply(Kept<3>(), vector, into: line, stride: stride)
        head &+= 3
      default:
        multiply(Kept<4>(), vector, into: line, stride: stride)
        head &+= 4
      }
    }
  }

  @inline(__always)
  private func multiply<let heads: Int>(
    _ kept: Kept<heads>, _ vectors: UnsafePointer<Float>,
    into target: UnsafeMutablePointer<Float>, stride: Int
  ) {
    var first = InlineArray<heads, SIMD16<Float>>(repeating: .zero)
    var second = first
    for channel in 0..<headDimension {
      let (low, high) = numbers(channel)
      for head in 0..<heads {
        let factor = SIMD16<Float>(repeating: vectors[head &* headDimension &+ channel])
        first[unchecked: head] = first[unchecked: head].addingProduct(low, factor)
        second[unchecked: head] = second[unchecked: head].addingProduct(high, factor)
      }
    }
    for head in 0..<heads {
      storeVector(first[unchecked: head], at: target + head &* stride)
      storeVector(second[unchecked: head], at: target + (head &* stride &+ 16))
    }
  }
}

/// The number of heads whose sums stay in registers.
private struct Kept<let heads: Int> {}
