import Tensors

extension KVHead {
  /// Quantises tokens to the end of the cold tier: those that the newest query attends to under
  /// `kept` but not under `exact`.
  ///
  /// Their exact rows stay until the following `retain(exact, …)`. Traps unless they are whole
  /// pages and later than those in the tier.
  public func cool(
    _ kept: Selection, except exact: Selection, newestQuery: Int, format: ColdFormat
  ) {
    let slots = (0..<count).filter { slot in
      let position = position(ofSlot: slot)
      return !exact.attends(to: position, fromQuery: newestQuery)
        && kept.attends(to: position, fromQuery: newestQuery)
    }
    guard !slots.isEmpty else { return }
    precondition(
      slots.count % ColdTier.pageTokens == 0,
      "KVHead.cool: \(slots.count) tokens are not whole pages of \(ColdTier.pageTokens)")
    let bytes =
      switch format {
      case .q4: encoded(slots, format, FourBitCodes.self)
      case .q8: encoded(slots, format, EightBitCodes.self)
      }
    appendCold(
      pages: bytes, positions: slots.map { Int32(position(ofSlot: $0)) }, format: format)
  }

  private func encoded<Codes: ColdCodes>(
    _ slots: [Int], _ format: ColdFormat, _ codes: Codes.Type
  ) -> [UInt8] {
    let d = headDimension
    let pages = slots.count / ColdTier.pageTokens
    let pageBytes = ColdTier.pageBytes(format, headDimension: d)
    return [UInt8](unsafeUninitializedCapacity: pages * pageBytes) { buffer, initialized in
      let target = UnsafeMutableRawPointer(buffer.baseAddress!)  // at least one page
      for page in 0..<pages {
        let rows = slots[page * ColdTier.pageTokens..<(page + 1) * ColdTier.pageTokens]
        var decoded = [Float](repeating: 0, count: rows.count * d)
        decoded.withUnsafeMutableBufferPointer { decoded in
          withMemory { keys, values in
            for (half, memory) in [keys, values].enumerated() {
              ColdEncoder<Codes>(headDimension: d).encode(
                rows.enumerated().map { index, slot in
                  memory.row(slot, decodedInto: decoded.baseAddress! + index * d)
                }, into: target + (page * pageBytes + half * pageBytes / 2))
            }
          }
        }
      }
      initialized = pages * pageBytes
    }
  }
}

/// Writes half a page from 32 rows.
struct ColdEncoder<Codes: ColdCodes> {
  let headDimension: Int

  /// - Parameter rows: 32 addresses of a row (headDimension).
  func encode(_ rows: [UnsafePointer<Float>], into target: UnsafeMutableRawPointer) {
    for channel in 0..<headDimension {
      var first = SIMD16<Float>.zero
      var second = SIMD16<Float>.zero
      for lane in 0..<16 {
        first[lane] = rows[lane][channel]
        second[lane] = rows[lane &+ 16][channel]
      }
      let range = CodeRange<Codes>(first, second)
      target.storeBytes(
        of: range.minimum.bitPattern.littleEndian, toByteOffset: 2 * channel, as: UInt16.self)
      target.storeBytes(
        of: range.step.bitPattern.littleEndian, toByteOffset: 2 * (headDimension + channel),
        as: UInt16.self)
      range.storeCodes(at: target + (4 * headDimension + channel * Codes.bytes))
    }
  }
}
