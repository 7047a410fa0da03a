internal import CNested
import Tensors

/// The keys, or the values, of the tokens of a KV head in memory, by slot.
protocol TokenStorage: AnyObject {
  /// Bytes that are allocated.
  var allocatedBytes: Int { get }
  /// Bytes of what is held.
  var heldBytes: Int { get }
  /// Appends `rows` of `source`, the columns from `column` on, as consecutive token positions.
  func append(_ source: Matrix, rows: Range<Int>, column: Int, firstPosition: Int)
  /// Keeps some slots, as ascending runs; the others leave.
  ///
  /// - Parameter positions: the token positions of those that stay.
  func retain(_ slots: [Range<Int>], positions: ArraySlice<Int32>, keepsSlack: Bool)
  /// After attention to the newest of `seen` tokens: quantises what has grown old enough.
  ///
  /// - Parameter slotAtOrAfter: the first slot whose position is at least that.
  func settle(seen: Int, slotAtOrAfter: (_ position: Int) -> Int)
  /// All slots but those in some ascending runs give up all but their highest bits, where the format allows that.
  func coarsen(except whole: [Range<Int>])
  /// Slots that have given them up, ascending.
  var coarseSlots: [Int] { get }
  func removeAll()
  /// Rows of numbers that lie in memory as they are, shared; nil if they do not.
  func sharedRows(_ slots: Range<Int>, scale: Double) -> Rows?
  /// Calls `body` with the memory by slot, valid until it returns.
  ///
  /// - Parameter positions: the token positions by slot.
  func withMemory<Result>(
    _ positions: UnsafePointer<Int32>?, _ body: (TokenMemory) -> Result
  ) -> Result
}

extension TokenStorage {
  func settle(seen: Int, slotAtOrAfter: (Int) -> Int) {}
  func coarsen(except whole: [Range<Int>]) {}
  var coarseSlots: [Int] { [] }
  func sharedRows(_ slots: Range<Int>, scale: Double) -> Rows? { nil }
}

extension RowFormat {
  /// Memory for the keys of a head.
  func makeKeyStorage(width: Int) -> any TokenStorage {
    switch self {
    case .f32: FloatStorage(width: width)
    case .kivi4: ChannelGroups(FourBitCodes.self, width: width)
    case .kivi2: ChannelGroups(TwoBitCodes.self, width: width)
    case .nested: NestedGroups(nested_keys, width: width)
    default: makeRowStorage(width: width, centred: centresKeys)
    }
  }

  /// Memory for the values of a head.
  func makeValueStorage(width: Int) -> any TokenStorage {
    switch self {
    case .f32: FloatStorage(width: width)
    case .nested: NestedGroups(nested_values, width: width)
    default: makeRowStorage(width: width)
    }
  }

  private func makeRowStorage(width: Int, centred: Bool = false) -> any TokenStorage {
    changesWithAge
      ? AgeingRows(self, width: width, centred: centred) : RowStorage(codec, width: width)
  }

  /// How a row of a token that is still exact lies in memory after the prompt, in a format that changes with age.
  var exactCodec: any RowCodec.Type { codec.isRotated ? RotatedHalfRows.self : HalfRows.self }

  /// How a row lies in memory; of a format that changes with age one that is quantised, of KIVI's one of values.
  var codec: any RowCodec.Type {
    switch self {
    case .f32: FloatRows.self
    case .f16: HalfRows.self
    case .q8_0: EightBitRows.self
    case .q4_0: FourBitRows.self
    case .q4_0_rotated: RotatedFourBitRows.self
    case .kivi4: RangedFourBitRows.self
    case .kivi2: RangedTwoBitRows.self
    case .lloyd4: LloydFourBitRows.self
    case .lloyd3: LloydThreeBitRows.self
    case .lloyd2: LloydTwoBitRows.self
    case .nested: NestedRows.self
    }
  }
}

/// The keys or the values of a KV head by slot, as kernels read them: bare memory, since reference
/// counts would make workers wait for each other.
enum TokenMemory {
  /// A row for each slot.
  case rows(RowMemory)
  /// Most in one format, the first and the last slots in another.
  case ageing(AgeingMemory)
  /// By channel, in groups of tokens.
  case groups(ChannelGroupMemory)
  /// In groups of slots, the highest bits apart from the others.
  case nested(NestedMemory)

