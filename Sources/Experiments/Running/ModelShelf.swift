import Attention
import Digests
import Foundation
import GGUF
import ModelLibrary
import Planning
import Tensors
import Tokenization
import Transformer

/// A model ready to run: weights mapped, tokenizer made.
public struct LoadedModel {
  /// As the spec or the command line calls it.
  public let name: String
  public let path: String
  public let model: any DecoderModel
  public let blueprint: DecoderBlueprint
  public let tokenizer: Tokenizer
  public let chatTemplate: String?
  private let weights: WeightsFile
  private let ropeScaling: RotaryScaling?
  /// The tokens that it was opened for, where what it computes depends on them.
  private let openedFor: Int?

  /// Opens a GGUF file and checks everything in it that is needed.
  ///
  /// - Parameters:
  ///   - ropeScaling: takes the place of the file's own.
  ///   - contextLength: the tokens that it is opened for; the model's context length if not given.
  public init(
    name: String, path: String, workspace: Workspace, ropeScaling: RotaryScaling? = nil,
    openedFor contextLength: Int? = nil
  ) throws {
    self.name = name
    self.path = path
    self.ropeScaling = ropeScaling
    let file = try GGUFFile(path: path)
    let decoder = try BlueprintDecoder(
      file, workspace: workspace, name: path, ropeScaling: ropeScaling, openedFor: contextLength)
    openedFor =
      decoder.blueprint.dependsOnContextLength ? contextLength ?? decoder.contextLength : nil
    model = decoder
    blueprint = decoder.blueprint
    tokenizer = try Tokenizer(of: file)
    weights = WeightsFile(file)
    chatTemplate = try file.string(ifPresent: "tokenizer.chat_template")
  }
}

extension LoadedModel {
  /// SHA-256 of the file, computed when first asked for.
  public var fileDigest: String { get throws { try weights.digest() } }

  /// Throws where the file's bytes are no longer those that were opened.
  public func requireUnchanged() throws { try weights.requireUnchanged() }

  /// That of the file where nothing else decides what the model computes.
  public var digest: String {
    get throws {
      let weights = try digestOfWeights
      guard let openedFor else { return weights }
      return SHA256Digest.of("\(weights) opened for \(openedFor) tokens")
    }
  }

  /// That of the file with the scaling that takes the place of its own, as ``ModelFacts`` have it.
  fileprivate var digestOfWeights: String {
    get throws {
      let file = try fileDigest
      return ropeScaling?.digest(ofFile: file) ?? file
    }
  }

  /// Whether it computes the same as if it had been opened for so many tokens.
  func isRight(forContextLength length: Int) -> Bool { openedFor ?? length == length }
}

/// The models of a run by name; the one in use is kept open.
public final class ModelShelf {
  public let workspace: Workspace
  private let models: [ModelFacts]
  private var open: (any RunModel)?

  public init(_ models: [ModelFacts], workspace: Workspace) {
    self.models = models
    self.workspace = workspace
  }

  /// The model of that name, for cells of a context length; traps if the plan and the shelf disagree
  /// about names.
  func model(named name: String, contextLength: Int) throws -> any RunModel {
    if let open, open.name == name,
      (open as? LoadedModel)?.isRight(forContextLength: contextLength) ?? true
    {
      return open
    }
    open = nil
    guard let facts = models.first(where: { $0.name == name }) else {
      preconditionFailure("ModelShelf: no model \"\(name)\" among \(models.map(\.name))")
    }
    let model: any RunModel =
      if let geometry = facts.synthetic {
        SyntheticModel(geometry, name: name, workspace: workspace)
      } else {
        try loaded(facts, contextLength: contextLength)
      }
    open = model
    return model
  }

  /// Throws where the file is another than when the plan was made: the cells carry the digest of that one.
  private func loaded(_ facts: ModelFacts, contextLength: Int) throws -> LoadedModel {
    let model = try LoadedModel(
      name: facts.name, path: facts.path, workspace: workspace, ropeScaling: facts.ropeScaling,
      openedFor: contextLength)
    guard try model.digestOfWeights == facts.digest else {
      throw WeightsFileError(path: facts.path, change: "was replaced after the run was planned")
    }
    return model
  }
}
