import Attention
import Calibration
import Digests
import Foundation
import Records
import Tensors
import Transformer

/// Where calibrations come from: memory, the result store, or a pass over the text.
final class CalibrationStore {
  private let sink: any ResultSink
  private let folder: URL
  private var known: [String: CalibrationRecord] = [:]

  init(sink: any ResultSink, folder: URL) {
    self.sink = sink
    self.folder = folder
  }

  /// The stored calibration, or a new one, which is stored.
  func calibration(
    _ request: CalibrationRequest, of strategy: any CalibratedStrategy, model: LoadedModel,
    isFresh: Bool, onNewPass: (String) -> Void, afterLayer: ((Int) -> Void)? = nil
  ) throws -> CalibrationRecord {
    let offline = try OfflinePhase(
      request, of: strategy, model: model,
      corpus: Corpus(named: request.corpus, folder: folder))
    if let record = known[offline.identity] { return record }
    if !isFresh,
      let record = try SinkError.wrapping({ try sink.storedCalibration(offline.identity) })
    {
      known[offline.identity] = record
      return record
    }
    onNewPass(
      "calibrating \(strategy.strategy) on \(request.tokens) tokens of \(request.corpus)")
    let record = try offline.run(afterLayer: afterLayer)
    try SinkError.wrapping { try sink.store(record) }
    known[offline.identity] = record
    return record
  }
}

/// The offline phase of one strategy on one text.
public struct OfflinePhase {
  private let request: CalibrationRequest
  private let strategy: any CalibratedStrategy
  private let model: LoadedModel
  private let corpus: Corpus
  /// SHA-256 over all that decides the evidence.
  public let identity: String

  public init(
    _ request: CalibrationRequest, of strategy: any CalibratedStrategy, model: LoadedModel,
    corpus: Corpus
  ) throws {
    self.request = request
    self.strategy = strategy
    self.model = model
    self.corpus = corpus
    identity = SHA256Digest.of(
      JSONValue.object([
        "numericsVersion": .integer(NumericsVersion.current),
        "strategy": .string(strategy.strategy),
        "model": .string(try model.digest),
        "corpus": .string(corpus.digest),
        "tokens": .integer(request.tokens),
        "options": request.options,
      ]).canonicalText)
  }

  /// One dense prefill over the first tokens of the prepared text.
  public func run(afterLayer: ((Int) -> Void)? = nil) throws -> CalibrationRecord {
    let text = corpus.withJoinedLines
    let tokens = model.tokenizer.encode(text)
    guard tokens.count >= request.tokens else {
      throw ConfigurationError(
        "calibrationLength",
        "\(request.tokens) tokens are more than the \(tokens.count) of \"\(request.corpus)\"; use a longer text or fewer tokens"
      )
    }
    let pass = try strategy.makePass(
      request, shape: model.model.shape, workspace: model.model.workspace)
    _ = try model.model.forward(
      Array(tokens.prefix(request.tokens)), firstPosition: 0, phase: .prefill, attention: pass,
      keeping: request.tokens - 1..<request.tokens, afterLayer: afterLayer)
    return CalibrationRecord(
      identity: identity, strategy: strategy.strategy, model: model.name,
      modelDigest: try model.digest, corpus: request.corpus, corpusDigest: corpus.digest,
      tokens: request.tokens, options: request.options, evidence: try pass.evidence())
  }
}
