import Foundation
import JSON
import Planning
import Records
import Tasks
import Testing

@Suite("Context lengths of single models and tasks")
struct SpecContextLengthTests {
  /// A model and a task by their names, limited to `lengths`, which are written as JSON; nil for no limit.
  private static func model(_ name: String, _ lengths: String? = nil) -> String {
    let path = name == "tiny" ? #", "path": "tiny.gguf""# : ""
    return #"{"name": "\#(name)"\#(path)\#(key(lengths))}"#
  }

  private static func task(_ name: String, _ lengths: String? = nil) -> String {
    #"{"name": "\#(name)"\#(key(lengths))}"#
  }

  private static func key(_ lengths: String?) -> String {
    lengths.map { #", "contextLengths": \#($0)"# } ?? ""
  }

  private static let smollm2 = "smollm2-135m-instruct"

  /// Without their places in the text.
  private static func problems(_ text: String) -> [String] {
    SpecSamples.problems(text).map { problem in
      problem.split(separator: " ", maxSplits: 1).last.map { String($0) } ?? ""
    }
  }

  /// Where a model, a length and a task meet.
  private static func place(_ cell: PlannedCell) -> String {
    "\(cell.cell.model) \(cell.cell.contextLength) \(cell.cell.task)"
  }

  private static func some(
    of lengths: [Int], _ generator: inout SeededGenerator
  ) -> [Int]? {
    if generator.index(below: 3) == 0 { return nil }
    var order = lengths
    generator.shuffle(&order)
    return Array(order.prefix(1 + generator.index(below: lengths.count)))
  }

  @Test(
    "Cells are those of the lengths that experiment, model and task have, with the identities and labels that they have without limits",
    arguments: 0..<100)
  func cells(seed: Int) throws {
    var generator = SeededGenerator(seed: seed, purpose: "context lengths")
    // Of every other spec one length is beyond `tiny`.
    let lengths = [256, 512, 1024, seed.isMultiple(of: 2) ? 2048 : 4096]
    let models = [Self.smollm2, "tiny"]
    let tasks = ["passkey", "perplexity"]
    var own: [String: [Int]] = [:]
    for name in models + tasks { own[name] = Self.some(of: lengths, &generator) }
    func spec(_ own: [String: [Int]]) -> String {
      SpecSamples.spec(
        tasks: tasks.map { Self.task($0, own[$0].map { "\($0)" }) }.joined(separator: ", "),
        models: models.map { Self.model($0, own[$0].map { "\($0)" }) }.joined(separator: ", "),
        contexts: lengths.map { "\($0)" }.joined(separator: ", "))
    }
    var places: Set<String> = []
    var met: Set<String> = []
    var isBeyond = false
    for model in models {
      for length in lengths where own[model]?.contains(length) != false {
        for task in tasks where own[task]?.contains(length) != false {
          places.insert("\(model) \(length) \(task)")
          met.formUnion([model, task])
          if model == "tiny", length > 2048 { isBeyond = true }
        }
      }
    }
    let isAlone = met.count < models.count + tasks.count
    let found = Self.problems(spec(own))
    #expect(found.contains { $0.contains("is beyond the context of tiny") } == isBeyond, "\(own)")
    #expect(found.contains { $0.contains("leaves no cell") } == isAlone, "\(own)")
    #expect(found.isEmpty == (!isBeyond && !isAlone), "\(found)")
    guard found.isEmpty else { return }

    let cells = try SpecSamples.plan(spec(own)).cells
    #expect(Set(cells.map { Self.place($0) }) == places)
    // `full` and `tca`.
    #expect(cells.count == 2 * places.count)
    #expect(cells.allSatisfy { $0.cell.taskParameters["contextLengths"] == nil })
    guard seed.isMultiple(of: 2) else { return }
    let all = try SpecSamples.plan(spec([:])).cells.filter { places.contains(Self.place($0)) }
    #expect(cells.map(\.cell.identity) == all.map(\.cell.identity))
    #expect(cells.map(\.label) == all.map(\.label))
    #expect(cells.map(\.taskLabel) == all.map(\.taskLabel))
  }

  @Test("Every kind of model may be limited, each within what it takes")
  func read() throws {
    let models = [
      Self.model(Self.smollm2, "[512]"), Self.model("tiny", "[1024, 5.12e2]"),
      #"{"name": "far", "path": "smollm2-135m-instruct", "ropeScaling": {"type": "ntk", "factor": 2}, "contextLengths": [16384]}"#,
    ]
    let checked = try SpecSamples.check(
      SpecSamples.spec(
        tasks: "\(Self.task("passkey")), \(Self.task("perplexity", "[512]"))",
        models: models.joined(separator: ", "), contexts: "16384, 512, 1024"))
    let ofModels: [Set<Int>?] = [[512], [512, 1024], [16_384]]
    #expect(checked.spec.models.map(\.contextLengths) == ofModels)
    let ofTasks: [Set<Int>?] = [nil, [512]]
    #expect(checked.spec.tasks.map(\.contextLengths) == ofTasks)
    #expect(
      ExperimentPlan(checked).cells.filter { $0.label == "full" }.map { Self.place($0) } == [
        "\(Self.smollm2) 512 passkey", "\(Self.smollm2) 512 perplexity", "tiny 512 passkey",
        "tiny 512 perplexity", "tiny 1024 passkey", "far 16384 passkey",
      ])
  }

