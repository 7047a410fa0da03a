import Attention
import Calibration
import Digests
import Foundation
import JSON
import Planning
import Records
import Tasks
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
  ///
  /// - Parameters:
  ///   - onNewPass: told what begins, where none is stored.
  ///   - onEnd: told what it was, and the seconds that it took.
  func calibration(
    _ request: CalibrationRequest, of strategy: any CalibratedStrategy, model: any RunModel,
    isFresh: Bool, onNewPass: (String) -> Void, onEnd: (String, Double) -> Void,
    afterLayer: ((Int) throws -> Void)? = nil
  ) throws -> CalibrationRecord {
    let offline = try model.offlinePhase(request, of: strategy, folder: folder)
    if let record = known[offline.identity] { return record }
    if !isFresh,
      let record = try SinkError.wrapping({ try sink.storedCalibration(offline.identity) })
    {
      known[offline.identity] = record
      return record
    }
    let name = type(of: strategy).about.name
    onNewPass("calibrating \(name) on \(request.tokens) tokens of \(offline.corpus)")
    let start = ContinuousClock.now
    let record = try offline.run(afterLayer: afterLayer)
    onEnd("calibration of \(name)", (ContinuousClock.now - start).seconds)
    try model.requireUnchanged()
    try SinkError.wrapping { try sink.store(record) }
    known[offline.identity] = record
    return record
  }
}

/// The offline phase of one strategy on one text.
public struct OfflinePhase {
  private let request: CalibrationRequest
  private let strategy: any CalibratedStrategy
  private let model: any RunModel
  private let corpusDigest: String
  private let tokens: () throws -> [Int32]
  /// SHA-256 over all that decides the evidence.
  public let identity: String

  public init(
    _ request: CalibrationRequest, of strategy: any CalibratedStrategy, model: LoadedModel,
    corpus: Corpus
  ) throws {
    try self.init(
      request, of: strategy, model: model, corpusDigest: corpus.digest,
      joinsLines: Corpus.joinsLines(named: corpus.name)
    ) {
      let tokens = model.tokenizer.encode(corpus.running)
      guard tokens.count >= request.tokens else {
        throw ConfigurationError(
          "calibrationLength",
          "\(request.tokens) tokens are more than the \(tokens.count) of \"\(request.corpus)\"; use a longer text or fewer tokens"
        )
      }
      return Array(tokens.prefix(request.tokens))
    }
  }

  /// - Parameters:
  ///   - corpusDigest: of the text or whatever stands for it.
  ///   - joinsLines: whether its lines are joined, as those of nearly all texts are.
  ///   - tokens: the `request.tokens` first tokens of it, made when the phase is run.
  init(
    _ request: CalibrationRequest, of strategy: any CalibratedStrategy, model: any RunModel,
    corpusDigest: String, joinsLines: Bool = true, tokens: @escaping () throws -> [Int32]
  ) throws {
    self.request = request
    self.strategy = strategy
    self.model = model
    self.corpusDigest = corpusDigest
    self.tokens = tokens
    var deciding: [String: JSONValue] = [
      "numericsVersion": .integer(NumericsVersion.current),
      "strategy": .string(type(of: strategy).about.name),
      "model": .string(try model.digest),
      "corpus": .string(corpusDigest),
      "tokens": .integer(request.tokens),
      "options": request.options,
    ]
    if !joinsLines { deciding["joinLines"] = .boolean(false) }
    identity = SHA256Digest.of(JSONValue.object(deciding).canonicalText)
  }

  /// The text's name, for people.
  var corpus: String { request.corpus }

  /// One dense prefill over the first tokens of the prepared text.
  public func run(afterLayer: ((Int) throws -> Void)? = nil) throws -> CalibrationRecord {
    let tokens = try tokens()
    let pass = strategy.makePass(shape: model.model.shape, workspace: model.model.workspace)
    _ = try model.model.forward(
      tokens, firstPosition: 0, phase: .prefill, attention: pass,
      keeping: request.tokens - 1..<request.tokens, afterLayer: afterLayer)
    return CalibrationRecord(
      identity: identity, strategy: type(of: strategy).about.name, model: model.name,
      modelDigest: try model.digest, corpus: request.corpus, corpusDigest: corpusDigest,
      tokens: request.tokens, options: request.options, evidence: try pass.evidence())
  }
}
