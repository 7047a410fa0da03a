import Attention
import Calibration
import Foundation
import GGUF
import JSON
import Records
import Tensors

/// A strategy on a user's own tensors, without a model: layer 0 of 1.
public struct TensorAttention {
  /// (queryHeads x tokens x d).
  public private(set) var output: [Float]
  /// Natural log of the sum of exponentials over the attended keys, and γ, NaN where the strategy's logits are not the
  /// dense ones; (queryHeads x tokens).
  public private(set) var logSumExp: [Float]
  public private(set) var droppedMass: [Float]
  /// 1 where the KV cache holds the token after the prefill; (kvHeads x tokens).
  public private(set) var kept: [Float]
  /// Whether the strategy was calibrated on these very tensors, which flatters it.
  public let isCalibratedOnItself: Bool
  private let shape: AttentionShape
  private let tokens: Int

  /// - Parameters:
  ///   - configured: `tca` without `heads` is calibrated on these very tensors.
  ///   - firstDecoded: tokens from here on are decode steps; nil prefills all.
  /// - Throws: `ConfigurationError` for parameters that do not fit.
  public init(
    _ tensors: AttentionTensors, strategy configured: ConfiguredStrategy,
    firstDecoded: Int? = nil, workspace: Workspace
  ) throws {
    shape = tensors.shape
    tokens = tensors.tokens
    output = [Float](repeating: 0, count: shape.queryHeads * tokens * shape.headDimension)
    logSumExp = [Float](repeating: 0, count: shape.queryHeads * tokens)
    droppedMass = logSumExp
    kept = [Float](repeating: 0, count: shape.kvHeads * tokens)

    let prompt = firstDecoded ?? tokens
    guard (1...tokens).contains(prompt) else {
      throw ConfigurationError(
        "--queries-from", "\(prompt) is outside of the \(tokens) tokens; allowed are 1 to \(tokens)"
      )
    }
    try configured.checkCache()
    try configured.assumingCalibrated(for: shape, contextLength: prompt)
      .check(promptTokens: prompt, shape: shape)
    let calibrated = try Self.calibrate(
      configured, on: tensors, prompt: prompt, workspace: workspace)
    isCalibratedOnItself = calibrated.parameters != configured.parameters
    try calibrated.check(promptTokens: prompt, shape: shape)
    let session = AttentionSession(
      calibrated.forPrompt(of: prompt, shape: shape), shape: shape, workspace: workspace,
      cache: calibrated.cache)
    // What was dropped is dropped of the same tokens as they are stored.
    let dense = AttentionSession(
      FullAttention(), shape: shape, workspace: workspace, cache: calibrated.cache)
    if session.readsFuture {
      guard prompt < tokens else {
        throw ConfigurationError(
          "--queries-from",
          "\(configured.name) reads what follows the prompt; "
            + (tokens > 1
              ? "give the first token that follows it, 1 to \(tokens - 1)"
              : "these tensors hold one token, and at least 2 are needed")
        )
      }
      session.foresee(
        FutureAttention(
          ofPrompt: prompt, tokens: tokens, shape: shape, workspace: workspace
        ) { _, range in tensors.rows(range) })
    }

    attend(tensors, 0..<prompt, .prefill, session, dense)
    for kvHead in 0..<shape.kvHeads {
      for position in session.caches[0][kvHead].heldPositions {
        kept[kvHead * tokens + Int(position)] = 1
      }
    }
    var position = prompt
    while position < tokens {
      let count = min(session.queriesDecodedTogether(from: position), tokens - position)
      attend(tensors, position..<position + count, .decode, session, dense)
      position += count
    }
  }

  private mutating func attend(
    _ tensors: AttentionTensors, _ range: Range<Int>, _ phase: AttentionPhase,
    _ session: AttentionSession, _ dense: AttentionSession
  ) {
    let (queries, keys, values) = tensors.rows(range)
    var result = Matrix(rows: range.count, columns: queries.columns)
    var reference = result
    let outcome = session.attend(
      layer: 0, phase: phase, queries: queries, keys: keys, values: values,
      firstPosition: range.lowerBound, output: &result)
    let denseOutcome = dense.attend(
      layer: 0, phase: phase, queries: queries, keys: keys, values: values,
      firstPosition: range.lowerBound, output: &reference)
    let d = shape.headDimension
    for head in 0..<shape.queryHeads {
      for row in 0..<range.count {
        let place = head * tokens + range.lowerBound + row
        let sum = outcome.logSumExp[head * range.count + row]
        logSumExp[place] = sum
        let denseSum = denseOutcome.logSumExp[head * range.count + row]
        droppedMass[place] =
          session.logitsAreDense
          ? Float(max(0, 1 - exp(Double(sum) - Double(denseSum)))) : .nan
        for i in 0..<d { output[place * d + i] = result[row, head * d + i] }
      }
    }
  }

  /// The strategy, calibrated on the prompt's tensors where it asks for it.
  private static func calibrate(
    _ configured: ConfiguredStrategy, on tensors: AttentionTensors, prompt: Int,
    workspace: Workspace
  ) throws -> ConfiguredStrategy {
    let shape = tensors.shape
    return try configured.calibrated(
      sized: configured.forPrompt(of: prompt, shape: shape), calibrationLength: prompt,
      contextLength: prompt
    ) { calibrated, _ in
      let pass = calibrated.makePass(shape: shape, workspace: workspace)
      let (queries, keys, values) = tensors.rows(0..<prompt)
      var output = Matrix(rows: prompt, columns: queries.columns)
      pass.attend(
        layer: 0, phase: .prefill, queries: queries, keys: keys, values: values, firstPosition: 0,
        output: &output)
      return try pass.evidence()
    }
  }

  /// Throws for results that are not finite: inputs too large for float32 or for the cache's numbers.
  private func requireFinite(_ values: [Float], _ name: String, _ file: String) throws {
    guard let index = values.firstIndex(where: { !$0.isFinite }) else { return }
    throw AttendError(
      file: file,
      "the result \"\(name)\" would hold \"\(values[index])\" as element \(index): queries, keys or values are too large for float32, or beyond 65,504 for the half floats of a cache; scale them down, or use \"cache\": \"f32\""
    )
  }

  /// Writes `out`, `lse`, `dropped_mass` and `kept` as F32.
  public func write(to path: String) throws {
    try requireFinite(output, "out", path)
    try requireFinite(logSumExp, "lse", path)
    let file = try SafetensorsFile.encoded(
      [
        ("out", [shape.queryHeads, tokens, shape.headDimension], output),
        ("lse", [shape.queryHeads, tokens], logSumExp),
        ("dropped_mass", [shape.queryHeads, tokens], droppedMass),
        ("kept", [shape.kvHeads, tokens], kept),
      ], metadata: [:])
    try WrittenFile.write(file, to: path)
  }
}
