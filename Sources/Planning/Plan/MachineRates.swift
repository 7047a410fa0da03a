/// How fast a machine does what runs consist of, with all threads of a run together.
public struct MachineRates: Sendable, Hashable {
  /// Floating-point operations a second, of matrix products with many tokens.
  public var products: Double
  /// The same of dense attention over a long prompt.
  public var attention: Double
  /// Bytes of weights a second, of matrix products with one token.
  public var weights: Double

  public init(products: Double, attention: Double, weights: Double) {
    self.products = products
    self.attention = attention
    self.weights = weights
  }

  /// Where nothing has been measured: two cores with AVX-512.
  public static let assumed = MachineRates(products: 150e9, attention: 250e9, weights: 15e9)
}
