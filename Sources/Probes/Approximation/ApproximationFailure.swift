import Attention
import Records

/// A query whose output cannot be right: it differs from the dense one by more than the mass that
/// it dropped allows, or is no number.
///
/// With γ the dropped mass and M = max over j ≤ i of ‖v_j‖₁, attention over any part of the keys
/// keeps ‖Ô_i − O_i‖₁ ≤ 2 γ_i M; 1e-5 M is left to float arithmetic. More means that the attended
/// keys are not those that were counted, so the figures of the cell mean nothing.
public struct ApproximationFailure: Error, Sendable, Hashable, CustomStringConvertible {
  public var strategy: String
  public var setting: ErrorSetting
  public var phase: AttentionPhase
  public var layer: Int
  public var queryHead: Int
  /// The query's token position.
  public var query: Int
  /// ‖Ô_i − O_i‖₁.
  public var difference: Double
  /// 2 γ_i M + 1e-5 M; nil for a strategy without a dropped mass, whose output was no number.
  public var limit: Double?

  public var description: String {
    let place =
      "\(strategy), layer \(layer), query head \(queryHead), query \(query) (\(phase.rawValue), \(setting.rawValue))"
    guard difference.isFinite, let limit, limit.isFinite else {
      return "\(place): the attention output is not a finite number \(endOfHalfFloats)"
    }
    return
      "\(place): the output differs from the dense one by \(difference) in L1; the attention mass that the query dropped allows \(limit)"
  }
}

/// The likeliest reason for what is no number.
let endOfHalfFloats =
  "(half floats of a cache end at 65,504; \"cache\": \"f32\" has room for more)"
