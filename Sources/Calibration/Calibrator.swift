import Attention

/// An offline phase: watches one dense pass over a calibration text, then says what it saw.
///
/// It sees queries and keys, never a model or a text.
public protocol Calibrator {
  /// What was found out, for every layer; enough to choose configurations from without another pass.
  associatedtype Evidence: Codable & Hashable & Sendable

  /// Called once for each layer of a dense prefill of the whole text, in order.
  mutating func observe(_ layer: LayerView, workspace: Workspace)

  /// Traps unless every layer has been observed.
  consuming func finish() -> Evidence
}
