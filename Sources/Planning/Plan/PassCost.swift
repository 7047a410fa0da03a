import Tasks

/// What passes of a model take on a machine, in seconds.
///
/// A forward pass over n tokens costs 2 operations a weight and token in matrices and
/// 2 · n² · query heads · head dimension in the causal attention of a layer, 4 · n · window · … where it has a window.
struct PassCost {
  private let model: ModelFacts
  private let rates: MachineRates

  init(_ model: ModelFacts, _ rates: MachineRates) {
    self.model = model
    self.rates = rates
  }

  /// Of a decode step's query and key against one of a prompt: nothing is shared by many queries.
  private static let decodedPair = 4.0
  /// Of a token's logit in operations: two exponentials, in double.
  private static let logit = 250.0

  var isSynthetic: Bool { model.synthetic != nil }

  /// The matrices of the layers, for many tokens at once.
  func matrices(_ tokens: Double) -> Double {
    2 * Double(model.size.matrixParameters) * tokens / rates.products
  }

  /// Attention of a prompt.
  ///
  /// - Parameter share: of the causal pairs in layers without a window.
  func attention(_ tokens: Double, share: Double = 1) -> Double {
    let keys = model.shape.geometry.reduce(0) {
      $0 + ($1.window.map { min(tokens, 2 * Double($0)) } ?? share * tokens)
    }
    return 2 * heads * keys * tokens / rates.attention
  }

  /// Attention of tokens that are decoded after a prompt.
  func attention(_ decoded: Double, after prompt: Double) -> Double {
    let keys = model.shape.geometry.reduce(0) {
      $0 + min(prompt, $1.window.map(Double.init) ?? prompt)
    }
    return Self.decodedPair * 4 * heads * keys * decoded / rates.attention
  }

  /// An offline phase over a text: a dense pass whose every head's attention is looked at again.
  func calibration(_ tokens: Double) -> Double {
    matrices(tokens) + 3 * attention(tokens)
  }

  /// The matrices of tokens decoded one at a time, the output matrix among them.
  func steps(_ count: Double) -> Double {
    count * Double(model.size.fileBytes) / rates.weights
  }

  /// The probabilities of tokens.
  func scoring(_ tokens: Double) -> Double {
    let vocabulary = Double(model.size.outputParameters) / max(1, Double(model.size.hiddenSize))
    return tokens * (2 * Double(model.size.outputParameters) + Self.logit * vocabulary)
      / rates.products
  }

  /// Operations of a query-key pair in all heads, half.
  private var heads: Double {
    Double(model.shape.queryHeads) * Double(model.shape.headDimension)
  }
}
