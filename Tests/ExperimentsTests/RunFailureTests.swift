import Foundation
import GRDB
import LabTestSupport
import Records
import Testing

@testable import Experiments

@Suite("Cells that fail")
struct RunFailureTests {
  /// Its calibration text is too short, which only a tokenizer can tell.
  private static let broken =
    #"{"name": "tca", "blockSize": 16, "localWindow": 32, "calibrationCorpus": "short.txt", "calibrationLength": 256}"#

  @Test(
    "A failed cell is recorded with its reason, its matched cells with that, and the others go on")
  func failure() throws {
    let lab = try RunLab()
    let spec = RunLab.spec(
      contexts: "64, 128", strategies: [Self.broken, RunLab.matching, RunLab.streaming],
      tasks: [RunLab.perplexity("prefill")])
    for attempt in 1...2 {
      let run = try lab.run(spec)
      #expect(run.summary.failed == 4)
      #expect(run.summary.finished == (attempt == 1 ? 4 : 0))
      #expect(run.summary.skipped == (attempt == 1 ? 0 : 4))
      #expect(try lab.runs().last?.ending == .withFailures)
      let rows = try lab.results().rows
      #expect(rows.count == 8)
      for row in rows {
        let isMatched = row.planned.matchedIdentity != nil
        guard row.planned.cell.strategy == "tca" || isMatched else {
          #expect(row.failure == nil && Set(row.kinds.keys) == Set(ResultKind.allCases))
          continue
        }
        #expect(row.kinds.isEmpty)
        let failure = try #require(row.failure)
        #expect(failure.run == Int64(attempt))
        #expect(failure.reason.contains("256 tokens are more than the"), "\(failure.reason)")
        #expect(failure.reason.contains("short.txt"), "\(failure.reason)")
        #expect(failure.reason.hasPrefix("the matched cell \"tca\" failed") == isMatched)
      }
    }
    // A strategy that is not timed does not change who is.
    let group = try #require(try lab.results().timingGroups.first).group
    #expect(Set(group.samples.map(\.identity)).count == 2)
  }

  @Test(
    "A model that was replaced after the plan was made is refused: its cells carry another digest")
  func replacedModel() throws {
    let lab = try RunLab()
    let checked = try lab.check(
      RunLab.spec(strategies: [RunLab.streaming], tasks: [RunLab.perplexity("prefill")]))
    var other = TinyModel()
    other.contextLength = 512
    other.seed = 2
    try other.write(to: lab.folder.path("model.gguf"))
    let shelf = ModelShelf(checked.models, workspace: lab.workspace)
    let error = #expect(throws: WeightsFileError.self) {
      try shelf.model(named: "tiny", contextLength: 128)
    }
    #expect(error?.change == "was replaced after the run was planned")
  }

  @Test(
    "Nothing is stored of a text that was written to after the plan was made",
    arguments: [
      "novel.txt", "calibration.txt",
    ])
  func changedText(name: String) throws {
    let lab = try RunLab()
    let novel = try String(contentsOfFile: lab.folder.path("novel.txt"), encoding: .utf8)
    try lab.folder.write(novel, to: "calibration.txt")
    let tca = RunLab.tca.replacing("novel.txt", with: "calibration.txt")
    let run = try lab.run(
      RunLab.spec(strategies: [tca], tasks: [RunLab.perplexity("prefill")])
    ) { event in
      guard case .began = event else { return }
      try? lab.folder.write(novel + " And more.", to: name)
    }
    let reasons = try lab.results().rows.compactMap(\.failure?.reason)
    #expect(run.summary.failed == reasons.count && reasons.count == (name == "novel.txt" ? 2 : 1))
    for reason in reasons { #expect(reason.hasPrefix("the text \"\(name)\" is not the one")) }
  }

  @Test("No calibration is stored of a model that was written to meanwhile")
  func calibrationOfChangedModel() throws {
    let lab = try RunLab()
    let path = lab.folder.path("model.gguf")
    let run = try lab.run(
      RunLab.spec(strategies: [RunLab.tca], tasks: [RunLab.perplexity("prefill")])
    ) { event in
      guard case .note(let text) = event, text.hasPrefix("calibrating"),
        let file = FileHandle(forUpdatingAtPath: path)
      else { return }
      // Its last weight.
      let end = try? file.seekToEnd()
      try? file.seek(toOffset: (end ?? 1) - 1)
      let last = try? file.read(upToCount: 1)
      try? file.seek(toOffset: (end ?? 1) - 1)
      try? file.write(contentsOf: Data([(last?.first ?? 0) ^ 1]))
      try? file.close()
    }
    #expect(run.summary.failed == 2)
    #expect(try lab.results().calibrations.isEmpty)
  }

  @Test("Times that were taken without full attention are taken again with it")
  func timesWithoutFull() throws {
    let lab = try RunLab()
    let spec = RunLab.spec(strategies: [RunLab.streaming], tasks: [RunLab.perplexity("prefill")])
    _ = try lab.run(spec)
    try DatabaseQueue(path: lab.folder.path("results.sqlite")).write {
      try $0.execute(
        sql: """
          DELETE FROM cell_kind WHERE kind = 'latency'
            AND cell_id = (SELECT id FROM cell WHERE strategy = 'full')
          """)
    }
    #expect(try lab.run(spec).summary.finished == 1)
    let groups = try lab.results().timingGroups
    #expect(try Set(#require(groups.last).group.samples.map(\.identity)).count == 2)
    #expect(try lab.run(spec).summary == RunSummary(finished: 0, skipped: 2))
  }

  @Test("A task that cannot be put fails its own cells only")
  func task() throws {
    let lab = try RunLab()
    let spec = RunLab.spec(
      strategies: [RunLab.streaming],
      tasks: [
        RunLab.perplexity("prefill", corpus: "short.txt"), RunLab.perplexity("prefill"),
      ])
    let run = try lab.run(spec)
    #expect(run.summary == RunSummary(finished: 2, skipped: 0, failed: 2, isInterrupted: false))
    for row in try lab.results().rows {
      let isShort = row.planned.cell.taskParameters["corpus"] == "short.txt"
      #expect((row.failure != nil) == isShort)
      #expect(row.kinds.isEmpty == isShort)
      if let reason = row.failure?.reason {
        #expect(reason.contains("samples are asked for"), "\(reason)")
      }
    }
  }
}
