extension MatrixKernel {
  /// Weights of a piece of work, at least: a microsecond or two.
  private static let itemWeights = 1 << 14
  /// Pieces of work of a product, about: enough for many threads to be done at the same time.
  private static let items = 64

  /// One or a few tokens: every block of the weights is decoded into registers and multiplied with
  /// the tokens there.
  ///
  /// - Parameter other: a second product, part of the same work.
  func multiplyFew(_ product: WeightProduct, and other: WeightProduct? = nil) {
    // Values without references: counting those would be memory that all threads write.
    let pieces = RowPieces(product)
    let otherPieces = other.map { RowPieces($0) }
    workers.run(count: pieces.count + (otherPieces?.count ?? 0)) { item, _ in
      if item < pieces.count {
        Self.multiplyFew(product, rows: pieces.range(item))
      } else if let other, let otherPieces {
        Self.multiplyFew(other, rows: otherPieces.range(item - pieces.count))
      }
    }
  }

  /// Rows of a product in pieces of equal length, which follow from the product alone, never from
  /// the number of threads.
  private struct RowPieces {
    let rowsEach: Int
    let rows: Int

    init(_ product: WeightProduct) {
      let each = max(itemWeights / product.depth, (product.rows - 1) / items + 1, 1)
      // Rows are multiplied in pairs.
      rowsEach = (each + 1) / 2 * 2
      rows = product.rows
    }

    var count: Int { (rows - 1) / rowsEach + 1 }

    func range(_ item: Int) -> Range<Int> {
      item * rowsEach..<min(rows, (item + 1) * rowsEach)
    }
  }

  private static func multiplyFew(_ product: WeightProduct, rows: Range<Int>) {
    switch product.format {
    case .f32: FewTokens<FloatNumbers>.multiply(product, rows: rows)
    case .f16: FewTokens<HalfNumbers>.multiply(product, rows: rows)
    case .bf16: FewTokens<BFloatNumbers>.multiply(product, rows: rows)
    case .q8_0: FewTokens<BlockNumbers<Q8_0>>.multiply(product, rows: rows)
    case .q4_0: FewTokens<BlockNumbers<Q4_0>>.multiply(product, rows: rows)
    case .q4_1: FewTokens<BlockNumbers<Q4_1>>.multiply(product, rows: rows)
    case .q5_0: FewTokens<BlockNumbers<Q5_0>>.multiply(product, rows: rows)
    case .q5_1: FewTokens<BlockNumbers<Q5_1>>.multiply(product, rows: rows)
    case .q2_K: FewTokens<BlockNumbers<Q2_K>>.multiply(product, rows: rows)
    case .q3_K: FewTokens<BlockNumbers<Q3_K>>.multiply(product, rows: rows)
    case .q4_K: FewTokens<BlockNumbers<Q4_K>>.multiply(product, rows: rows)
    case .q5_K: FewTokens<BlockNumbers<Q5_K>>.multiply(product, rows: rows)
    case .q6_K: FewTokens<BlockNumbers<Q6_K>>.multiply(product, rows: rows)
    case .iq4_nl: FewTokens<BlockNumbers<IQ4_NL>>.multiply(product, rows: rows)
    case .iq4_xs: FewTokens<BlockNumbers<IQ4_XS>>.multiply(product, rows: rows)
    }
  }
}

/// Products of a few rows of weights with a few tokens, row after row, so that the weights stream
/// past once.
///
/// Sums in Float with 16 lanes, in two chains, so that one addition need not wait for the one
/// before.
private enum FewTokens<Numbers: StoredNumbers> {
  static func multiply(_ product: WeightProduct, rows: Range<Int>) {
    var token = 0
    while token < product.tokens {
      switch product.tokens - token {
      case 4...:
        multiply(product, rows: rows, tokens: Four.self, from: token)
        token += 4
      case 2...:
        multiply(product, rows: rows, tokens: Two.self, from: token)
        token += 2
      default:
        multiply(product, rows: rows, tokens: One.self, from: token)
        token += 1
      }
    }
  }

