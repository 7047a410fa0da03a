import Records
import Testing

@testable import Reports

@Suite("Times of several machines and builds")
struct TimingOriginTests {
  /// The example at three lengths; from the second timing group on on another run, which `change` tells from the first.
  private func analysis(_ change: (inout Provenance) -> Void) -> ExperimentAnalysis {
    var results = ExampleResults.experiment(contexts: [512, 1024, 2048])
    var second = results.runs[0]
    second.id = 2
    change(&second.provenance)
    results.runs.append(second)
    for index in results.timingGroups.indices.dropFirst(2) { results.timingGroups[index].run = 2 }
    return ExperimentAnalysis(results)
  }

  /// Whether a power of a time is fitted to the lengths, and one of bytes.
  private func fits(_ analysis: ExperimentAnalysis) throws -> [Bool] {
    let section = analysis.growthSection(StrategyStyles(analysis.rows, []))
    let table = try #require(section.tables.first)
    let full = try #require(table.texts.first { $0[2] == "full" })
    // A column without any value is left out.
    return ["first token", "KV cache bytes"].map { heading in
      table.columns.firstIndex { $0.heading == heading }.map { full[$0].contains("±") } ?? false
    }
  }

  @Test("Growth of times is fitted within one machine and build only, that of bytes always")
  func growth() throws {
    #expect(try fits(analysis { _ in }) == [true, true])
    #expect(try fits(analysis { $0.cpu = "Another CPU" }) == [false, true])
    #expect(try fits(analysis { $0.sourceState = "another" }) == [false, true])
    #expect(try fits(analysis { $0.blas = "other kernels" }) == [false, true])
    #expect(try fits(analysis { $0.compilerFlags = "for other vectors" }) == [false, true])
    // Another start, or another number of threads in the spec, is no other machine.
    #expect(try fits(analysis { $0.operatingSystem = "Debian 13" }) == [true, true])
  }

  /// Two texts in one pool, each with its own timing group.
  private func pooled(_ change: (inout Provenance) -> Void) -> Pool? {
    var results = ExampleResults.experiment(contexts: [512])
    var texts = Array(results.rows.prefix(4))
    var group = results.timingGroups[0]
    for index in texts.indices {
      texts[index].planned.cell.identity += " second"
      texts[index].planned.fullIdentity += " second"
      texts[index].planned.cell.taskParameters = [
        "samples": 8, "scoredTokens": 256, "corpus": "corpora/second.txt",
      ]
    }
    for index in group.group.samples.indices { group.group.samples[index].identity += " second" }
    for index in group.group.controls.indices { group.group.controls[index].identity += " second" }
    (group.id, group.run) = (9, 2)
    var second = results.runs[0]
    second.id = 2
    change(&second.provenance)
    results.runs.append(second)
    results.timingGroups = [results.timingGroups[0], group]
    results.rows =
      results.rows.prefix(4).map { row in
        var row = row
        row.planned.cell.taskParameters = ["samples": 8, "scoredTokens": 256, "corpus": "first"]
        return row
      } + texts
    return ExperimentAnalysis(results).pools.first
  }

  @Test("Ratios are pooled over texts within one machine and build only")
  func pools() throws {
    func count(_ change: (inout Provenance) -> Void) throws -> Int? {
      let found = pooled(change)
      let pool = try #require(found)
      #expect(pool.tasks.count == 2)
      return pool.timeRatio(.timeToFirstToken, of: "streaming-llm", to: "full")?.count
    }
    #expect(try count { _ in } == 16)
    #expect(try count { $0.cores = 64 } == nil)
    #expect(try count { $0.sourceState = "another" } == nil)
  }

  @Test("Disturbed groups are flagged, with how much others took")
  func disturbed() throws {
    func flags(_ share: Double) -> [String] {
      var results = ExampleResults.experiment(contexts: [512])
      let full = results.rows[0].planned.cell.identity
      results.timingGroups[0].group.measurements[full] = [
        MetricCatalogue.othersCoreShare.measurement("value", value: share)
      ]
      return ExperimentAnalysis(results).flags.filter { $0.hasPrefix("times were disturbed") }
    }
    #expect(flags(0.04).isEmpty)
    let found = flags(0.37)
    #expect(found.count == 1 && found[0].contains("took 37 % of the cores, "), "\(found)")
  }
}
