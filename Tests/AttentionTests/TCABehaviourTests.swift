import Attention
import LabTestSupport
import Records
import Tensors
import Testing
import Threads

@Suite("TCA against an obvious implementation")
struct TCABehaviourTests {
  struct Case: CustomStringConvertible, Sendable {
    var queryHeads = 6
    var kvHeads = 2
    var headDimension = 16
    /// The layer at work, the last of its model.
    var layer = 0
    var prompt = 100
    var decoded = 40
    var strategy = TCA {
      $0.blockSize = 16
      $0.localWindow = 32
    }
    var seed = 1

    var shape: AttentionShape {
      AttentionShape(
        layers: layer + 1, queryHeads: queryHeads, kvHeads: kvHeads, headDimension: headDimension)
    }

    var description: String {
      "\(queryHeads)/\(kvHeads) heads of \(headDimension), \(prompt)+\(decoded) tokens, seed \(seed), \(strategy)"
    }
  }

  /// Each option away from its default, each prompt length around the borders of blocks and windows, and mixtures.
  static let cases: [Case] = {
    var cases: [Case] = []
    func add(_ change: (inout Case) -> Void) {
      var new = Case()
      new.seed = cases.count + 1
      change(&new)
      if new.strategy.heads == nil {
        var generator = SeededGenerator(seed: new.seed, purpose: "heads")
        let group = new.shape.queryHeadsPerKVHead
        var heads = (0..<(new.layer + 1) * new.queryHeads).map { _ in
          generator.index(below: 14)
        }
        if new.strategy.groupMerge == .aggregate {
          heads = heads.indices.map { heads[$0 / group * group] }
        }
        new.strategy.heads = heads
      }
      cases.append(new)
    }
    for prompt in [0, 1, 15, 16, 17, 32, 47, 48, 49, 63, 64, 65, 96, 112, 200] {
      add { $0.prompt = prompt }
    }
    add {
      $0.queryHeads = 3
      $0.kvHeads = 3
      $0.headDimension = 24
    }
    add {
      $0.queryHeads = 8
      $0.kvHeads = 1
      $0.headDimension = 8
    }
    add { $0.strategy.groupMerge = .aggregate }
    add {
      $0.strategy.groupMerge = .aggregate
      $0.strategy.importanceQueries = 9
    }
    add { $0.layer = 2 }
    add { $0.strategy.groupAttends = .union }
    add { $0.strategy.sinks = 4 }
    add {
      $0.strategy.sinks = 4
      $0.prompt = 20
      $0.decoded = 60
    }
    add {
      $0.strategy.sinks = 20
      $0.prompt = 20
      $0.decoded = 60
    }
    add { $0.strategy.importanceQueries = 7 }
    add { $0.strategy.importanceQueries = 1000 }
    add { $0.strategy.balance = 0 }
    add { $0.strategy.balance = 1 }
    add { $0.strategy.prefill = false }
    add { $0.strategy.decode = false }
    add { $0.strategy.retention = false }
    add {
      $0.strategy.retention = false
      $0.strategy.groupMerge = .aggregate
    }
    add {
      $0.strategy.retention = false
      $0.strategy.decode = false
    }
    add { $0.strategy.localWindow = 0 }
    add {
      $0.strategy.localWindow = 0
      $0.prompt = 96
    }
    add {
      $0.strategy.localWindow = 0
      $0.strategy.sinks = 2
    }
    add {
      $0.strategy.blockSize = 1
      $0.strategy.localWindow = 5
    }
    add {
      $0.strategy.blockSize = 1
      $0.strategy.localWindow = 0
    }
    add {
      $0.strategy.blockSize = 2
      $0.strategy.localWindow = 8
    }
    add {
      $0.strategy.blockSize = 64
      $0.strategy.localWindow = 64
      $0.prompt = 300
    }
    add { $0.strategy.heads = [-1, -1, -1, -1, -1, -1] }
    add { $0.strategy.heads = [3, -1, 5, 0, 0, 0] }
    add {
      $0.strategy.heads = [3, -1, 5, 0, 0, 0]
      $0.strategy.groupAttends = .union
    }
    return cases
  }()

  @Test(
    "Attended pairs, outputs, cache and evictions agree, for every option and length",
    arguments: cases)
  func agrees(_ testCase: Case) throws {
    let shape = testCase.shape
    let total = testCase.prompt + testCase.decoded
    let sequence = TestSequence(shape, tokens: total, seed: testCase.seed)
    let attention = sequence.attention
    var reference = ReferenceTCA(testCase.strategy, attention, layer: testCase.layer)
    try ConfiguredStrategy(testCase.strategy).check(promptTokens: total, shape: shape)
    let session = AttentionSession(
      testCase.strategy, shape: shape,
      workspace: Workspace(workers: try WorkerPool(threadCount: 2)))

    if testCase.prompt > 0 {
      let attended = reference.prefill(testCase.prompt)
      let (output, outcome) = sequence.attend(
        session, 0..<testCase.prompt, .prefill, layer: testCase.layer)
      for head in 0..<shape.queryHeads {
        #expect(
          outcome.pairs[head].nominal == attended[head].reduce(0) { $0 + $1.count },
          "head \(head) of \(testCase)")
        for query in 0..<testCase.prompt {
          Self.expectOutput(
            output, row: query, head: head, query: query, attended[head][query], attention,
            outcome, tokens: testCase.prompt)
        }
      }
      Self.expectCache(session, reference, testCase)
    }
    for query in testCase.prompt..<total {
      let attended = reference.decode()
      let (output, outcome) = sequence.attend(
        session, query..<query + 1, .decode, layer: testCase.layer)
      for head in 0..<shape.queryHeads {
        #expect(
          outcome.pairs[head].nominal == attended[head].count,
          "query \(query), head \(head) of \(testCase)")
        Self.expectOutput(
          output, row: 0, head: head, query: query, attended[head], attention, outcome, tokens: 1)
      }
      Self.expectCache(session, reference, testCase)
    }
  }

  private static func expectCache(
    _ session: AttentionSession, _ reference: ReferenceTCA, _ testCase: Case
  ) {
    for kvHead in session.caches[testCase.layer].indices {
      #expect(
        session.held(kvHead, layer: testCase.layer) == reference.cache[kvHead].sorted(),
        "after \(reference.tokens) tokens, KV head \(kvHead) of \(testCase)")
    }
  }

  private static func expectOutput(
    _ output: Matrix, row: Int, head: Int, query: Int, _ attended: Set<Int>,
    _ attention: ReferenceAttention, _ outcome: AttentionOutcome, tokens: Int
  ) {
    let expected = attention.attend(head: head, query: query, to: attended.sorted())
    let d = attention.shape.headDimension
    for i in 0..<d {
      let difference = abs(Double(output[row, head * d + i]) - expected.output[i])
      #expect(difference < 1e-5, "query \(query), head \(head)")
    }
    let sum = Double(outcome.logSumExp[head * tokens + row])
    #expect(abs(sum - expected.logSumExp) < 1e-5, "query \(query), head \(head)")
  }
}