  /// Two rows at a time where that is faster.
  @inline(__always)
  private static func multiply<let tokens: Int>(
    _ product: WeightProduct, rows: Range<Int>, tokens: InlineArray<tokens, Void>.Type,
    from token: Int
  ) {
    var row = rows.lowerBound
    if Numbers.pairsRows {
      while row &+ 1 < rows.upperBound {
        multiply(product, tokens, Two.self, row: row, from: token)
        row &+= 2
      }
    }
    while row < rows.upperBound {
      multiply(product, tokens, One.self, row: row, from: token)
      row &+= 1
    }
  }

  @inline(__always)
  private static func multiply<let tokens: Int, let rows: Int>(
    _ product: WeightProduct, _: InlineArray<tokens, Void>.Type, _: InlineArray<rows, Void>.Type,
    row: Int, from token: Int
  ) {
    let weights = product.weights + row &* product.bytesPerRow
    // With one token the weights come from memory, and the CPU's own prefetching stops at each page
    // of 4,096 bytes.
    prefetchLines(rows &* product.bytesPerRow, at: weights + 2_048)
    let sums: InlineArray<rows, InlineArray<tokens, Float>> = dotProducts(
      weights, bytesPerRow: product.bytesPerRow,
      product.input + token &* product.depth, depth: product.depth)
    for r in 0..<rows {
      for index in 0..<tokens {
        let target = product.output + ((token &+ index) &* product.rows &+ row &+ r)
        let sum = sums[unchecked: r][unchecked: index]
        target.pointee = product.adds ? target.pointee + sum : sum
      }
    }
  }

  @inline(__always)
  private static func dotProducts<let tokens: Int, let rows: Int>(
    _ weights: UnsafeRawPointer, bytesPerRow: Int, _ input: UnsafePointer<Float>, depth: Int
  ) -> InlineArray<rows, InlineArray<tokens, Float>> {
    var even = InlineArray<rows, InlineArray<tokens, SIMD16<Float>>>(
      repeating: InlineArray(repeating: .zero))
    var odd = even
    let whole = depth / Numbers.count
    var step = 0
    while step < whole {
      defer { step &+= 1 }
      let x = input + step &* Numbers.count
      for row in 0..<rows {
        Numbers.decode(weights + (row &* bytesPerRow &+ step &* Numbers.bytes)) { index, numbers in
          let isEven = index & Numbers.chainBit == 0
          for token in 0..<tokens {
            let inputs = loadVector(x + (token &* depth &+ index))
            if isEven {
              even[unchecked: row][unchecked: token] = even[unchecked: row][unchecked: token]
                .addingProduct(numbers, inputs)
            } else {
              odd[unchecked: row][unchecked: token] = odd[unchecked: row][unchecked: token]
                .addingProduct(numbers, inputs)
            }
          }
        }
      }
    }
    // Copies, since an array that a loop indexes lives in memory.
    let sums = (even, odd)
    var results = InlineArray<rows, InlineArray<tokens, Float>>(
      repeating: InlineArray(repeating: 0))
    for row in 0..<rows {
      for token in 0..<tokens {
        results[unchecked: row][unchecked: token] =
          (sums.0[unchecked: row][unchecked: token] + sums.1[unchecked: row][unchecked: token])
          .laneSum
      }
      // Only float formats have rows that are not whole steps.
      for k in whole &* Numbers.count..<depth {
        let weight = Numbers.single(weights + row &* bytesPerRow, at: k)
        for token in 0..<tokens {
          results[unchecked: row][unchecked: token] += weight * input[token &* depth &+ k]
        }
      }
    }
    return results
  }

  private typealias One = InlineArray<1, Void>
  private typealias Two = InlineArray<2, Void>
  private typealias Four = InlineArray<4, Void>
}

/// How numbers are read from stored weights, `count` at a time.
private protocol StoredNumbers {
  static var count: Int { get }
  static var bytes: Int { get }
  /// The bit of an index that tells two chains of sums apart.
  static var chainBit: Int { get }
  /// Whether two rows are multiplied at once: with a short decoder the chains of sums of one are
  /// what it waits for.
  static var pairsRows: Bool { get }
  /// Calls `emit` with `count` numbers, sixteen at a time, and the index of the first of them.
  static func decode(
    _ source: UnsafeRawPointer, _ emit: (_ index: Int, _ numbers: SIMD16<Float>) -> Void)
  /// Number `index` of a row, for formats whose rows need not be whole steps.
  static func single(_ row: UnsafeRawPointer, at index: Int) -> Float
}

