extension MatrixKernel {
  /// Weights of a piece of work: some microseconds.
  private static let itemWeights = 1 << 15

  /// One or a few tokens: every block of the weights is decoded into registers and multiplied with the tokens there.
  func multiplyFew(_ product: WeightProduct) {
    workers.runRanges(
      total: product.rows, minimumChunk: max(1, Self.itemWeights / product.depth)
    ) { rows, _ in
      switch product.format {
      case .f32: FewTokens<FloatNumbers>.multiply(product, rows: rows)
      case .f16: FewTokens<HalfNumbers>.multiply(product, rows: rows)
      case .bf16: FewTokens<BFloatNumbers>.multiply(product, rows: rows)
      case .q8_0: FewTokens<BlockNumbers<Q8_0>>.multiply(product, rows: rows)
      case .q4_0: FewTokens<BlockNumbers<Q4_0>>.multiply(product, rows: rows)
      case .q4_1: FewTokens<BlockNumbers<Q4_1>>.multiply(product, rows: rows)
      case .q5_0: FewTokens<BlockNumbers<Q5_0>>.multiply(product, rows: rows)
      case .q5_1: FewTokens<BlockNumbers<Q5_1>>.multiply(product, rows: rows)
      case .q4_K: FewTokens<BlockNumbers<Q4_K>>.multiply(product, rows: rows)
      case .q5_K: FewTokens<BlockNumbers<Q5_K>>.multiply(product, rows: rows)
      case .q6_K: FewTokens<BlockNumbers<Q6_K>>.multiply(product, rows: rows)
      }
    }
  }
}

/// Products of a few rows of weights with a few tokens, row after row, so that the weights stream past once.
///
/// Sums in Float with 16 lanes, in two chains, so that one addition need not wait for the one before.
private enum FewTokens<Numbers: StoredNumbers> {
  static func multiply(_ product: WeightProduct, rows: Range<Int>) {
    var token = 0
    while token < product.tokens {
      switch product.tokens - token {
      case 4...:
        multiply(product, rows: rows, from: token, InlineArray<4, Void>(repeating: ()))
        token += 4
      case 2...:
        multiply(product, rows: rows, from: token, InlineArray<2, Void>(repeating: ()))
        token += 2
      default:
        multiply(product, rows: rows, from: token, InlineArray<1, Void>(repeating: ()))
        token += 1
      }
    }
  }

  @inline(__always)
  private static func multiply<let tokens: Int>(
    _ product: WeightProduct, rows: Range<Int>, from token: Int, _: InlineArray<tokens, Void>
  ) {
    let input = product.input + token * product.depth
    for row in rows {
      let sums: InlineArray<tokens, Float> = dotProducts(
        product.weights + row * product.bytesPerRow, input, depth: product.depth)
      for index in 0..<tokens {
        let target = product.output + ((token + index) * product.rows + row)
        let sum = sums[unchecked: index]
        target.pointee = product.adds ? target.pointee + sum : sum
      }
    }
  }

  @inline(__always)
  private static func dotProducts<let tokens: Int>(
    _ weights: UnsafeRawPointer, _ input: UnsafePointer<Float>, depth: Int
  ) -> InlineArray<tokens, Float> {
    var even = InlineArray<tokens, SIMD16<Float>>(repeating: .zero)
    var odd = InlineArray<tokens, SIMD16<Float>>(repeating: .zero)
    let whole = depth / Numbers.count
    for step in 0..<whole {
      let x = input + step &* Numbers.count
      Numbers.decode(weights + step &* Numbers.bytes) { index, numbers in
        let isEven = index & Numbers.chainBit == 0
        for token in 0..<tokens {
          let inputs = loadVector(x + (token &* depth &+ index))
          if isEven {
            even[unchecked: token] = even[unchecked: token].addingProduct(numbers, inputs)
          } else {
            odd[unchecked: token] = odd[unchecked: token].addingProduct(numbers, inputs)
          }
        }
      }
    }
    // Copies, since an array that a loop indexes lives in memory.
    let sums = (even, odd)
    var results = InlineArray<tokens, Float>(repeating: 0)
    for token in 0..<tokens {
      results[unchecked: token] = (sums.0[unchecked: token] + sums.1[unchecked: token]).laneSum
    }
    // Only float formats have rows that are not whole steps.
    for k in whole &* Numbers.count..<depth {
      let weight = Numbers.single(weights, at: k)
      for token in 0..<tokens { results[unchecked: token] += weight * input[token &* depth &+ k] }
    }
    return results
  }
}

/// How numbers are read from stored weights, `count` at a time.
private protocol StoredNumbers {
  static var count: Int { get }
  static var bytes: Int { get }
  /// The bit of an index that tells two chains of sums apart.
  static var chainBit: Int { get }
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
