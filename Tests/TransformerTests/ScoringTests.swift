import Attention
import Foundation
import Kernels
import LabTestSupport
import Tensors
import Testing
import Transformer

@Suite("Scores and greedy decoding")
struct ScoringTests {
  @Test("Log-probabilities and the next tokens are the reference's")
  func scores() throws {
    let file = try TinyModel().file()
    let model = try TinyModel.load(file)
    let tokens = randomTokens(21)
    let scores = try model.score(tokens, attention: model.denseSession(), nextCount: 5)

    let reference = try ReferenceModel(file, model.blueprint)
    let rows = reference.hidden(tokens).map(reference.logits)
    let sums = rows.map { row in log(row.reduce(0) { $0 + exp($1) }) }
    #expect(scores.logProbabilities.count == 20)
    for index in 0..<20 {
      let expected = rows[index][Int(tokens[index + 1])] - sums[index]
      #expect(abs(scores.logProbabilities[index] - expected) < 1e-4, "token \(index + 1)")
    }
    let mean = scores.logProbabilities.reduce(0, +) / 20
    #expect(scores.meanLogProbability == mean)
    #expect(abs(scores.logSumExp - sums[20]) < 1e-4)
    let best = rows[20].indices.sorted { rows[20][$0] > rows[20][$1] }.prefix(5)
    #expect(scores.next.map { Int($0.token) } == Array(best))
    for next in scores.next {
      #expect(abs(Double(next.logit) - rows[20][Int(next.token)]) < 1e-4)
    }
  }

  @Test("A single token has no log-probability and a next token")
  func singleToken() throws {
    let model = try TinyModel().load()
    let scores = try model.score([40], attention: model.denseSession(), nextCount: 1)
    #expect(scores.logProbabilities.isEmpty && scores.meanLogProbability == nil)
    #expect(scores.next.count == 1)
  }

  @Test("Rows of logits are the same in tiles and alone", arguments: [1, 16, 17, 33])
  func tiles(count: Int) throws {
    let model = try TinyModel().load()
    let hidden = try model.prefill(randomTokens(count))
    var rows: [Int] = []
    var tiles: [Int: [Float]] = [:]
    model.forEachLogits(of: hidden) { row, logits in
      rows.append(row)
      let tile = (0..<logits.count).map { logits[$0] }
      #expect(tile.count == model.blueprint.vocabularySize)
      if row % 5 == 0 || row == count - 1 { tiles[row] = tile }
    }
    #expect(rows == Array(0..<count))
    for (row, tile) in tiles {
      #expect(largestDifference(model.logits(hidden, row: row), tile) < 1e-4, "row \(row)")
    }
  }

  @Test(
    "A row's logits are the same to the last bit however many rows there are in whole tiles",
    arguments: [261, 330])
  func tileSize(count: Int) throws {
    let model = try TinyModel().load()
    let hidden = try model.prefill(randomTokens(count))
    func logits(of hidden: Matrix) -> [[Float]] {
      var rows: [[Float]] = []
      model.forEachLogits(of: hidden) { _, logits in
        rows.append((0..<logits.count).map { logits[$0] })
      }
      return rows
    }
    let pieces = stride(from: 0, to: count, by: 64).flatMap { first in
      logits(of: hidden.copy(ofRows: first..<min(first + 64, count)))
    }
    #expect(logits(of: hidden) == pieces)
  }

  @Test("Teacher-forced decoding gives the states of a prefill, however far it may go at once")
  func teacherForced() throws {
    let model = try TinyModel().load()
    let tokens = randomTokens(300)
    let whole = try model.prefill(tokens)
    for limit in [1, 7, .max] {
      let attention = LimitedAttention(model.denseSession(), together: limit)
      _ = try model.forward(
        Array(tokens[..<30]), firstPosition: 0, phase: .prefill, attention: attention,
        keeping: 0..<0)
      let rest = try model.decode(
        Array(tokens[30...]), firstPosition: 30, attention: attention)
      let expected = whole.elements.suffix(270 * whole.columns)
      #expect(largestDifference(rest.elements, expected) < 1e-4, "at most \(limit) together")
      #expect(attention.largestStep == min(limit, DecodeStep.mostTokens))
    }
  }

  @Test("Greedy decoding takes the likeliest token of a whole pass, each time")
  func greedy() throws {
    let model = try TinyModel().load()
    let prompt = randomTokens(10)
    var decoder = try GreedyDecoder(model, attention: model.denseSession(), prompt: prompt)
    let tokens = try decoder.decoded(atMost: 6)
    #expect(tokens.count == 6 && decoder.position == 15)
    for (index, token) in tokens.enumerated() {
      let text = prompt + tokens[..<index]
      let logits = model.logits(try model.prefill(text), row: text.count - 1)
      #expect(Int(token) == Softmax.argmax(logits.span), "token \(index)")
    }
  }

  @Test("Greedy decoding stops where it is told to and at the end of the context")
  func stops() throws {
    let model = try TinyModel.with { $0.contextLength = 14 }.load()
    let prompt = randomTokens(10)
    var decoder = try GreedyDecoder(model, attention: model.denseSession(), prompt: prompt)
    let free = try decoder.decoded(atMost: 100)
    // The prompt, and four decoded tokens run; the fifth is chosen from the last.
    #expect(free.count == 5 && decoder.position == 14)

    let end = free[2]
    let first = try #require(free.firstIndex(of: end))
    decoder = try GreedyDecoder(model, attention: model.denseSession(), prompt: prompt)
    #expect(try decoder.decoded(atMost: 100, until: end) == Array(free[...first]))
    decoder = try GreedyDecoder(model, attention: model.denseSession(), prompt: prompt)
    let other = try decoder.decoded(atMost: 1, firstExcluding: [free[0]])
    #expect(other.count == 1 && other[0] != free[0] && decoder.position == 10)
  }
}

extension GreedyDecoder {
  /// The tokens that it chooses, up to the first of that value.
  fileprivate mutating func decoded(
    atMost count: Int, until end: Int32? = nil, firstExcluding excluded: Set<Int32> = []
  ) throws -> [Int32] {
    var tokens: [Int32] = []
    try decode(atMost: count, firstExcluding: excluded) { token in
      tokens.append(token)
      return token != end
    }
    return tokens
  }
}

/// Dense attention that allows only so many tokens in a decode step.
private final class LimitedAttention: WrapsAttention {
  let base: AttentionSession
  private let together: Int
  private(set) var largestStep = 0

  init(_ base: AttentionSession, together: Int) {
    self.base = base
    self.together = together
  }

  func cache(
    layer: Int, phase: AttentionPhase, keys: Matrix, values: Matrix, firstPosition: Int
  ) {
    if phase == .decode { largestStep = max(largestStep, keys.rows) }
    base.cache(
      layer: layer, phase: phase, keys: keys, values: values, firstPosition: firstPosition)
  }

  func queriesDecodedTogether(from position: Int) -> Int { together }
}
