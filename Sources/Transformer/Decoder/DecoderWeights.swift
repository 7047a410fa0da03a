import GGUF
import Kernels
import Tensors

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
    self = try DecoderWeights(&reader, blueprint)
    if let problem = reader.surplus(blueprint.architecture).first { throw problem }
  }

  /// Everything for which the other initialiser would throw.
  static func problems(_ file: GGUFFile, _ blueprint: DecoderBlueprint) -> [ModelError] {
    var reader = Reader(file, name: file.name)
    reader.problems = []
    do {
      _ = try DecoderWeights(&reader, blueprint)
    } catch {
      preconditionFailure("DecoderWeights.problems: a reader that collects threw \(error)")
    }
    return (reader.problems ?? []) + reader.surplus(blueprint.architecture)
  }

  private init(_ reader: inout Reader, _ blueprint: DecoderBlueprint) throws(ModelError) {
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
  }

  /// Reads tensors by name and remembers which.
  private struct Reader {
    let file: GGUFFile
    let name: String
    let shapes: [String: [Int]]
    var taken: Set<String> = []
    /// Where problems are collected rather than thrown; what has one is empty.
    var problems: [ModelError]?

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
      try sound(or: WeightMatrix(Matrix(rows: 0, columns: 0))) { reader throws(ModelError) in
        try reader.take(tensor, shape: [columns, rows])
        return try reader.read { file throws(GGUFError) in try file.weightMatrix(tensor) }
      }
    }

    mutating func vector(_ tensor: String, count: Int) throws(ModelError) -> [Float] {
      try sound(or: []) { reader throws(ModelError) in
        try reader.take(tensor, shape: [count])
        let values = try reader.read { file throws(GGUFError) in try file.vector(tensor) }
        if let index = values.firstIndex(where: { !$0.isFinite }) {
          throw ModelError(
            file: reader.name,
            .weightNotFinite(tensor: tensor, index: index, value: "\(values[index])"))
        }
        return values
      }
    }

    /// What `body` gives; where it throws and problems are collected, `empty`.
    private mutating func sound<Weights>(
      or empty: Weights, _ body: (inout Reader) throws(ModelError) -> Weights
    ) throws(ModelError) -> Weights {
      do {
        return try body(&self)
      } catch {
        guard problems != nil else { throw error }
        problems?.append(error)
        return empty
      }
    }

    private func read<Weights>(
      _ body: (GGUFFile) throws(GGUFError) -> Weights
    ) throws(ModelError) -> Weights {
      do {
        return try body(file)
      } catch {
        throw ModelError(file: name, .unreadable(error.description))
      }
    }

    private mutating func take(_ tensor: String, shape: [Int]) throws(ModelError) {
      guard let found = shapes[tensor] else {
        throw ModelError(file: name, .missingTensor(tensor))
      }
      taken.insert(tensor)
      let further = found.dropFirst(shape.count)
      guard found.starts(with: shape), further.allSatisfy({ $0 == 1 }) else {
        throw ModelError(file: name, .tensorShape(name: tensor, found: found, expected: shape))
      }
    }

    /// Tensors that were not read: each would change what the model computes (a bias, an expert,
    /// scaled frequencies).
    func surplus(_ architecture: String) -> [ModelError] {
      file.tensors.filter { !taken.contains($0.name) }.map {
        ModelError(file: name, .unknownTensor($0.name, architecture: architecture))
      }
    }
  }
}
