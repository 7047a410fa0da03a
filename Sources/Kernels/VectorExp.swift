/// e^x for sixteen numbers at once: within 2 ULP (|relative error| < 1.5e-7) of the exact value.
///
/// e^x = 2^n · e^r with n = round(x · log2 e) and r = x − n · ln 2, |r| ≤ 0.347, where ln 2 is
/// split in two floats and e^r is a polynomial of degree 6 (minimax fit of the relative error,
/// exact at r = 0, so e^0 is exactly 1).
///
/// - Above 88.722 84 (the logarithm of the largest float) the result is +infinity.
/// - Below −86.99 it is 0: subnormal results and the last factor of 2 above them are flushed. So
///   −infinity gives 0.
/// - NaN gives NaN.
///
/// Not public: a vector parameter would have another calling convention in a module that is
/// compiled without this module's `-march=native`. From other modules, use
/// ``exponentials(of:into:)``.
@inline(__always)
func vectorExp(_ x: SIMD16<Float>) -> SIMD16<Float> {
  let clamped = clamp(x, from: -87.3, through: 88.8)
  let (n, scale) = powerOfTwo(nearest: clamped, times: 1.442_695_1)
  // Cody and Waite: n · 0.693_359_375 is exact in a float, the second product adds the rest of ln
  // 2.
  var r = clamped.addingProduct(n, SIMD16(repeating: -0.693_359_375))
  r = r.addingProduct(n, SIMD16(repeating: 2.121_944_4e-4))
  var p = SIMD16<Float>(repeating: 0.002_768_721_431_493_759)
  p = SIMD16(repeating: 0.016_748_391_091_823_578).addingProduct(p, r)
  p = SIMD16(repeating: 0.083_336_010_575_294_5).addingProduct(p, r)
  p = SIMD16(repeating: 0.333_328_604_698_181_15).addingProduct(p, r)
  p = SIMD16(repeating: 0.999_999_880_790_710_4).addingProduct(p, r)
  p = SIMD16(repeating: 2).addingProduct(p, r)
  p = SIMD16(repeating: 2).addingProduct(p, r)
  return p * scale
}

/// 2^x for sixteen numbers at once, three operations cheaper than ``vectorExp(_:)`` and as exact.
///
/// A caller that scales its logits by log2 e anyway (an online softmax) uses this one.
/// At 128 and above the result is +infinity, below −125.5 it is 0, for NaN it is NaN.
@inline(__always)
func vectorExp2(_ x: SIMD16<Float>) -> SIMD16<Float> {
  exp2(ofClamped: clamp(x, from: -126, through: 128.1))
}

/// ``vectorExp2(_:)`` for numbers up to 128, with one operation less: NaN gives NaN, larger numbers
/// give garbage.
@inline(__always)
func vectorExp2OfNegative(_ x: SIMD16<Float>) -> SIMD16<Float> {
  let low = SIMD16<Float>(repeating: -126)
  return exp2(ofClamped: x.replacing(with: low, where: low .> x))
}

@inline(__always)
private func exp2(ofClamped clamped: SIMD16<Float>) -> SIMD16<Float> {
  let (n, scale) = powerOfTwo(nearest: clamped, times: 1)
  let r = clamped - n
  var p = SIMD16<Float>(repeating: 0.000_307_067_239_191_383_1)
  p = SIMD16(repeating: 0.002_679_774_770_513_177).addingProduct(p, r)
  p = SIMD16(repeating: 0.019_236_873_835_325_24).addingProduct(p, r)
  p = SIMD16(repeating: 0.111_006_647_348_403_93).addingProduct(p, r)
  p = SIMD16(repeating: 0.480_452_954_769_134_5).addingProduct(p, r)
  p = SIMD16(repeating: 1.386_294_364_929_199_2).addingProduct(p, r)
  p = SIMD16(repeating: 2).addingProduct(p, r)
  return p * scale
}

/// Each number limited to a range; NaN stays NaN. Compiles to one minimum and one maximum
/// instruction.
@inline(__always)
private func clamp(
  _ x: SIMD16<Float>, from low: Float, through high: Float
) -> SIMD16<Float> {
  let low = SIMD16(repeating: low)
  let high = SIMD16(repeating: high)
  let raised = x.replacing(with: low, where: low .> x)
  return raised.replacing(with: high, where: high .< raised)
}

/// n = round(x · factor) and 2^(n − 1), for n in −126…128.
///
/// Adding 1.5 · 2^23 leaves the rounded sum in the lowest bits of the float. The 126 in the
/// constant is the exponent bias less one, so that a shift makes those bits the exponent of
/// 2^(n − 1). The polynomials are twice the wanted value: 2^127 is then the largest scale for
/// n = 128, and the smallest, for n = −126, is 0.
@inline(__always)
private func powerOfTwo(
  nearest x: SIMD16<Float>, times factor: Float
) -> (n: SIMD16<Float>, scale: SIMD16<Float>) {
  let magic = SIMD16<Float>(repeating: 12_582_912 + 126)
  let rounded = magic.addingProduct(x, SIMD16(repeating: factor))
  let bits = unsafeBitCast(rounded, to: SIMD16<UInt32>.self) &<< 23
  return (rounded - magic, unsafeBitCast(bits, to: SIMD16<Float>.self))
}

/// e^x of every number, within 2 ULP; see ``vectorExp(_:)`` for the edges.
///
/// Traps unless both spans have the same count.
public func exponentials(of numbers: Span<Float>, into results: inout MutableSpan<Float>) {
  mapVectors(numbers, into: &results, vectorExp)
}

/// 2^x of every number, within 2 ULP; 0 below −125.5, +infinity from 128 on.
///
/// Traps unless both spans have the same count.
public func powersOfTwo(of numbers: Span<Float>, into results: inout MutableSpan<Float>) {
  mapVectors(numbers, into: &results, vectorExp2)
}

@inline(__always)
private func mapVectors(
  _ numbers: Span<Float>, into results: inout MutableSpan<Float>,
  _ body: (SIMD16<Float>) -> SIMD16<Float>
) {
  precondition(
    numbers.count == results.count,
    "exponentials: \(numbers.count) numbers, room for \(results.count)")
  numbers.withUnsafeBufferPointer { source in
    results.withUnsafeMutableBufferPointer { target in
      let count = source.count
      guard let from = source.baseAddress, let to = target.baseAddress else { return }
      var index = 0
      while index &+ 16 <= count {
        storeVector(body(loadVector(from + index)), at: to + index)
        index &+= 16
      }
      guard index < count else { return }
      var last = SIMD16<Float>(repeating: 0)
      for lane in 0..<count - index { last[lane] = from[index + lane] }
      last = body(last)
      for lane in 0..<count - index { to[index + lane] = last[lane] }
    }
  }
}
