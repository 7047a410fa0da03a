import JSON
import Tensors
import Transformer

/// PyTorch in float32: its scaled-dot-product attention, and the llama model of transformers.
///
/// The model has the shapes of this program's and random weights: values do not change the time of float32 arithmetic.
struct PyTorchPeer {
  /// The interpreter.
  let python: String
  let threads: Int

  enum Work: String {
    /// One layer's attention, causal; the KV heads are repeated for their query heads before the clock starts.
    case attention
    /// A prompt through the model with a KV cache, and the last position's logits.
    case prefill
  }

  /// Seconds of each repetition.
  func seconds(
    _ work: Work, tokens: Int, blueprint: DecoderBlueprint, repetitions: Int
  ) throws(PeerError) -> [Double] {
    let shape = blueprint.shape
    let request: JSONValue = [
      "work": .string(work.rawValue), "tokens": .integer(tokens), "threads": .integer(threads),
      "repetitions": .integer(repetitions), "queryHeads": .integer(shape.queryHeads),
      "kvHeads": .integer(shape.kvHeads), "headDimension": .integer(shape.headDimension),
      "layers": .integer(shape.layers), "hiddenSize": .integer(blueprint.hiddenSize),
      "feedForwardSize": .integer(blueprint.feedForwardSize),
      "vocabularySize": .integer(blueprint.vocabularySize),
      "contextLength": .integer(blueprint.contextLength),
    ]
    let output = try PeerProcess(
      path: python, arguments: ["-", request.canonicalText], input: Self.script,
      environment: ["OMP_NUM_THREADS": "\(threads)", "TRANSFORMERS_OFFLINE": "1"]
    ).output()
    return try Self.seconds(of: output, threads: threads)
  }

  /// Reads the last line: `{"seconds": […], "threads": n}`.
  static func seconds(of output: String, threads: Int) throws(PeerError) -> [Double] {
    guard let line = PeerProcess.lastLine(of: output), let result = try? JSONValue(parsing: line)
    else {
      throw PeerError("the PyTorch script printed no JSON in its last line")
    }
    if let used = result["threads"]?.integerValue, used != threads {
      throw PeerError("PyTorch used \(used) threads instead of \(threads)")
    }
    let seconds = (result["seconds"]?.arrayValue ?? []).compactMap(\.doubleValue)
    guard !seconds.isEmpty, seconds.allSatisfy({ $0 > 0 && $0.isFinite }) else {
      throw PeerError(
        "the PyTorch script printed \(result.canonicalText.prefix(200)); a list of seconds above 0 was expected"
      )
    }
    return seconds
  }

  /// Versions of PyTorch and transformers; throws where PyTorch is missing.
  func version() throws(PeerError) -> String {
    let output = try PeerProcess(
      path: python,
      arguments: [
        "-c",
        """
        import torch
        try:
            import transformers
            rest = "transformers " + transformers.__version__
        except ImportError:
            rest = "no transformers"
        print("torch " + torch.__version__ + ", " + rest)
        """,
      ]
    ).output()
    return PeerProcess.lastLine(of: output) ?? "unknown version"
  }
}
