import Attention
import Foundation
import Records
import Tasks
import Testing

@testable import Planning

@Suite("Shards of a plan")
struct ShardTests {
  private static let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("experiments")

  /// The shipped specs, by name.
  static let specs: [String] =
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [])
    .filter { $0.hasSuffix(".json") && $0 != "schema.json" }.sorted()

  /// A shipped spec, whatever models and texts are there.
  private func check(_ name: String) throws -> CheckedSpec {
    var environment = SpecSamples.environment
    environment.strategies = StrategyRegistry.builtIn.descriptions
    environment.tasks = TaskRegistry.builtIn.descriptions
    environment.catalogueModels += ["gemma3-270m"]
    environment.target = { _ in .file }
    environment.textDigest = { "digest of \($0)" }
    environment.strategyProblems = SpecEnvironment.problems(in: .builtIn)
    let facts = environment.modelFacts
    environment.modelFacts = { reference in
      guard var facts = facts(reference) else { return nil }
      facts.digest += reference.name
      facts.contextLength = 1_048_576
      return facts
    }
    let spec = Self.folder.appendingPathComponent(name)
    return try CheckedSpec(reading: Array(Data(contentsOf: spec)), source: name, in: environment)
  }

  @Test("There are shipped specs to test on")
  func shipped() { #expect(Self.specs.count > 10 && Self.specs.contains("quickstart.json")) }

  @Test(
    "Every cell is in one shard, in the plan's order, with all that it is compared with",
    arguments: specs)
  func partition(name: String) throws {
    let checked = try check(name)
    let plan = ExperimentPlan(checked)
    let places = Dictionary(
      uniqueKeysWithValues: plan.cells.enumerated().map { ($1.cell.identity, $0) })
    let costs = CellGroup.groups(of: plan.cells).map { Shard.cost(of: $0, plan, checked) }
    let (total, largest) = (costs.reduce(0, +), try #require(costs.max()))
    for count in 1...7 {
      var seen: [String] = []
      for number in 1...count {
        let shard = try #require(Shard(number, of: count))
        let groups = shard.groups(of: plan, in: checked)
        let identities = groups.flatMap { $0.cells.map(\.cell.identity) }
        seen += identities
        let order = identities.compactMap { places[$0] }
        #expect(order == order.sorted(), "\(shard)")
        let own = Set(identities)
        for cell in groups.flatMap(\.cells) {
          #expect(own.contains(cell.fullIdentity), "\(shard)")
          #expect(own.isSuperset(of: cell.references), "\(shard)")
        }
        let load = groups.reduce(0) { $0 + Shard.cost(of: $1, plan, checked) }
        #expect(load <= total / count + largest, "\(shard): \(load) of \(total)")
        #expect(groups == shard.groups(of: ExperimentPlan(checked), in: checked))
      }
      #expect(seen.count == plan.cells.count && Set(seen) == Set(places.keys), "\(count)")
    }
  }

  @Test("Timing groups stay whole: cells of one model, length and task are in one shard")
  func wholeGroups() throws {
    let checked = try SpecSamples.check(PlanTests.example)
    let plan = ExperimentPlan(checked)
    for count in 1...7 {
      var shards: [String: Set<Int>] = [:]
      for number in 1...count {
        for group in try #require(Shard(number, of: count)).groups(of: plan, in: checked) {
          for cell in group.cells { shards[cell.fullIdentity, default: []].insert(number) }
        }
      }
      #expect(shards.count == 6 && shards.values.allSatisfy { $0.count == 1 })
    }
  }

  @Test("With as many shards as groups each has one; with more, some are empty")
  func small() throws {
    let checked = try SpecSamples.check(PlanTests.example)
    let plan = ExperimentPlan(checked)
    let sizes = { (count: Int) in
      (1...count).compactMap { Shard($0, of: count)?.groups(of: plan, in: checked).count }
    }
    #expect(sizes(6) == [1, 1, 1, 1, 1, 1])
    #expect(sizes(9).sorted() == [0, 0, 0, 1, 1, 1, 1, 1, 1])
  }

  @Test("The split of the example is the same today as ever")
  func golden() throws {
    let checked = try SpecSamples.check(PlanTests.example)
    let plan = ExperimentPlan(checked)
    let lines = try (1...3).map { number in
      try #require(Shard(number, of: 3)).groups(of: plan, in: checked).map {
        "\($0.cell.contextLength) \($0.cell.task) \($0.cell.taskProtocol ?? "-")"
      }
    }
    #expect(
      lines == [
        ["512 perplexity prefill", "1024 passkey -"],
        ["512 perplexity continuation", "1024 perplexity continuation"],
        ["512 passkey -", "1024 perplexity prefill"],
      ], "\(lines)")
  }

  @Test(
    "What is no shard is none",
    arguments: [
      "0/4", "5/4", "x", "1", "1/", "/1", "1/2/3", "+1/2", "1 /2", "-1/2", "1/99999999999999999999",
      "٢/٣",
    ])
  func wrong(text: String) { #expect(Shard(text) == nil) }

  @Test("As many shards as there are numbers cost no memory, and each group is still somebody's")
  func absurdCount() throws {
    let checked = try SpecSamples.check(SpecSamples.spec(contexts: "512, 1024"))
    let plan = ExperimentPlan(checked)
    let owned = (1...3).compactMap { Shard($0, of: .max)?.groups(of: plan, in: checked).count }
    #expect(owned.reduce(0, +) == CellGroup.groups(of: plan.cells).count)
    #expect(try #require(Shard(.max, of: .max)).groups(of: plan, in: checked).isEmpty)
  }

  @Test("What is one is read", arguments: [("1/1", 1, 1), ("2/4", 2, 4), ("004/4", 4, 4)])
  func right(text: String, number: Int, count: Int) {
    #expect(Shard(text) == Shard(number, of: count) && Shard(text) != nil)
  }
}
