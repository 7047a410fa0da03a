import Attention
import JSON
import Kernels
import Tensors
import Testing
import Threads

@Suite("Attention session")
struct AttentionSessionTests {
  static let shape = AttentionShape(layers: 1, queryHeads: 6, kvHeads: 2, headDimension: 16)

  static let tca: JSONValue = [
    "blockSize": 16, "localWindow": 32, "heads": [0, 1, 3, 4, 2, 6],
  ]

  static func difference(_ a: Matrix, _ b: Matrix) -> Double {
    var error = 0.0
    var norm = 0.0
    for (x, y) in zip(a.elements, b.elements) {
      error += Double(x - y) * Double(x - y)
      norm += Double(y) * Double(y)
    }
    return (error / norm).squareRoot()
  }

  @Test("Keeping everything equals dense attention, prompt and decode")
  func everythingIsDense() throws {
    let sequence = TestSequence(Self.shape, tokens: 180, seed: 1)
    let all: [(String, JSONValue)] = [
      ("tca", ["heads": [-1, -1, -1, -1, -1, -1], "blockSize": 16, "localWindow": 32]),
      ("tca", ["heads": [3, 3, 3, 3, 3, 3], "blockSize": 16, "localWindow": 4096]),
      ("streaming-llm", ["budget": ["tokens": 180]]),
      ("streaming-llm", ["budget": ["density": 1]]),
    ]
    for (name, parameters) in all {
      let session = try AttentionSession(name, parameters, promptTokens: 180)
      let dense = try AttentionSession("full")
      for step in [0..<150] + (150..<180).map({ $0..<$0 + 1 }) {
        let phase: AttentionPhase = step.lowerBound == 0 ? .prefill : .decode
        let output = sequence.run(session, step, phase)
        #expect(
          Self.difference(output, sequence.run(dense, step, phase)) < 1e-6,
          "\(name) \(parameters), tokens \(step)")
      }
      #expect(session.tokensHeld == 2 * 180)
    }
  }

  @Test("Memory falls when tokens leave, after the prompt and in decode")
  func memory() throws {
    let sequence = TestSequence(Self.shape, tokens: 1400, seed: 2)
    let dense = try AttentionSession("full")
    sequence.run(dense, 0..<1000, .prefill)
    let tokenBytes = (2 * 16 + 1) * 4
    #expect(dense.residentBytes == 2 * 1000 * tokenBytes)
    #expect(dense.logicalBytes == 2 * 1000 * 2 * 16 * 4)
    for (name, parameters) in [
      ("tca", Self.tca), ("streaming-llm", ["localWindow": 60]),
    ] as [(String, JSONValue)] {
      let session = try AttentionSession(name, parameters)
      sequence.run(session, 0..<1000, .prefill)
      for kvHead in 0..<2 {
        let held = session.held(kvHead).count
        #expect(held < 600)
        let pages = (held + KVHead.pageTokens) / KVHead.pageTokens
        #expect(session.caches[0][kvHead].allocatedBytes <= (pages + 1) * 64 * tokenBytes)
      }
      for token in 1000..<1400 { sequence.run(session, token..<token + 1, .decode) }
      for kvHead in 0..<2 {
        let held = session.held(kvHead).count
        #expect(held < 900)
        let room = held + held / 8 + 3 * KVHead.pageTokens
        #expect(session.caches[0][kvHead].allocatedBytes <= room * tokenBytes)
      }
    }
  }

  @Test("A prompt that fits the window loses nothing", arguments: [1, 2, 31, 47])
  func shortPrompt(prompt: Int) throws {
    let sequence = TestSequence(Self.shape, tokens: prompt, seed: prompt)
    let session = try AttentionSession("tca", Self.tca)
    let dense = try AttentionSession("full")
    let output = sequence.run(session, 0..<prompt, .prefill)
    #expect(output == sequence.run(dense, 0..<prompt, .prefill))
    #expect(session.held(0) == Array(0..<prompt))
  }

  @Test("Two sequences at once in one workspace do not touch each other")
  func separate() throws {
    let workspace = Workspace(workers: try WorkerPool(threadCount: 3))
    let sequences = [5, 6].map { TestSequence(Self.shape, tokens: 130, seed: $0) }
    let steps = [0..<96] + (96..<130).map { $0..<$0 + 1 }
    func phase(_ step: Range<Int>) -> AttentionPhase { step.lowerBound == 0 ? .prefill : .decode }
    let alone = try sequences.map { sequence in
      let session = try AttentionSession("tca", Self.tca)
      return steps.map { sequence.run(session, $0, phase($0)) }
    }
    let together = try sequences.map { _ in
      try AttentionSession("tca", Self.tca, workspace: workspace)
    }
    for (index, step) in steps.enumerated() {
      for (place, sequence) in sequences.enumerated() {
        let output = sequence.run(together[place], step, phase(step))
        #expect(output == alone[place][index], "sequence \(place), tokens \(step)")
      }
    }
  }

  @Test("A second prompt, or a prompt after decode steps, traps")
  func secondPrompt() async {
    await #expect(processExitsWith: .failure) {
      let sequence = TestSequence(AttentionSessionTests.shape, tokens: 4, seed: 1)
      let session = try AttentionSession("full")
      sequence.run(session, 0..<2, .decode)
      sequence.run(session, 0..<4, .prefill)
    }
  }

  @Test("More decode steps together than the strategy allows trap")
  func tooManyTogether() async {
    await #expect(processExitsWith: .failure) {
      let sequence = TestSequence(AttentionSessionTests.shape, tokens: 40, seed: 1)
      let session = try AttentionSession("tca", AttentionSessionTests.tca)
      sequence.run(session, 0..<20, .prefill)
      sequence.run(session, 20..<40, .decode)
    }
  }
}