  @Test(
    "What is no part of the experiment's lengths is refused with its place and what is allowed",
    arguments: [
      ("512", #": "512" is a number; allowed: a list of some of 512, 1024"#),
      ("null", #": "null" is null; allowed: a list of some of 512, 1024"#),
      ("{}", #": "{}" is an object; allowed: a list of some of 512, 1024"#),
      ("[]", #": "[]" is an empty list; allowed: a list of some of 512, 1024"#),
      ("[512, 512.0]", #"[1]: "512" stands twice in this list; keep one"#),
      (#"[512, "1024"]"#, #"[1]: "1024" is a string; allowed: 512, 1024"#),
      ("[512.5]", #"[0]: "512.5" is not a whole number; allowed: 512, 1024"#),
      ("[1, 512]", #"[0]: "1" is out of range; allowed: 512, 1024"#),
      (
        "[1024, 2048]",
        #"[1]: "2048" is none of the experiment's contextLengths; allowed: 512, 1024"#
      ),
    ])
  func damaged(lengths: String, problem: String) {
    #expect(
      Self.problems(
        SpecSamples.spec(models: Self.model(Self.smollm2, lengths), contexts: "512, 1024")) == [
          "$.models[0].contextLengths\(problem)"
        ])
    #expect(
      Self.problems(
        SpecSamples.spec(tasks: Self.task("passkey", lengths), contexts: "512, 1024")) == [
          "$.tasks[0].contextLengths\(problem)"
        ])
  }

  @Test("Mistakes in the experiment's lengths are said once, those of an entry beside them")
  func damagedExperiment() {
    let found = { (contexts: String) in
      Self.problems(
        SpecSamples.spec(
          tasks: Self.task("passkey", "[1024, true]"),
          models: Self.model(Self.smollm2, "[512]"), contexts: contexts))
    }
    #expect(
      found(#"512, "1024""#) == [
        #"$.contextLengths[1]: "1024" is a string; allowed: a whole number, at least 2"#,
        #"$.tasks[0].contextLengths[1]: "true" is true or false; allowed: a whole number, at least 2"#,
      ])
    #expect(found("").count == 2)
  }

  @Test("A misspelt key is told the right one; a strategy has none")
  func misspelt() {
    #expect(
      Self.problems(
        SpecSamples.spec(
          strategies: #"{"name": "tca"}, {"name": "picker", "contextLengths": [512]}"#,
          tasks: #"{"name": "passkey", "contextLength": [512]}"#,
          models: #"{"name": "smollm2-135m-instruct", "contextlengths": [512]}"#)) == [
          #"$.models[0].contextlengths: "contextlengths" is no key of a model; allowed: name, path, ropeScaling, synthetic, contextLengths; did you mean "contextLengths"?"#,
          #"$.strategies[1].contextLengths: "contextLengths" is no key of picker; allowed: name, cache, budget"#,
          #"$.tasks[0].contextLength: "contextLength" is no key of passkey; allowed: name, depths, samples, queryAware, decodeTokens, contextLengths; did you mean "contextLengths"?"#,
        ])
  }

  @Test("A task or a model that has no length in common with any other is refused, a pair is not")
  func withoutCells() {
    let found = { (models: [String], tasks: [String]) in
      Self.problems(
        SpecSamples.spec(
          tasks: tasks.joined(separator: ", "), models: models.joined(separator: ", "),
          contexts: "256, 512, 1024"))
    }
    #expect(
      found([Self.model(Self.smollm2, "[512, 256]")], [Self.task("passkey", "[1024]")]) == [
        #"$.tasks[0].contextLengths: "[1024]" leaves no cell: no model has any of these lengths; allowed: a list with some of 256, 512"#
      ])
    #expect(
      found(
        [Self.model(Self.smollm2, "[512]"), Self.model("tiny", "[1024, 256]")],
        [Self.task("passkey", "[512]")]) == [
          #"$.models[1].contextLengths: "[256,1024]" leaves no cell: no task has any of these lengths; allowed: a list with some of 512"#
        ])
    #expect(
      found(
        [Self.model(Self.smollm2, "[512]"), Self.model("tiny", "[256]")],
        [Self.task("passkey", "[512]"), Self.task("perplexity", "[256]")]) == [])
    // What is wrong elsewhere may be what is lacking.
    #expect(
      found(
        [Self.model(Self.smollm2, "[512]"), Self.model("tony", "[1024]")],
        [Self.task("passkey", "[1024]")]
      ).count == 1)
  }

  @Test("Beyond a model is only a length that it has cells of")
  func beyond() {
    let found = { (models: [String], tasks: [String]) in
      Self.problems(
        SpecSamples.spec(
          tasks: tasks.joined(separator: ", "), models: models.joined(separator: ", "),
          contexts: "512, 4096"))
    }
    let beyond =
      #"$.contextLengths[1]: "4096" is beyond the context of tiny; allowed: at most 2048"#
    let (smollm2, passkey) = (Self.model(Self.smollm2), Self.task("passkey"))
    #expect(found([smollm2, Self.model("tiny")], [passkey]) == [beyond])
    #expect(found([smollm2, Self.model("tiny", "[512, 4096]")], [passkey]) == [beyond])
    #expect(found([smollm2, Self.model("tiny", "[512]")], [passkey]) == [])
    #expect(found([smollm2, Self.model("tiny")], [Self.task("passkey", "[512]")]) == [])
    #expect(
      found([smollm2, Self.model("tiny")], [passkey, Self.task("perplexity", "[512]")]) == [beyond])
  }