private enum BlockNumbers<Decoder: BlockDecoder>: StoredNumbers {
  @inline(__always) static var count: Int { Decoder.format.elementsPerBlock }
  @inline(__always) static var bytes: Int { Decoder.format.bytesPerBlock }
  // Blocks of 256 are decoded in groups of 32.
  @inline(__always) static var chainBit: Int { count == 32 ? 16 : 32 }
  @inline(__always)
  static var pairsRows: Bool {
    Decoder.self == Q4_0.self || Decoder.self == Q4_1.self || Decoder.self == IQ4_NL.self
  }

  @inline(__always)
  static func decode(_ source: UnsafeRawPointer, _ emit: (Int, SIMD16<Float>) -> Void) {
    Decoder.decode(source, emit)
  }

  static func single(_ row: UnsafeRawPointer, at index: Int) -> Float {
    preconditionFailure("BlockNumbers: \(Decoder.format.rawValue) has no single numbers")
  }
}

private enum FloatNumbers: StoredNumbers {
  @inline(__always) static var count: Int { 32 }
  @inline(__always) static var bytes: Int { 128 }
  @inline(__always) static var chainBit: Int { 16 }
  @inline(__always) static var pairsRows: Bool { false }

  @inline(__always)
  static func decode(_ source: UnsafeRawPointer, _ emit: (Int, SIMD16<Float>) -> Void) {
    emit(0, source.loadUnaligned(as: SIMD16<Float>.self))
    emit(16, source.loadUnaligned(fromByteOffset: 64, as: SIMD16<Float>.self))
  }

  @inline(__always)
  static func single(_ row: UnsafeRawPointer, at index: Int) -> Float {
    row.loadUnaligned(fromByteOffset: 4 &* index, as: Float.self)
  }
}

private enum HalfNumbers: StoredNumbers {
  @inline(__always) static var count: Int { 32 }
  @inline(__always) static var bytes: Int { 64 }
  @inline(__always) static var chainBit: Int { 16 }
  @inline(__always) static var pairsRows: Bool { false }

  @inline(__always)
  static func decode(_ source: UnsafeRawPointer, _ emit: (Int, SIMD16<Float>) -> Void) {
    emit(0, sixteen(source))
    emit(16, sixteen(source + 32))
  }

  @inline(__always)
  private static func sixteen(_ source: UnsafeRawPointer) -> SIMD16<Float> {
    let halves = source.loadUnaligned(as: SIMD16<Float16>.self)
    var numbers = SIMD16<Float>()
    for lane in 0..<16 { numbers[lane] = Float(halves[lane]) }
    return numbers
  }

  @inline(__always)
  static func single(_ row: UnsafeRawPointer, at index: Int) -> Float { row.half(at: 2 &* index) }
}

private enum BFloatNumbers: StoredNumbers {
  @inline(__always) static var count: Int { 32 }
  @inline(__always) static var bytes: Int { 64 }
  @inline(__always) static var chainBit: Int { 16 }
  @inline(__always) static var pairsRows: Bool { false }

  @inline(__always)
  static func decode(_ source: UnsafeRawPointer, _ emit: (Int, SIMD16<Float>) -> Void) {
    emit(0, sixteen(source))
    emit(16, sixteen(source + 32))
  }

  @inline(__always)
  private static func sixteen(_ source: UnsafeRawPointer) -> SIMD16<Float> {
    let halves = source.loadUnaligned(as: SIMD16<UInt16>.self)
    var bits = SIMD16<UInt32>()
    for lane in 0..<16 { bits[lane] = UInt32(halves[lane]) << 16 }
    return unsafeBitCast(bits, to: SIMD16<Float>.self)
  }

  @inline(__always)
  static func single(_ row: UnsafeRawPointer, at index: Int) -> Float {
    let bits = row.loadUnaligned(fromByteOffset: 2 &* index, as: UInt16.self)
    return Float(bitPattern: UInt32(bits) << 16)
  }
}