  var nested: NestedMemory? { if case .nested(let memory) = self { memory } else { nil } }

  /// `products` of `vectors` with the rows of some slots; see ``DotProducts``.
  ///
  /// - Parameter vector: as ``turned(_:count:into:)`` gives them.
  func multiply(
    _ products: DotProducts, vectors: Int, _ vector: UnsafePointer<Float>, slots: Range<Int>,
    into target: UnsafeMutablePointer<Float>
  ) {
    switch self {
    case .rows(let memory):
      memory.multiply(products, vectors: vectors, vector, rows: slots, into: target)
    case .ageing(let memory):
      memory.forEachPart(of: slots) { part, rows, offset in
        part.multiply(products, vectors: vectors, vector, rows: rows, into: target + offset)
      }
    case .groups(let memory):
      memory.multiply(products, vectors: vectors, vector, slots: slots, into: target)
    case .nested(let memory):
      memory.multiply(products, vectors: vectors, vector, slots: slots, into: target)
    }
  }

  /// Vectors of the rows' width as the memory is multiplied with them: where rows are rotated, they
  /// are too, into `scratch`.
  func turned(
    _ vectors: UnsafePointer<Float>, count: Int, into scratch: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float> {
    guard let rotation else { return vectors }
    scratch.update(from: vectors, count: count * rotation.width)
    rotation.turn(rows: count, stride: rotation.width, scratch)
    return UnsafePointer(scratch)
  }

  /// That of its rows, if they are rotated.
  private var rotation: Hadamard? {
    switch self {
    case .rows(let memory): memory.codec.isRotated ? Hadamard(width: memory.width) : nil
    case .ageing(let memory):
      memory.older.codec.isRotated ? Hadamard(width: memory.older.width) : nil
    case .groups: nil
    case .nested(let memory): Hadamard(width: memory.width)
    }
  }

  /// Adds weight · row over some slots to the sums; ``turnBack(_:count:stride:)`` has to follow.
  ///
  /// - Parameters:
  ///   - weights: of slot `slots.lowerBound` and those after it, `sums.strideA` from one vector's to
  ///     the next one's.
  ///   - scratch: for ``RowMemory/pieceRows`` rows.
  func addWeighted(
    _ sums: WeightedSums, slots: Range<Int>, _ weights: UnsafePointer<Float>,
    into target: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
  ) {
    switch self {
    case .rows(let memory):
      memory.addWeighted(sums, rows: slots, weights, into: target, scratch: scratch)
    case .ageing(let memory):
      memory.forEachPart(of: slots) { part, rows, offset in
        part.addWeighted(sums, rows: rows, weights + offset, into: target, scratch: scratch)
      }
    case .nested(let memory):
      memory.addWeighted(sums, slots: slots, weights, into: target, scratch: scratch)
    case .groups: preconditionFailure("TokenMemory.addWeighted: values are not held by channel")
    }
  }

  /// Undoes the rotation of sums of rotated rows.
  func turnBack(_ sums: UnsafeMutablePointer<Float>, count: Int, stride: Int) {
    rotation?.turn(rows: count, stride: stride, sums)
  }

  /// One row as floats: where it lies if that is the format, else decoded into `scratch`.
  @inline(__always)
  func row(_ slot: Int, decodedInto scratch: UnsafeMutablePointer<Float>) -> UnsafePointer<Float> {
    rows(slot..<slot &+ 1, decodedInto: scratch)
  }

  /// Consecutive rows as floats: where they lie if that is the format, else decoded into `scratch`.
  func rows(
    _ slots: Range<Int>, decodedInto scratch: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float> {
    switch self {
    case .rows(let memory): return memory.floats(slots, decodedInto: scratch)
    case .ageing(let memory): return memory.floats(slots, decodedInto: scratch)
    case .groups(let memory): return memory.floats(slots, decodedInto: scratch)
    case .nested(let memory): return memory.floats(slots, decodedInto: scratch)
    }
  }
}
