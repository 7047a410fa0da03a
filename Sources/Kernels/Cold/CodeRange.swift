/// The range of 32 numbers that are held in few bits: number = minimum + step · code.
struct CodeRange<Codes: ColdCodes> {
  let minimum: Float16
  let step: Float16
  private let first: SIMD16<Float>
  private let second: SIMD16<Float>

  @inline(__always)
  init(_ first: SIMD16<Float>, _ second: SIMD16<Float>) {
    self.first = first
    self.second = second
    let smallest = -max((-first).laneMaximum, (-second).laneMaximum)
    let largest = max(first.laneMaximum, second.laneMaximum)
    // Rounded first, so that codes fit the numbers that are decoded; the step must not be 0.
    minimum = Self.half(smallest)
    let step = Self.half((largest - Float(minimum)) / Codes.levels)
    self.step = step == 0 ? .leastNonzeroMagnitude : step
  }

  @inline(__always)
  func storeCodes(at target: UnsafeMutableRawPointer) {
    let shift = SIMD16<Float>(repeating: Float(minimum))
    let scale = SIMD16<Float>(repeating: 1 / Float(step))
    Codes.store(codes((first - shift) * scale), codes((second - shift) * scale), at: target)
  }

  private func codes(_ numbers: SIMD16<Float>) -> SIMD16<UInt8> {
    let levels = Codes.levels
    var codes = SIMD16<UInt8>()
    for lane in 0..<16 {
      let number = numbers[lane].rounded(.toNearestOrEven)
      // In this order NaN becomes 0.
      codes[lane] = number > 0 ? UInt8(number < levels ? number : levels) : 0
    }
    return codes
  }

  /// The nearest finite half float.
  private static func half(_ number: Float) -> Float16 {
    let limit = Float(Float16.greatestFiniteMagnitude)
    return Float16(max(-limit, min(limit, number)))
  }
}
