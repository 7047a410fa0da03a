/// The rotation of rows by a Hadamard matrix, in blocks of the largest power of two that divides
/// their width: it spreads what is large over the whole block, and keeps lengths and products.
///
/// H of size 2b is (H_b, H_b; H_b, −H_b) / √2, H of size 1 is 1. Symmetric and orthogonal, so it
/// undoes itself.
struct Hadamard {
  let width: Int
  let block: Int

  init(width: Int) {
    self.width = width
    block = width & -width
  }

  /// Rotates rows in place, `stride` floats from one to the next.
  func turn(rows: Int, stride: Int, _ numbers: UnsafeMutablePointer<Float>) {
    for row in 0..<rows {
      for first in Swift.stride(from: 0, to: width, by: block) {
        turn(numbers + (row * stride + first))
      }
    }
  }

  /// Calls `body` with one row as it is after the rotation.
  func withTurned(_ numbers: UnsafePointer<Float>, _ body: (UnsafePointer<Float>) -> Void) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: width) { turned in
      let turned = turned.baseAddress!  // a row has numbers
      turned.update(from: numbers, count: width)
      turn(rows: 1, stride: width, turned)
      body(turned)
    }
  }

  private func turn(_ numbers: UnsafeMutablePointer<Float>) {
    var half = 1
    while half < min(block, 16) {
      for first in stride(from: 0, to: block, by: 2 * half) {
        for i in first..<first &+ half {
          let (a, b) = (numbers[i], numbers[i &+ half])
          numbers[i] = a + b
          numbers[i &+ half] = a - b
        }
      }
      half *= 2
    }
    while half < block {
      for first in stride(from: 0, to: block, by: 2 * half) {
        var i = first
        while i < first &+ half {
          let (a, b) = (loadVector(numbers + i), loadVector(numbers + (i &+ half)))
          storeVector(a + b, at: numbers + i)
          storeVector(a - b, at: numbers + (i &+ half))
          i &+= 16
        }
      }
      half *= 2
    }
    let scale = 1 / Float(block).squareRoot()
    for i in 0..<block { numbers[i] *= scale }
  }
}
