import Kernels
import Records

/// Random weights, made directly in the bytes of a format, so that no quantiser is needed.
public enum RandomWeights {
  /// Bytes of `count` numbers with mean 0 and about the given standard deviation, count being whole blocks.
  ///
  /// Floats are normal; quants are uniform over their range, which is symmetric around 0 (for formats without a
  /// minimum the lowest quant is left out). The blocks of 256 draw their groups' scales too.
  public static func bytes(
    _ format: BlockFormat, count: Int, deviation: Double, using generator: inout SeededGenerator
  ) -> [UInt8] {
    precondition(
      count >= 0 && count % format.elementsPerBlock == 0,
      "RandomWeights.bytes: \(count) numbers, blocks of \(format.elementsPerBlock)")
    var bytes: [UInt8] = []
    for _ in 0..<count / format.elementsPerBlock {
      bytes += block(format, deviation, &generator)
    }
    return bytes
  }

  private static func block(
    _ format: BlockFormat, _ deviation: Double, _ generator: inout SeededGenerator
  ) -> [UInt8] {
    switch format {
    case .f32: littleEndian(Float(deviation * generator.normal()).bitPattern)
    case .f16: half(deviation * generator.normal())
    case .bf16:
      littleEndian(UInt16(Float(deviation * generator.normal()).bitPattern >> 16))
    case .q8_0:
      half(deviation / uniform(255))
        + (0..<32).map { _ in UInt8(bitPattern: Int8(generator.index(below: 255) - 127)) }
    case .q4_0: half(deviation / uniform(15)) + nibbles(16, from: 1, &generator)
    case .q4_1:
      half(deviation / uniform(16)) + half(-7.5 * deviation / uniform(16))
        + nibbles(16, from: 0, &generator)
    case .q5_0: half(deviation / uniform(31)) + fiveBits(from: 1, &generator)
    case .q5_1:
      half(deviation / uniform(32)) + half(-15.5 * deviation / uniform(32))
        + fiveBits(from: 0, &generator)
    case .q2_K: twoBits(deviation, &generator)
    case .q3_K: threeBits(deviation, &generator)
    case .iq4_nl: signedHalf(deviation / unevenDeviation, &generator) + random(16, &generator)
    case .iq4_xs: unevenGroups(deviation, &generator)
    case .q4_K: groupsOf32(deviation, levels: 16, &generator) + random(128, &generator)
    case .q5_K: groupsOf32(deviation, levels: 32, &generator) + random(32 + 128, &generator)
    case .q6_K: groupsOf16(deviation, &generator)
    }
  }

  /// The standard deviation of a whole number that is uniform over so many values.
  private static func uniform(_ values: Double) -> Double {
    ((values * values - 1) / 12).squareRoot()
  }

  private static func random(_ count: Int, _ generator: inout SeededGenerator) -> [UInt8] {
    (0..<count).map { _ in UInt8(generator.index(below: 256)) }
  }

  private static func nibbles(
    _ count: Int, from lowest: Int, _ generator: inout SeededGenerator
  ) -> [UInt8] {
    (0..<count).map { _ in
      let low = lowest + generator.index(below: 16 - lowest)
      let high = lowest + generator.index(below: 16 - lowest)
      return UInt8(low | high << 4)
    }
  }

  /// 32 fifth bits, then 16 bytes of nibbles.
  private static func fiveBits(
    from lowest: Int, _ generator: inout SeededGenerator
  ) -> [UInt8] {
    let quants = (0..<32).map { _ in lowest + generator.index(below: 32 - lowest) }
    var fifthBits: UInt32 = 0
    for (index, quant) in quants.enumerated() { fifthBits |= UInt32(quant >> 4) << UInt32(index) }
    let nibbles = (0..<16).map { UInt8(quants[$0] & 15 | (quants[$0 + 16] & 15) << 4) }
    return littleEndian(fifthBits) + nibbles
  }

  /// d, m and the packed scales of eight groups; the minimum of a group equals its scale, so m centres the quants.
  private static func groupsOf32(
    _ deviation: Double, levels: Int, _ generator: inout SeededGenerator
  ) -> [UInt8] {
    let scales = (0..<8).map { _ in 32 + generator.index(below: 32) }
    let d = deviation / (47.5 * uniform(Double(levels)))
    let low = (0..<4).map { UInt8(scales[$0] | (scales[$0 + 4] >> 4) << 6) }
    let high = (4..<8).map { UInt8(scales[$0] & 15 | (scales[$0] & 15) << 4) }
    return half(d) + half(d * Double(levels - 1) / 2) + low + low + high
  }

