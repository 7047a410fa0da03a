import Attention
import Calibration
import Foundation
import Planning
import Records
import Tasks
import Testing

@testable import Experiments

@Suite("Compositions in specs and runs")
struct ComposedSpecTests {
  /// The registry's strategies in a folder with a tiny model.
  private let lab: RunLab

  init() throws { lab = try RunLab() }

  private static let tasks = [RunLab.perplexity("continuation")]

  private func labels(_ strategies: [String]) throws -> [String] {
    try lab.plan(RunLab.spec(strategies: strategies, tasks: Self.tasks)).map(\.label)
  }

  private func problems(_ strategies: String) throws -> [String] {
    let error = #expect(throws: SpecError.self) {
      try lab.check(RunLab.spec(strategies: [strategies], tasks: Self.tasks))
    }
    return error?.problems.map { "\($0.path): \($0.message)" } ?? []
  }

  @Test("Labels name the parts, and of a part what distinguishes it")
  func labels() throws {
    #expect(
      try labels([
        #"{"name": "composed", "prefill": {"name": "a-shape"}, "retention": {"name": "snapkv"}}"#
      ]) == ["full", "composed prefill=a-shape retention=snapkv"])
    #expect(
      try labels([
        #"{"name": "composed", "prefill": [null, {"name": "a-shape", "localWindow": [8, 16]}], "retention": {"name": "snapkv", "budget": {"fraction": 0.5}}}"#,
        #"{"name": "composed", "retention": [{"name": "snapkv", "kernel": 3, "budget": {"fraction": 0.2}}, {"name": "knorm"}]}"#,
      ]) == [
        "full", "composed retention=snapkv(kernel=5 fraction=0.5)",
        "composed prefill=a-shape(localWindow=8) retention=snapkv(kernel=5 fraction=0.5)",
        "composed prefill=a-shape(localWindow=16) retention=snapkv(kernel=5 fraction=0.5)",
        "composed retention=snapkv(kernel=3 fraction=0.2)", "composed retention=knorm",
      ])
  }

  @Test("A part's budget that matches is planned after its reference, whose identity it contains")
  func matching() throws {
    func cells(threshold: String) throws -> [PlannedCell] {
      try lab.plan(
        RunLab.spec(
          strategies: [
            #"{"name": "composed", "prefill": {"name": "streaming-llm", "budget": {"matching": "streaming-llm", "of": "density"}}, "retention": {"name": "snapkv", "budget": {"matching": "tca"}}}"#,
            RunLab.streaming, RunLab.tca.replacing("0.7", by: threshold),
          ], tasks: Self.tasks))
    }
    let one = try cells(threshold: "[0.7, 0.9]")
    #expect(
      one.map(\.label) == [
        "full", "streaming-llm", "tca threshold=0.7", "tca threshold=0.9",
        "composed prefill=streaming-llm retention=snapkv(matching tca threshold=0.7)",
        "composed prefill=streaming-llm retention=snapkv(matching tca threshold=0.9)",
      ])
    for (cell, reference) in zip(one[4...], one[2...]) {
      #expect(
        cell.partReferences == [
          "prefill": one[1].cell.identity, "retention": reference.cell.identity,
        ])
      #expect(cell.matchedIdentity == one[1].cell.identity)
      #expect(cell.references.count == 2)
    }
    #expect(Set(one.map(\.cell.identity)).count == 6)
    // Another reference, another cell.
    let other = try cells(threshold: "0.8")
    #expect(other.count == 4 && other[3].cell.identity != one[4].cell.identity)
  }

  @Test(
    "Mistakes in a part name their place",
    arguments: [
      (#"{"name": "composed"}"#, "$.strategies[0]"),
      (#"{"name": "composed", "prefill": "a-shape"}"#, "$.strategies[0].prefill"),
      (#"{"name": "composed", "prefill": []}"#, "$.strategies[0].prefill"),
      (
        #"{"name": "composed", "prefill": {"name": "snapkv"}}"#,
        "$.strategies[0].prefill.name"
      ),
      (
        #"{"name": "composed", "retention": [{"name": "knorm"}, {"name": "composed"}]}"#,
        "$.strategies[0].retention[1].name"
      ),
      (
        #"{"name": "composed", "retention": {"name": "snapkv", "kernl": 3}}"#,
        "$.strategies[0].retention.kernl"
      ),
      (
        #"{"name": "composed", "retention": {"name": "snapkv", "budget": {"mass": 0.5}}}"#,
        "$.strategies[0].retention.budget.mass"
      ),
      (
        #"{"name": "composed", "retention": {"name": "snapkv", "budget": {"matching": "tca"}}}"#,
        "$.strategies[0].retention.budget.matching"
      ),
      (
        #"{"name": "composed", "retention": {"name": "tca", "localWindow": 100}}"#,
        "$.strategies[0].retention.localWindow"
      ),
      (
        #"{"name": "composed", "retention": {"name": "tca", "calibrationCorpus": "nowhere.txt"}}"#,
        "$.strategies[0].retention.calibrationCorpus"
      ),
      (
        #"{"name": "composed", "retention": {"name": "tca", "calibrationLength": 4096}}"#,
        "$.strategies[0].retention.calibrationLength"
      ),
    ])
  func mistakes(strategy: String, place: String) throws {
    let found = try problems(strategy)
    #expect(found.count == 1 && found[0].hasPrefix(place + ":"), "\(found)")
  }

  @Test("Only a composition whose prompt part looks ahead is marked so")
  func looksAhead() throws {
    let tca = RunLab.tca
    let cells = try lab.plan(
      RunLab.spec(
        strategies: [
          #"{"name": "composed", "prefill": [\#(tca), {"name": "a-shape"}], "retention": \#(tca)}"#
        ], tasks: Self.tasks))
    #expect(cells.map(\.cell.selectionLooksAhead) == [false, true, false])
  }

  @Test("In a run parts are calibrated once, matched parts keep what their reference keeps")
  func inARun() throws {
    let run = try lab.run(
      RunLab.spec(
        contexts: "256",
        strategies: [
          RunLab.tca,
          #"{"name": "composed", "prefill": {"name": "a-shape", "initialTokens": 4, "localWindow": 40}, "retention": \#(RunLab.tca)}"#,
          #"{"name": "composed", "retention": {"name": "snapkv", "observationWindow": 8, "budget": {"matching": "tca", "of": "kvBytes"}}, "decode": {"name": "quest", "budget": {"tokens": 32}}}"#,
        ], tasks: Self.tasks))
    #expect(run.summary.failed == 0, "\(run.events)")
    #expect(run.notes.count { $0.contains("calibrating") } == 1, "\(run.notes)")
    let rows = try lab.results().rows
    let label = { (text: String) in
      try #require(rows.first { $0.planned.label.hasPrefix(text) }, "\(rows.map(\.planned.label))")
    }
    let tca = try label("tca")
    let calibrated = try label("composed prefill=a-shape")
    let matched = try label("composed retention=snapkv")
    // The selection for the cache comes from the same dense prompt in both, isolated.
    #expect(try #require(calibrated[.retainedFraction]) == #require(tca[.retainedFraction]))
    #expect(try #require(calibrated[.nominalDensity]) != #require(tca[.nominalDensity]))
    let kept = try #require(matched[.kvCacheLogicalBytes])
    let wanted = try #require(tca[.kvCacheLogicalBytes])
    // Less than a token in each of 2 layers x 2 KV heads, 16 floats of key and of value each, is rounded away.
    #expect(kept <= wanted && kept > wanted - 4 * 2 * 16 * 4, "\(kept) of \(wanted) bytes")
    #expect(matched.planned.matchedIdentity == tca.planned.cell.identity)
    // A second run finds all of it.
    let again = try lab.run(
      RunLab.spec(
        contexts: "256",
        strategies: [
          #"{"name": "composed", "prefill": {"name": "a-shape", "initialTokens": 4, "localWindow": 40}, "retention": \#(RunLab.tca)}"#
        ], tasks: Self.tasks))
    #expect(again.skipped.count == 2)
  }

  @Test("A part is named by the word of its text, its identity by what the text says")
  func textDigest() throws {
    try lab.folder.write(
      String(try Corpus(named: "novel.txt", folder: lab.folder.url).text), to: "copy.txt")
    let cells = try ["novel.txt", "copy.txt"].map { corpus in
      try lab.plan(
        RunLab.spec(
          strategies: [
            #"{"name": "composed", "retention": \#(RunLab.tca.replacing("novel.txt", by: corpus))}"#
          ], tasks: Self.tasks))[1]
    }
    #expect(cells[0].cell.identity == cells[1].cell.identity)
    #expect(cells[0].cell.strategyParameters != cells[1].cell.strategyParameters)
  }
}

extension String {
  fileprivate func replacing(_ word: String, by other: String) -> String {
    replacingOccurrences(of: word, with: other)
  }
}
