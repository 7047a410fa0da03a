import GGUF
import Kernels

/// The tensors of a decoder, checked against its blueprint. Matrices stay where the file is mapped;
/// the norms' vectors are copied.
struct DecoderWeights {
  struct Layer {
    var attentionNorm: [Float]
    var query: WeightMatrix
    var key: WeightMatrix
    var value: WeightMatrix
    var attentionOutput: WeightMatrix
    var feedForwardNorm: [Float]
    var gate: WeightMatrix
    var up: WeightMatrix
    var down: WeightMatrix
  }

  /// (vocabularySize x hiddenSize)
  var embedding: WeightMatrix
  var layers: [Layer]
  var outputNorm: [Float]
  /// (vocabularySize x hiddenSize); the embedding where the file has no output matrix.
  var output: WeightMatrix

  static let embeddingName = "token_embd.weight"
  static let firstQueryName = "blk.0.attn_q.weight"
  private static let outputName = "output.weight"
  private static let outputNormName = "output_norm.weight"

  /// Throws unless the file has exactly these tensors, each with the shape that the blueprint asks
  /// for.
  init(
    _ file: GGUFFile, _ blueprint: DecoderBlueprint, name: String
  ) throws(ModelError) {
    var reader = Reader(file, name: name)
    let hidden = blueprint.hiddenSize
    let vocabulary = blueprint.vocabularySize
    embedding = try reader.matrix(Self.embeddingName, columns: hidden, rows: vocabulary)
    layers = []
    for index in 0..<blueprint.shape.layers {
      layers.append(try reader.layer(index, blueprint))
    }
    outputNorm = try reader.vector(Self.outputNormName, count: hidden)
    output =
      reader.has(Self.outputName)
      ? try reader.matrix(Self.outputName, columns: hidden, rows: vocabulary) : embedding
    try reader.requireNothingElse(blueprint.architecture)
  }

  /// Reads tensors by name and remembers which.
  private struct Reader {
    let file: GGUFFile
    let name: String
    let shapes: [String: [Int]]
    var taken: Set<String> = []

    init(_ file: GGUFFile, name: String) {
      self.file = file
      self.name = name
      shapes = Dictionary(
        file.tensors.map { ($0.name, $0.dimensions) }, uniquingKeysWith: { first, _ in first })
    }

    func has(_ tensor: String) -> Bool { shapes[tensor] != nil }

    mutating func layer(
      _ index: Int, _ blueprint: DecoderBlueprint
    ) throws(ModelError) -> Layer {
      let hidden = blueprint.hiddenSize
      let inner = blueprint.feedForwardSize
      let shape = blueprint.shape
      let prefix = "blk.\(index)."
      return Layer(
        attentionNorm: try vector(prefix + "attn_norm.weight", count: hidden),
        query: try matrix(
          prefix + "attn_q.weight", columns: hidden, rows: shape.queryColumns),
        key: try matrix(prefix + "attn_k.weight", columns: hidden, rows: shape.keyColumns),
        value: try matrix(
          prefix + "attn_v.weight", columns: hidden, rows: shape.keyColumns),
        attentionOutput: try matrix(
          prefix + "attn_output.weight", columns: shape.queryColumns, rows: hidden),
        feedForwardNorm: try vector(prefix + "ffn_norm.weight", count: hidden),
        gate: try matrix(prefix + "ffn_gate.weight", columns: hidden, rows: inner),
        up: try matrix(prefix + "ffn_up.weight", columns: hidden, rows: inner),
        down: try matrix(prefix + "ffn_down.weight", columns: inner, rows: hidden))
    }

    mutating func matrix(
      _ tensor: String, columns: Int, rows: Int
    ) throws(ModelError) -> WeightMatrix {
      try take(tensor, shape: [columns, rows])
      do {
        return try file.weightMatrix(tensor)
      } catch {
        throw ModelError(file: name, .unreadable(error.description))
      }
    }

    mutating func vector(_ tensor: String, count: Int) throws(ModelError) -> [Float] {
      try take(tensor, shape: [count])
      let values: [Float]
      do {
        values = try file.vector(tensor)
      } catch {
        throw ModelError(file: name, .unreadable(error.description))
      }
      if let index = values.firstIndex(where: { !$0.isFinite }) {
        throw ModelError(
          file: name,
          .weightNotFinite(tensor: tensor, index: index, value: "\(values[index])"))
      }
      return values
    }

    private mutating func take(_ tensor: String, shape: [Int]) throws(ModelError) {
      guard let found = shapes[tensor] else {
        throw ModelError(file: name, .missingTensor(tensor))
      }
      let further = found.dropFirst(shape.count)
      guard found.starts(with: shape), further.allSatisfy({ $0 == 1 }) else {
        throw ModelError(file: name, .tensorShape(name: tensor, found: found, expected: shape))
      }
      taken.insert(tensor)
    }

    /// A tensor that was not read would change what the model computes: a bias, an expert, scaled
    /// frequencies.
    func requireNothingElse(_ architecture: String) throws(ModelError) {
      if let tensor = file.tensors.first(where: { !taken.contains($0.name) }) {
        throw ModelError(file: name, .unknownTensor(tensor.name, architecture: architecture))
      }
    }
  }
}
