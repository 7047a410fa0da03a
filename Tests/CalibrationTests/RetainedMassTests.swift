import Kernels
import Tensors
import Testing

@Suite("Retained mass")
struct RetainedMassTests {
  struct Case: Sendable {
    var tokens: Int
    var headDimension: Int
    var window: LocalWindow
    var choices: Int
  }

  @Test(
    "Masses and column sums are those of the whole matrix in double precision",
    arguments: [
      Case(tokens: 1, headDimension: 8, window: LocalWindow(width: 0), choices: 1),
      Case(tokens: 17, headDimension: 5, window: LocalWindow(width: 3), choices: 3),
      Case(
        tokens: 150, headDimension: 16, window: LocalWindow(width: 32, alignment: 16),
        choices: 14),
      Case(
        tokens: 300, headDimension: 24, window: LocalWindow(width: 0, alignment: 128),
        choices: 18),
      Case(tokens: 90, headDimension: 16, window: .everything, choices: 2),
      Case(
        tokens: 131, headDimension: 16, window: LocalWindow(width: 64, alignment: 64), choices: 0),
    ])
  func equalsMatrix(_ testCase: Case) {
    let sequence = CalibrationSequence(
      AttentionShape(
        layers: 1, queryHeads: 2, kvHeads: 1, headDimension: testCase.headDimension),
      tokens: testCase.tokens, seed: testCase.tokens)
    let n = testCase.tokens
    let choices = (0..<testCase.choices).map { choice in
      var selection = Selection()
      for key in 0..<n where (key * 7 + choice * 3) % (choice + 2) == 0 { selection.keep(key) }
      return selection
    }
    let d = testCase.headDimension
    let result = RetainedMass(
      queries: sequence.attention.queries, columns: d..<2 * d, keys: sequence.cache(0).keys,
      window: testCase.window, choices: choices)
    var sums = [Double](repeating: 0, count: n)
    for query in 0..<n {
      let row = sequence.weights(head: 1, query: query)
      for (key, weight) in row.enumerated() { sums[key] += weight }
      let start = testCase.window.start(forQuery: query)
      for (index, choice) in choices.enumerated() {
        let expected = row.enumerated().reduce(0) { mass, entry in
          entry.offset >= start || choice.isInRun(entry.offset) ? mass + entry.element : mass
        }
        let mass = result.masses(ofChoice: index).dropFirst(query).first ?? .nan
        #expect(abs(Double(mass) - expected) < 2e-6, "choice \(index), query \(query)")
      }
    }
    for (key, sum) in sums.enumerated() { #expect(abs(result.columnSums[key] - sum) < 2e-5) }
  }
}
