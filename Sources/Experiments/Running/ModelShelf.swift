import Attention
import Digests
import Foundation
import GGUF
import ModelLibrary
import Synthesis
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
  private let digestOfFile: DigestOfFile

  /// Opens a GGUF file and checks everything in it that is needed.
  public init(name: String, path: String, workspace: Workspace) throws {
    self.name = name
    self.path = path
    let file = try GGUFFile(path: path)
    let decoder = try BlueprintDecoder(file, workspace: workspace, name: path)
    model = decoder
    blueprint = decoder.blueprint
    tokenizer = try Tokenizer(of: file)
    digestOfFile = DigestOfFile(path: path)
    chatTemplate = try file.string(ifPresent: "tokenizer.chat_template")
  }
}

extension LoadedModel {
  /// SHA-256 of the file, computed when first asked for.
  public var digest: String { get throws { try digestOfFile.value() } }

  private final class DigestOfFile {
    private let path: String
    private var known: String?

    init(path: String) { self.path = path }

    func value() throws -> String {
      if let known { return known }
      let digest = try SHA256Digest.ofFile(at: path)
      known = digest
      return digest
    }
  }
}

/// The models of a run by name; the one in use is kept open.
public final class ModelShelf {
  public let workspace: Workspace
  /// Paths by the name that the spec gives them.
  private let paths: [String: String]
  /// Attention inputs that stand for models.
  private let synthetic: [String: SyntheticGeometry]
  private var open: (any RunModel)?

  public init(
    paths: [String: String], synthetic: [String: SyntheticGeometry] = [:], workspace: Workspace
  ) {
    self.paths = paths
    self.synthetic = synthetic
    self.workspace = workspace
  }

  /// The model of that name; traps if the plan and the shelf disagree about names.
  func model(named name: String) throws -> any RunModel {
    if let open, open.name == name { return open }
    open = nil
    if let geometry = synthetic[name] {
      let model = SyntheticModel(geometry, name: name, workspace: workspace)
      open = model
      return model
    }
    guard let path = paths[name] else {
      preconditionFailure("ModelShelf: no model \"\(name)\" among \(paths.keys.sorted())")
    }
    let model = try LoadedModel(name: name, path: path, workspace: workspace)
    open = model
    return model
  }
}
