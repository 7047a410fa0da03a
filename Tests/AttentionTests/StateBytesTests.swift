import JSON
import Tensors
import Testing

@testable import Attention

@Suite("Bytes of what strategies remember")
struct StateBytesTests {
  private static let shape = AttentionSessionTests.shape
  private static var sequence: TestSequence { TestSequence(shape, tokens: 160, seed: 6) }

  private static func bytes(_ selections: [Selection]) -> Int {
    selections.reduce(0) { $0 + $1.runs.count * MemoryLayout<Range<Int>>.size }
  }

  private static func cacheBytes(_ session: AttentionSession) -> Int {
    session.caches.joined().reduce(0) { $0 + $1.allocatedBytes }
  }

  @Test("H2O's sums are 8 bytes for each token that a KV head holds, after each step")
  func sums() throws {
    let session = try AttentionSession("h2o", ["budget": ["tokens": 30]])
    #expect(session.stateBytes == 0)
    Self.sequence.run(session, 0..<100, .prefill)
    #expect(session.stateBytes == 2 * 30 * 8)
    for token in 100..<160 {
      Self.sequence.run(session, token..<token + 1, .decode)
      // The newest token's sum comes with the next retention.
      #expect(session.stateBytes == 2 * 30 * 8)
      #expect(session.residentBytes == Self.cacheBytes(session) + session.stateBytes)
    }
    let unbounded = try AttentionSession("h2o", ["heavyFraction": 1, "recentFraction": 1])
    Self.sequence.run(unbounded, 0..<100, .prefill)
    #expect(unbounded.stateBytes == 2 * 100 * 8)
  }

  @Test("TCA's runs count: those of each query head, and those that its KV heads hold")
  func runs() throws {
    let session = try AttentionSession("tca", AttentionSessionTests.tca)
    var chosen: [Selection] = []
    var held: [Selection] = []
    session.observer = { _, decision, selections in
      switch decision {
      case .attending: chosen = selections.selections
      case .retaining: held = selections.selections
      case .cooling, .coarsening: Issue.record("tca holds all tokens alike")
      }
    }
    Self.sequence.run(session, 0..<100, .prefill)
    let afterPrompt = session.stateBytes
    #expect(afterPrompt == Self.bytes(chosen) + Self.bytes(held))
    #expect(afterPrompt > 1000 && session.residentBytes == Self.cacheBytes(session) + afterPrompt)
    for token in 100..<160 {
      Self.sequence.run(session, token..<token + 1, .decode)
      #expect(session.stateBytes == Self.bytes(chosen) + Self.bytes(held))
    }
    // Blocks have left the window.
    #expect(session.stateBytes > afterPrompt)
  }

  @Test("Quest's bounds are two numbers a channel for each page, all of them held")
  func bounds() throws {
    let session = try AttentionSession("quest", ["pageSize": 16, "denseLayers": 0])
    Self.sequence.run(session, 0..<100, .prefill)
    #expect(session.stateBytes == 7 * 2 * 2 * 16 * 4)
    Self.sequence.run(session, 100..<101, .decode)
    for token in 101..<160 { Self.sequence.run(session, token..<token + 1, .decode) }
    #expect(session.stateBytes == 10 * 2 * 2 * 16 * 4)
    #expect(session.residentBytes == Self.cacheBytes(session) + session.stateBytes)
  }

  @Test("The oracle's selections count from the moment that it is told the future")
  func oracle() throws {
    let recorder = FutureRecorder(try AttentionSession("full"))
    Self.sequence.run(recorder, 0..<100, .prefill)
    Self.sequence.run(recorder, 100..<160, .decode)
    let session = try AttentionSession("oracle-eviction", ["budget": ["tokens": 30]])
    session.foresee(recorder.future)
    let told = session.stateBytes
    var kept: [Selection] = []
    session.observer = { _, decision, selections in
      if case .retaining = decision { kept = selections.selections }
    }
    Self.sequence.run(session, 0..<100, .prefill)
    #expect(kept.count == 2 && session.stateBytes == Self.bytes(kept) && told == Self.bytes(kept))
    #expect(session.residentBytes == Self.cacheBytes(session) + told)
  }

  @Test("What tca-plus notes between the halves of a retention is gone after it")
  func transient() throws {
    let session = try AttentionSession(
      "tca-plus", ["localWindow": 32, "heads": [3, 3, 3, 3, 3, 3]])
    Self.sequence.run(session, 0..<100, .prefill)
    #expect(session.caches[0][0].cold != nil && session.stateBytes == 0)
  }

  @Test(
    "Choices for a prompt are gone with it",
    arguments: ["minference", "flex-prefill", "xattention", "oracle-top-k"])
  func prompt(name: String) throws {
    let session = try AttentionSession(name)
    Self.sequence.run(session, 0..<100, .prefill)
    #expect(session.stateBytes == 0)
  }

  @Test("TCA's choice for a prompt goes with it where no later phase needs it")
  func promptAlone() throws {
    let tca = AttentionSessionTests.tca.objectValue ?? [:]
    let off: [String: JSONValue] = ["decode": false, "retention": false]
    let alone = try AttentionSession("tca", .object(tca.merging(off) { $1 }))
    let part = try AttentionSession(
      "composed", ["prefill": .object(tca.merging(["name": "tca"]) { $1 })])
    for session in [alone, part] {
      Self.sequence.run(session, 0..<100, .prefill)
      #expect(session.stateBytes == 0)
      for token in 100..<160 { Self.sequence.run(session, token..<token + 1, .decode) }
      #expect(session.stateBytes == 0 && session.tokensHeld == 2 * 160)
    }
  }

  @Test("Nor does a decode part hold what it notes of a retention that is another's")
  func watchedRetention() throws {
    let parameters: JSONValue = [
      "name": "tca-plus", "localWindow": 32, "heads": [3, 3, 3, 3, 3, 3],
    ]
    let session = try AttentionSession(
      "composed", ["retention": parameters, "decode": parameters])
    Self.sequence.run(session, 0..<100, .prefill)
    let afterPrompt = try #require(session.caches[0][0].cold).count
    #expect(session.stateBytes == 0)
    for token in 100..<160 {
      Self.sequence.run(session, token..<token + 1, .decode)
      #expect(session.stateBytes == 0)
    }
    #expect(try #require(session.caches[0][0].cold).count > afterPrompt)
  }

  @Test("A composition's bytes are those of its parts")
  func composed() throws {
    let tca = AttentionSessionTests.tca.objectValue ?? [:]
    let session = try AttentionSession(
      "composed",
      [
        "retention": ["name": "h2o", "budget": ["tokens": 40]],
        "decode": .object(tca.merging(["name": "tca"]) { $1 }),
      ])
    let h2o = try AttentionSession("h2o", ["budget": ["tokens": 40]])
    let alone = try AttentionSession("tca", AttentionSessionTests.tca)
    for session in [session, h2o, alone] { Self.sequence.run(session, 0..<100, .prefill) }
    #expect(session.stateBytes == h2o.stateBytes + alone.stateBytes)
  }
}
