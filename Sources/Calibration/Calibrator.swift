import Attention
import Tensors

/// Watches one dense pass over a text, then says what it saw.
///
/// It sees queries and keys, never a model or a text.
public protocol DenseWatcher {
  associatedtype Evidence

  /// Called once for each layer of a dense prefill of the whole text, in order.
  mutating func observe(_ layer: LayerView)

  /// Traps unless every layer has been observed.
  consuming func finish() -> Evidence
}

/// An offline phase: its pass is over a calibration text.
public protocol Calibrator: DenseWatcher where Evidence: CalibrationEvidence {
  /// The parameters that decide the evidence.
  associatedtype Options: Codable & Hashable & Sendable

  init(_ options: Options, for shape: AttentionShape)
}

/// What was found out, for every layer; enough to choose configurations from without another pass.
public protocol CalibrationEvidence: Codable, Hashable, Sendable {
  /// Whether the counts fit each other: false of a damaged record.
  var isConsistent: Bool { get }
}

/// Attention masses with the digits that float arithmetic supports.
enum Rounding {
  /// In 0…1, in steps of 1e-7.
  static func mass(_ mass: Double) -> Double { min(1, max(0, (mass * 1e7).rounded() / 1e7)) }
}