  /// The lower nibbles, the upper bit pairs, the scales of sixteen groups, d. The quants are 0…63 around 32: their
  /// mean is half a step off, scales of both signs even that out.
  private static func groupsOf16(
    _ deviation: Double, _ generator: inout SeededGenerator
  ) -> [UInt8] {
    let quants = random(192, &generator)
    let scales = (0..<16).map { _ in
      let scale = 64 + generator.index(below: 64)
      return UInt8(bitPattern: Int8(generator.index(below: 2) == 0 ? scale : -scale))
    }
    return quants + scales + half(deviation / (95.5 * uniform(64)))
  }

  /// Scales and minima of sixteen groups, each minimum equal to its scale, the bit pairs, d, m.
  private static func twoBits(
    _ deviation: Double, _ generator: inout SeededGenerator
  ) -> [UInt8] {
    let scales = (0..<16).map { _ in UInt8(8 + generator.index(below: 8)) * 0x11 }
    let d = deviation / (rootMeanSquare(8..<16) * uniform(4))
    return scales + random(64, &generator) + half(d) + half(1.5 * d)
  }

  /// The third bits, the bit pairs, the scales of sixteen groups, d. The quants are −4…3; scales of
  /// both signs even out that their mean is half a step off.
  private static func threeBits(
    _ deviation: Double, _ generator: inout SeededGenerator
  ) -> [UInt8] {
    let quants = random(32 + 64, &generator)
    let scales = (0..<16).map { _ in signedScale(&generator) }
    let low = nibblePairs((0..<8).map { (scales[$0], scales[$0 + 8]) })
    let high = (0..<4).map { index in
      bitPairs((0..<4).map { scales[index + 4 * $0] >> 4 })
    }.map { UInt8($0) }
    let d = deviation / (rootMeanSquare(16..<32) * rootMeanSquare(-4..<4))
    return quants + low + high + half(d)
  }

  /// d, the upper bit pairs and the lower nibbles of the scales of eight groups, the quants.
  private static func unevenGroups(
    _ deviation: Double, _ generator: inout SeededGenerator
  ) -> [UInt8] {
    let scales = (0..<8).map { _ in signedScale(&generator) }
    let high = UInt16(bitPairs(scales.map { $0 >> 4 }))
    let low = nibblePairs((0..<4).map { (scales[2 * $0], scales[2 * $0 + 1]) })
    return half(deviation / (rootMeanSquare(16..<32) * unevenDeviation)) + littleEndian(high) + low
      + random(128, &generator)
  }

  /// The root mean square of the sixteen levels of IQ4_NL and IQ4_XS, of squares 72,768 in all.
  private static let unevenDeviation = (72_768.0 / 16).squareRoot()

  /// Six bits that stand for a scale of 16…31 of either sign, 32 being zero.
  private static func signedScale(_ generator: inout SeededGenerator) -> Int {
    let scale = 16 + generator.index(below: 16)
    return generator.index(below: 2) == 0 ? 32 + scale : 32 - scale
  }

  /// The lower four bits of two numbers in a byte each.
  private static func nibblePairs(_ pairs: [(low: Int, high: Int)]) -> [UInt8] {
    pairs.map { UInt8($0.low & 15 | ($0.high & 15) << 4) }
  }

  /// Numbers below 4 beside each other, the first in the lowest bits.
  private static func bitPairs(_ numbers: [Int]) -> Int {
    numbers.reversed().reduce(0) { $0 << 2 | $1 }
  }

  private static func signedHalf(
    _ value: Double, _ generator: inout SeededGenerator
  ) -> [UInt8] {
    half(generator.index(below: 2) == 0 ? value : -value)
  }

  private static func rootMeanSquare(_ values: Range<Int>) -> Double {
    (Double(values.reduce(0) { $0 + $1 * $1 }) / Double(values.count)).squareRoot()
  }

  private static func half(_ value: Double) -> [UInt8] {
    littleEndian(Float16(value).bitPattern)
  }

  private static func littleEndian<Integer: FixedWidthInteger>(_ value: Integer) -> [UInt8] {
    (0..<Integer.bitWidth / 8).map {
      UInt8(truncatingIfNeeded: value >> Integer(truncatingIfNeeded: 8 * $0))
    }
  }
}