  @Test("What a task has against a length counts where it has cells of it")
  func configurations() {
    let found = { (lengths: String, own: String) in
      Self.problems(
        SpecSamples.spec(
          tasks: #"{"name": "perplexity", "scoredTokens": 512, "contextLengths": \#(lengths)}"#,
          models: Self.model(Self.smollm2, own), contexts: "512, 1024"))
    }
    #expect(
      found("[512, 1024]", "[512, 1024]") == [
        "$.tasks[0].scoredTokens: 512 leave no prompt (contextLength 512)"
      ])
    #expect(found("[1024]", "[512, 1024]") == [])
    #expect(found("[512, 1024]", "[1024]") == [])
  }

  @Test("The same task at other lengths adds cells; at lengths that are there it is refused")
  func repeats() throws {
    let spec = { (first: String?, second: String?) in
      SpecSamples.spec(
        tasks: "\(Self.task("passkey", first)), \(Self.task("passkey", second))",
        contexts: "512, 1024")
    }
    let repeated =
      #"$.tasks[1]: "passkey" gives the same cells as an earlier entry; remove it"#
    #expect(Self.problems(spec(nil, "[512]")) == [repeated])
    #expect(Self.problems(spec("[1024]", "[1024]")).contains(repeated))
    #expect(Self.problems(spec("[1024]", nil)) == [])
    let cells = try SpecSamples.plan(spec("[1024]", "[512]")).cells
    #expect(cells.map(\.cell.contextLength) == [512, 512, 1024, 1024])
    #expect(cells.allSatisfy { $0.taskLabel == "passkey" })
    let shared = try SpecSamples.plan(spec("[1024]", nil)).cells
    #expect(shared.map(\.cell.identity) == cells.map(\.cell.identity))
  }

  @Test("A grid is as large as its cells; one without any is not expanded")
  func sizes() {
    let axis = "[" + (1...200).map { "\($0)" }.joined(separator: ", ") + "]"
    let contexts = (512..<812).map { "\($0)" }.joined(separator: ", ")
    let found = { (rest: String) in
      Self.problems(
        SpecSamples.spec(
          tasks: #"{"name": "passkey", "samples": \#(axis)\#(rest)}"#, contexts: contexts))
    }
    #expect(found("").map { $0.contains("the grid has 120000 cells") } == [true])
    #expect(found(Self.key("[600]")) == [])
    let empty = Self.problems(
      SpecSamples.spec(
        strategies:
          #"{"name": "tca", "blockSize": \#(axis), "localWindow": \#(axis), "calibrationLength": [64, 65, 66]}"#,
        tasks: Self.task("passkey", "[1024]"), models: Self.model(Self.smollm2, "[512]"),
        contexts: "512, 1024"))
    #expect(empty.count == 2 && empty.contains { $0.contains("cells: models x contextLengths") })
  }

  @Test("Mutilated limits are refused with reasons, or read; never more", arguments: 0..<100)
  func mutations(seed: Int) {
    var generator = SeededGenerator(seed: seed, purpose: "mutilated context lengths")
    let strays = [
      "512", "1024", "512.0", "9223372036854775807", "1e300", "-1", "0", "null", "true", "\"512\"",
      "[]", "[512]", "{}",
    ]
    func lengths() -> String {
      let elements = (0..<generator.index(below: 4)).map { _ in
        strays[generator.index(below: strays.count)]
      }
      return generator.index(below: 5) == 0
        ? strays[generator.index(below: strays.count)]
        : "[\(elements.joined(separator: ", "))]"
    }
    let text = SpecSamples.spec(
      tasks: "\(Self.task("passkey", lengths())), \(Self.task("perplexity", lengths()))",
      models: "\(Self.model(Self.smollm2, lengths())), \(Self.model("tiny", lengths()))",
      contexts: "512, 1024")
    do {
      let cells = ExperimentPlan(try SpecSamples.check(text)).cells
      #expect(!cells.isEmpty && Set(cells.map(\.cell.identity)).count == cells.count)
    } catch {
      #expect(!error.problems.isEmpty)
      #expect(error.problems.allSatisfy { $0.position != nil && !$0.message.isEmpty })
    }
  }

  @Test("More samples than a file has records stand at the task's samples")
  func tooManySamples() throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("tca-lab-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let line = #"{"context": "c", "question": "q", "answers": ["x"], "metric": "f1"}"#
    try Data(line.utf8).write(to: folder.appendingPathComponent("own.jsonl"))
    var environment = SpecSamples.environment
    environment.tasks = TaskRegistry.builtIn.descriptions
    environment.textDigest = { "digest of \($0)" }
    environment.taskProblems = TaskRegistry.builtIn.problems
    environment.fileProblems = {
      TaskRegistry.builtIn.fileProblems(of: $0, parameters: $1, folder: folder)
    }
    func found(_ samples: String) -> [String] {
      let text = SpecSamples.spec(
        tasks: #"{"name": "jsonl", "file": "own.jsonl"\#(samples)}"#, contexts: "512")
      do {
        _ = try CheckedSpec(reading: Array(text.utf8), source: "spec.json", in: environment)
        return []
      } catch {
        return error.problems.map(\.description)
      }
    }
    #expect(found("") == [] && found(#", "samples": null"#) == [])
    #expect(found(#", "samples": 1"#) == [])
    #expect(
      found(#", "samples": 5"#) == [
        #"4:50 $.tasks[0].samples: "5" are asked for, own.jsonl has 1 record; allowed: 1 to 1, or no samples for all"#
      ])
    #expect(
      found(#", "samples": [1, 100000]"#) == [
        #"4:65 $.tasks[0].samples[1]: "100000" are asked for, own.jsonl has 1 record; allowed: 1 to 1, or no samples for all"#
      ])
  }
}
