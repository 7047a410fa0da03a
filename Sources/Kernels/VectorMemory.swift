/// Sixteen floats from memory of any alignment.
@inline(__always)
func loadVector(_ address: UnsafePointer<Float>) -> SIMD16<Float> {
  UnsafeRawPointer(address).loadUnaligned(as: SIMD16<Float>.self)
}

/// Sixteen floats to memory of any alignment.
@inline(__always)
func storeVector(_ vector: SIMD16<Float>, at address: UnsafeMutablePointer<Float>) {
  UnsafeMutableRawPointer(address).storeBytes(of: vector, as: SIMD16<Float>.self)
}
