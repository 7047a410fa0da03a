import Tensors

extension TCAPlus {
  /// Which queries a prompt's selection is based on.
  public enum Importance: String, ParameterChoice {
    /// Queries at even steps over the prompt, each counting what lies before its own window.
    case sampled
    /// The last ones.
    case last
  }

  /// How tokens are distributed among KV heads.
  public enum HeadBudgets: String, ParameterChoice {
    case calibrated, uniform
  }

  /// What becomes of tokens that are not kept exactly.
  public enum Tier: String, ParameterChoice {
    /// They are freed.
    case none
    /// They stay in 4 bits.
    case q4
    /// They stay in 8 bits.
    case q8

    var format: ColdFormat? {
      switch self {
      case .none: nil
      case .q4: .q4
      case .q8: .q8
      }
    }
  }

  /// How a decode query ranks cold pages.
  public enum PageRanking: String, ParameterChoice {
    /// By the upper bound that the ranges of the page's key channels give.
    case bound
    /// By the attention to the page's dequantised keys.
    case mass
  }
}
