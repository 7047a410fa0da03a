import GGUF
import Tokenization
import Transformer

/// What a GGUF file holds, and whether it can be run: of any architecture, and of a file that is cut
/// off as far as it goes.
public struct ModelInspection: Encodable, Sendable {
  /// The size of the file.
  public let bytes: Int
  /// The size that its tensor table asks for, as far as that was read; nil where the file has it.
  public let neededBytes: Int?
  /// Of a model that was split into several files.
  public let part: Part?
  /// As `general.architecture` has it.
  public let architecture: String?
  /// Nil where the metadata do not say enough.
  public let geometry: ModelGeometry?
  /// By type, most bytes first.
  public let quantization: [QuantizationCount]
  public let tokenizer: TokenizerFacts?
  /// What kind of chat template the file has: "unknown" if none of those that are recognised.
  public let chatTemplate: String?
  /// At 8,192 and 32,768 tokens; empty without a geometry.
  public let kvCache: [KVCacheSize]
  /// Every reason for which the file cannot be run as a model, a sentence each.
  public let unsupported: [String]

  public struct Part: Encodable, Sendable, Hashable {
    /// Counted from 1.
    public var number: Int
    public var count: Int
  }

  /// The numbers of tokens that the memory of a KV cache is given for.
  public static let cacheTokens = [8_192, 32_768]

  /// - Parameter file: opened by `GGUFFile(surveying:)`.
  public init(_ file: GGUFFile) {
    let survey = ModelSurvey(file)
    let tokenizer = TokenizerFacts.Reading(file)
    let size = file.storage.bytes.byteCount
    let end = file.tensors.map { $0.offset.addingReportingOverflow($0.byteCount) }
      .map { $0.overflow ? .max : $0.partialValue }.max()
    let geometry =
      survey.blueprint.map { ModelGeometry($0, file) } ?? ModelGeometry(statedBy: file)
    bytes = size
    neededBytes = end.flatMap { $0 > size ? $0 : nil }
    part = file.part.map { Part(number: $0.number, count: $0.count) }
    architecture = file.metadata["general.architecture"]?.text
    self.geometry = geometry
    quantization = QuantizationCount.all(of: file)
    self.tokenizer = tokenizer.facts
    chatTemplate = file.metadata["tokenizer.chat_template"].map { template in
      (try? ChatTemplate(template: template.text))?.format.rawValue ?? "unknown"
    }
    kvCache = Self.cacheTokens.compactMap { tokens in
      geometry?.cacheSize(tokens: tokens)
    }
    let sentences =
      file.problems.map(\.description) + survey.problems.map(\.description) + tokenizer.problems
    var told: Set<String> = []
    unsupported = sentences.filter { told.insert($0).inserted }
  }
}

/// Tensors of one type.
public struct QuantizationCount: Encodable, Sendable, Hashable {
  /// As this program calls it: "q4_K".
  public var type: String
  public var tensors: Int
  public var weights: Int
  public var bytes: Int
  /// Whether this program reads it.
  public var isSupported: Bool

  static func all(of file: GGUFFile) -> [QuantizationCount] {
    Dictionary(grouping: file.tensors, by: \.type).map { type, tensors in
      QuantizationCount(
        type: type.name, tensors: tensors.count, weights: sum(tensors.map(\.elementCount)),
        bytes: sum(tensors.map(\.byteCount)), isSupported: type.format != nil)
    }.sorted { ($1.bytes, $0.type) < ($0.bytes, $1.type) }
  }

  /// Counts up to Int.max: the sizes of a damaged file may be absurd.
  private static func sum(_ sizes: [Int]) -> Int {
    sizes.reduce(0) { sum, size in
      let (larger, overflow) = sum.addingReportingOverflow(size)
      return overflow ? .max : larger
    }
  }
}

extension GGUFValue {
  /// A string; nil for any other value.
  var text: String? { if case .string(let text) = self { text } else { nil } }
}
