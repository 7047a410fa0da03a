import Attention
import JSON
import Records
import Synthesis
import Tensors

/// What a spec is checked against: what the program knows, and the files that it can see.
public struct SpecEnvironment {
  public var strategies: [StrategyDescription]
  public var tasks: [TaskDescription]
  /// The format of the KV cache where a strategy states none.
  public var defaultCache = CacheFormat.f16
  /// Names of the models that can be pulled.
  public var catalogueModels: [String]
  /// Names of the texts that the program carries.
  public var shippedTexts: [String]
  /// Where relative paths start: the spec file's folder.
  public var folder: String
  /// The default of `threads`.
  public var cores: Int
  /// What stands where a path leads.
  public var target: (_ path: String) -> PathTarget
  /// The SHA-256 of a text, named by a shipped text's name or by a path relative to `folder`; throws an error
  /// whose description says why it cannot be read.
  public var textDigest: (_ word: String) throws -> String
  /// What there is to know of a model; nil where it has not been pulled or is damaged, which is not the spec's fault.
  public var modelFacts: (ModelReference) -> ModelFacts?
  /// What a strategy has against its parameters (all of them, the budget as in the spec) on a model.
  public var strategyProblems:
    (_ strategy: String, _ parameters: JSONValue, _ model: ModelFacts) -> [ConfigurationError]
  /// What a task has against its parameters at a context length.
  public var taskProblems:
    (_ task: String, _ parameters: JSONValue, _ contextLength: Int) -> [ConfigurationError]
  /// What is wrong in the files that a task's parameters name.
  public var fileProblems: (_ task: String, _ parameters: JSONValue) -> [ConfigurationError]

  public init(
    strategies: [StrategyDescription], tasks: [TaskDescription], catalogueModels: [String],
    shippedTexts: [String], folder: String, cores: Int,
    target: @escaping (String) -> PathTarget = { PathTarget(of: $0) },
    textDigest: @escaping (String) throws -> String,
    modelFacts: @escaping (ModelReference) -> ModelFacts?,
    strategyProblems: @escaping (String, JSONValue, ModelFacts) -> [ConfigurationError] = {
      _, _, _ in []
    },
    taskProblems: @escaping (String, JSONValue, Int) -> [ConfigurationError] = { _, _, _ in [] },
    fileProblems: @escaping (String, JSONValue) -> [ConfigurationError] = { _, _ in [] }
  ) {
    self.strategies = strategies
    self.tasks = tasks
    self.catalogueModels = catalogueModels
    self.shippedTexts = shippedTexts
    self.folder = folder
    self.cores = cores
    self.target = target
    self.textDigest = textDigest
    self.modelFacts = modelFacts
    self.strategyProblems = strategyProblems
    self.taskProblems = taskProblems
    self.fileProblems = fileProblems
  }

  /// A file's path in the spec, as the program opens it.
  public func resolve(_ path: String) throws(WrittenPathError) -> String {
    try WrittenPath.file(path, in: folder)
  }
}

/// What checking, planning and estimating need to know of a model.
public struct ModelFacts: Sendable, Hashable {
  /// As the spec names it.
  public var name: String
  public var path: String
  /// SHA-256 of all that decides what it computes: of the file, and of the scaling where there is one.
  public var digest: String
  /// The most tokens that the model takes: those it was made for, or more under a rotary scaling; no
  /// more than fit into the window of a model whose layers all have one.
  public var contextLength: Int
  public var shape: AttentionShape
  public var size: ModelSize
  /// Attention inputs that stand for the model; nil for a model from a file.
  public var synthetic: SyntheticGeometry?
  /// In place of the scaling that the file states; nil where the spec gives none.
  public var ropeScaling: RotaryScaling?

  /// - Parameter digest: SHA-256 of the file.
  public init(
    name: String, path: String, digest: String, contextLength: Int, shape: AttentionShape,
    size: ModelSize = ModelSize(), ropeScaling: RotaryScaling? = nil
  ) {
    self.name = name
    self.path = path
    self.digest = ropeScaling?.digest(ofFile: digest) ?? digest
    self.ropeScaling = ropeScaling
    self.contextLength = contextLength
    self.shape = shape
    self.size = size
  }
}

extension ModelFacts {
  /// Of attention inputs without a model.
  public init(name: String, synthetic: SyntheticGeometry) {
    self.init(
      name: name, path: "", digest: synthetic.digest,
      contextLength: SyntheticGeometry.contextLength, shape: synthetic.shape)
    self.synthetic = synthetic
  }
}

/// The sizes that decide what a forward pass costs; zeros where they don't matter.
public struct ModelSize: Sendable, Hashable {
  public var hiddenSize: Int
  /// Weights that every token is multiplied with, the output matrix aside.
  public var matrixParameters: Int
  /// Weights of the output matrix: vocabulary x hidden size.
  public var outputParameters: Int
  public var fileBytes: Int

  public init(
    hiddenSize: Int = 0, matrixParameters: Int = 0, outputParameters: Int = 0, fileBytes: Int = 0
  ) {
    self.hiddenSize = hiddenSize
    self.matrixParameters = matrixParameters
    self.outputParameters = outputParameters
    self.fileBytes = fileBytes
  }
}
