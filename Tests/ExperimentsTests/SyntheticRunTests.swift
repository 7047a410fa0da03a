import Foundation
import Planning
import Testing

@testable import Experiments

@Suite("Experiments on synthetic models")
struct SyntheticRunTests {
  private static func spec(
    model: String = #"{"queryHeads": 4, "kvHeads": 1, "headDimension": 32}"#,
    strategies: [String] = [
      #"{"name": "tca", "blockSize": 16, "localWindow": 32, "threshold": 0.7, "calibrationLength": 256}"#,
      #"{"name": "streaming-llm", "budget": {"matching": "tca"}}"#,
    ],
    task: String = #"{"name": "attention", "samples": 2, "comparedTokens": 3, "decodeTokens": 2}"#,
    rest: String = ""
  ) -> String {
    """
    {"schemaVersion": 1, "name": "tiny", "models": [{"name": "group", "synthetic": \(model)}],
    "contextLengths": [256, 192],
    "strategies": [\(strategies.joined(separator: ", "))],
    "tasks": [\(task)],
    "warmups": 0, "repeats": 1, "seed": 3\(rest)}
    """
  }

  private func problems(_ spec: String) throws -> [String] {
    do {
      _ = try RunLab().check(spec)
      return []
    } catch let error as SpecError {
      return error.problems.map(\.description)
    }
  }

  @Test("Errors, times and bytes of every strategy are measured; the two settings are one")
  func run() throws {
    let lab = try RunLab()
    let run = try lab.run(Self.spec())
    #expect(run.summary.failed == 0 && run.summary.finished == 6, "\(run.events)")
    #expect(run.notes.contains("calibrating tca on 256 tokens of its own attention inputs"))
    let results = try lab.results()
    for row in results.rows {
      #expect(Set(row.kinds.keys) == [.approximation, .latency, .memory])
      let error = try #require(row[.relativeOutputError])
      #expect(row.isFull ? error < 1e-6 : error > 1e-4, "\(row.planned.label)")
      #expect(row[.propagatedRelativeOutputError] == error)
      #expect(row[.decodeRelativeOutputError] != nil && row[.timePerOutputToken] != nil)
      #expect(row[.perplexity] == nil && row[.score] == nil && row.units.isEmpty)
    }
    let kept = try results.row("tca", contextLength: 256)
    #expect(try #require(kept[.retainedFraction]) < 1)
    #expect(try #require(results.calibrations.first).corpus == "its own attention inputs")
    let full = try results.row("full", contextLength: 256)
    // 1 layer x 1 KV head x 2 x 32 x 4 bytes for each of 256 tokens: the inputs are no part of it.
    #expect(full[.kvCacheLogicalBytes] == 65_536.0)
    let second = try lab.run(Self.spec())
    #expect(second.summary.skipped == 6)
  }

  @Test("Any number of threads gives the same figures")
  func threads() throws {
    let one = try RunLab(threads: 1)
    let three = try RunLab(threads: 3)
    _ = try one.run(Self.spec())
    _ = try three.run(Self.spec())
    #expect(try one.results().reproducible == three.results().reproducible)
  }

  @Test("A spec without metrics asks for all that there are; quality is refused by name")
  func metrics() throws {
    let lab = try RunLab()
    #expect(try lab.check(Self.spec()).spec.metrics == [.approximation, .latency, .memory])
    let found = try problems(Self.spec(rest: #", "metrics": ["memory", "quality"]"#))
    #expect(
      found.count == 1
        && found[0].hasSuffix(
          #"$.metrics[1]: "quality" does not exist for synthetic models, which predict nothing; allowed: approximation, latency, memory"#
        ), "\(found)")
  }

  @Test("Tasks and models that don't go together are refused")
  func tasks() throws {
    let found = try problems(Self.spec(task: #"{"name": "perplexity", "corpus": "novel.txt"}"#))
    #expect(found.count == 1)
    #expect(
      found.first?.contains(
        #"$.tasks[0].name: "perplexity" needs a model that reads text; "group" is synthetic: attention inputs without a model; allowed: attention for this model"#
      ) == true, "\(found)")
    let text = RunLab.spec(strategies: [RunLab.streaming], tasks: [#"{"name": "attention"}"#])
    #expect(
      try problems(text).first?.contains(
        #"$.tasks[0].name: "attention" needs synthetic models; "tiny" is a model that reads text"#)
        == true)
  }

  @Test(
    "What is wrong with a geometry or a pattern is said at its place",
    arguments: [
      (#"{"queryHeads": 5, "kvHeads": 2, "headDimension": 64}"#, "synthetic.queryHeads"),
      (#"{"queryHeads": 4, "kvHeads": 0, "headDimension": 64}"#, "synthetic.kvHeads"),
      (#"{"queryHeads": 4, "kvHeads": 2}"#, "synthetic"),
      (#"{"queryHeads": 4, "kvHeads": 2, "headDimension": 7}"#, "synthetic.headDimension"),
      (#"{"queryHeads": 4, "kvHeads": 2, "headDimension": 8, "layer": 1}"#, "synthetic.layer"),
      (
        #"{"queryHeads": 4, "kvHeads": 2, "headDimension": 8, "pattern": {"sink": 1}}"#,
        "synthetic.pattern.sink"
      ),
      (
        #"{"queryHeads": 4, "kvHeads": 2, "headDimension": 8, "pattern": {"noise": -1}}"#,
        "synthetic.pattern.noise"
      ),
      (#"{"queryHeads": 4, "kvHeads": 2, "headDimension": 8, "pattern": 1}"#, "synthetic.pattern"),
      ("3", "synthetic"),
    ])
  func geometry(model: String, place: String) throws {
    let found = try problems(Self.spec(model: model))
    #expect(found.count == 1 && found[0].contains("$.models[0].\(place): "), "\(found)")
  }

  @Test("Identities hold the pattern, not the name of the model nor a calibration text")
  func identities() throws {
    let lab = try RunLab()
    func identities(_ spec: String) throws -> [String] {
      try lab.plan(spec).map(\.cell.identity)
    }
    let known = try identities(Self.spec())
    #expect(
      try identities(Self.spec().replacing("\"group\"", with: "\"other\"")) == known)
    let text = #""calibrationLength": 256, "calibrationCorpus": "novel.txt""#
    #expect(
      try identities(Self.spec().replacing(#""calibrationLength": 256"#, with: text)) == known)
    let other = try identities(
      Self.spec(
        model: #"{"queryHeads": 4, "kvHeads": 1, "headDimension": 32, "pattern": {"sinks": 5}}"#))
    #expect(Set(other).isDisjoint(with: known))
  }

  @Test("Inputs that no memory can hold fail their cells with a reason")
  func tooLarge() throws {
    let lab = try RunLab()
    let run = try lab.run(
      Self.spec(
        model: #"{"queryHeads": 1024, "kvHeads": 1024, "headDimension": 1024, "layers": 1024}"#,
        strategies: [#"{"name": "full"}"#]
      ).replacing("[256, 192]", with: "[1048576]"))
    #expect(run.summary.failed == 1)
    let reasons = run.events.compactMap {
      if case .failed(_, let reason) = $0 { reason } else { nil }
    }
    #expect(reasons.first?.contains("the attention inputs of \"1048576\" tokens take") == true)
  }
}
