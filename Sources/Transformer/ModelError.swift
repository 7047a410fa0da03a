import GGUF

/// Why a model cannot be used, or cannot run what it was given.
public struct ModelError: Error, CustomStringConvertible, Sendable {
  /// The model's file, as the user named it.
  public var file: String
  public var problem: Problem

  public enum Problem: Sendable, Hashable {
    /// The file's own structure or a metadata value cannot be read; the text is complete.
    case unreadable(String)
    case unsupportedArchitecture(String)
    /// A metadata value that contradicts others, or that this program does not implement.
    case setting(key: String, value: String, allowed: String)
    /// A setting that is not implemented and might change the result.
    case unknownSetting(key: String, value: String)
    case missingTensor(String)
    /// Shapes in GGUF's order: columns first.
    case tensorShape(name: String, found: [Int], expected: [Int])
    /// A tensor that the computation would ignore.
    case unknownTensor(String, architecture: String)
    /// A number of a vector, such as a norm's weight, that cannot be computed with.
    case weight(tensor: String, index: Int, value: String, allowed: String)
    case noTokens
    case tokenOutOfRange(token: Int, index: Int, vocabularySize: Int)
    /// Positions beyond those the model was made for.
    case contextExceeded(firstPosition: Int, tokenCount: Int, contextLength: Int)
    /// The last layer's output is infinite or not a number.
    case outputNotFinite(position: Int)
  }

  public init(file: String, _ problem: Problem) {
    self.file = file
    self.problem = problem
  }

  public var description: String {
    switch problem {
    case .unreadable(let text): text
    default: "\(file): \(explanation)"
    }
  }

  private var explanation: String {
    switch problem {
    case .unreadable(let text):
      text
    case .unsupportedArchitecture(let name):
      """
      the architecture is \(Self.quoted(name)); supported is \
      \(Self.list(Architecture.supported.map(\.name)))
      """
    case .setting(let key, let value, let allowed):
      "metadata \(Self.quoted(key)) is \(Self.quoted(value)); allowed is \(allowed)"
    case .unknownSetting(let key, let value):
      """
      metadata \(Self.quoted(key)) (\(Self.quoted(value))) is a setting that this program does not \
      implement, and ignoring it could change the model's output; use a file without it
      """
    case .missingTensor(let name):
      "tensor \"\(name)\" is missing; the file is incomplete or its layer count is wrong"
    case .tensorShape(let name, let found, let expected):
      """
      tensor "\(name)" has shape "\(Self.shape(found))"; the metadata asks for \
      \(Self.shape(expected)) (GGUF's order, columns first)
      """
    case .unknownTensor(let name, let architecture):
      """
      tensor \(Self.quoted(name)) is no part of the architecture "\(architecture)" as implemented \
      here, and ignoring it would change the model's output
      """
    case .weight(let tensor, let index, let value, let allowed):
      """
      tensor "\(tensor)" has the value "\(value)" at index \(index); allowed are \(allowed): the \
      file is damaged
      """
    case .noTokens:
      "there are no tokens to run; at least 1 is needed"
    case .tokenOutOfRange(let token, let index, let vocabularySize):
      "token \(index) is \"\(token)\"; allowed are 0 to \(vocabularySize - 1)"
    case .contextExceeded(let firstPosition, let tokenCount, let contextLength):
      """
      \(tokenCount) tokens from position \(firstPosition) end at "\(firstPosition + tokenCount)"; \
      the model's context is \(contextLength) tokens: use a shorter text or a model with a longer \
      context
      """
    case .outputNotFinite(let position):
      """
      the output at position \(position) is not a finite number; the file's weights are probably \
      damaged
      """
    }
  }

  private static func shape(_ sizes: [Int]) -> String {
    sizes.map(String.init).joined(separator: " x ")
  }

  /// Text from a file, safe for a terminal.
  private static func quoted(_ text: String) -> String { GGUFValue.string(text).shortText }

  private static func list(_ names: [String]) -> String {
    names.map { "\"\($0)\"" }.joined(separator: ", ")
  }
}
