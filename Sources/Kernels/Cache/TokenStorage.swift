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
  func sharedRows(_ slots: Range<Int>, scale: Double) -> Rows? { nil }
}

extension RowFormat {
  /// Memory for the keys of a head.
  func makeKeyStorage(width: Int) -> any TokenStorage {
    switch self {
    case .f32: FloatStorage(width: width)
    case .kivi4: ChannelGroups(FourBitCodes.self, width: width)
    case .kivi2: ChannelGroups(TwoBitCodes.self, width: width)
    default: RowStorage(codec, width: width)
    }
  }

  /// Memory for the values of a head.
  func makeValueStorage(width: Int) -> any TokenStorage {
    changesWithAge ? AgeingRows(codec, width: width) : makeKeyStorage(width: width)
  }

  /// How a row lies in memory; of KIVI's formats one of quantised values.
  var codec: any RowCodec.Type {
    switch self {
    case .f32: FloatRows.self
    case .f16: HalfRows.self
    case .q8_0: EightBitRows.self
    case .q4_0: FourBitRows.self
    case .q4_0_rotated: RotatedFourBitRows.self
    case .kivi4: RangedFourBitRows.self
    case .kivi2: RangedTwoBitRows.self
    }
  }
}

/// The keys or the values of a KV head by slot, as kernels read them: bare memory, since reference
/// counts would make workers wait for each other.
enum TokenMemory {
  /// A row for each slot.
  case rows(RowMemory)
  /// The first `border` slots in one format, from there on in another.
  case ageing(older: RowMemory, border: Int, newer: RowMemory)
  /// By channel, in groups of tokens.
  case groups(ChannelGroupMemory)

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
    case .ageing(let older, let border, let newer):
      let (old, new) = Self.rows(of: slots, border: border)
      older.multiply(products, vectors: vectors, vector, rows: old, into: target)
      newer.multiply(
        products, vectors: vectors, vector, rows: new, into: target + old.count)
    case .groups(let memory):
      memory.multiply(products, vectors: vectors, vector, slots: slots, into: target)
    }
  }

  /// The rows of slots on either side of a border, the later ones counted from it.
  private static func rows(
    of slots: Range<Int>, border: Int
  ) -> (older: Range<Int>, newer: Range<Int>) {
    (
      slots.clamped(to: 0..<border),
      max(0, slots.lowerBound - border)..<max(0, slots.upperBound - border)
    )
  }

  /// Vectors of the rows' width as the memory is multiplied with them: where rows are rotated, they
  /// are too, into `scratch`.
  func turned(
    _ vectors: UnsafePointer<Float>, count: Int, into scratch: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float> {
    guard case .rows(let memory) = self, memory.codec.isRotated else { return vectors }
    scratch.update(from: vectors, count: count * memory.width)
    Hadamard(width: memory.width).turn(rows: count, stride: memory.width, scratch)
    return UnsafePointer(scratch)
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
    case .ageing(let older, let border, let newer):
      let (old, new) = Self.rows(of: slots, border: border)
      older.addWeighted(sums, rows: old, weights, into: target, scratch: scratch)
      newer.addWeighted(sums, rows: new, weights + old.count, into: target, scratch: scratch)
    case .groups: preconditionFailure("TokenMemory.addWeighted: values are not held by channel")
    }
  }

  /// Undoes the rotation of sums of rotated rows.
  func turnBack(_ sums: UnsafeMutablePointer<Float>, count: Int, stride: Int) {
    guard case .rows(let memory) = self, memory.codec.isRotated else { return }
    Hadamard(width: memory.width).turn(rows: count, stride: stride, sums)
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
    case .ageing(let older, let border, let newer):
      let (old, new) = Self.rows(of: slots, border: border)
      if new.isEmpty { return older.floats(old, decodedInto: scratch) }
      if old.isEmpty { return newer.floats(new, decodedInto: scratch) }
      for (memory, rows, place) in [
        (older, old, scratch), (newer, new, scratch + old.count * older.width),
      ] {
        let found = memory.floats(rows, decodedInto: place)
        if found != UnsafePointer(place) {
          place.update(from: found, count: rows.count * memory.width)
        }
      }
      return UnsafePointer(scratch)
    case .groups(let memory): return memory.floats(slots, decodedInto: scratch)
    }
  }
}
