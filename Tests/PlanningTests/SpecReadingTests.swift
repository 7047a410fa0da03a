import JSON
import Planning
import Records
import Tensors
import Testing

@Suite("Reading specs")
struct SpecReadingTests {
  @Test("The example of the documentation is read with its defaults")
  func example() throws {
    let checked = try SpecSamples.check(
      """
      {
        "$schema": "schema.json",
        "schemaVersion": 1,
        "name": "example",
        "models": ["smollm2-135m-instruct", {"name": "tiny", "path": "tiny.gguf"}],
        "contextLengths": [1024, 512],
        "strategies": [
          {"name": "tca", "threshold": [0.7, 0.90], "blockSize": 64, "localWindow": 256},
          {"name": "streaming-llm", "sinks": 4, "budget": {"matching": "tca"}},
          {"name": "picker", "budget": [{"fraction": [0.2, 0.4]}, {"mass": 1}]}
        ],
        "tasks": [
          {"name": "perplexity", "corpus": "corpora/persuasion.txt", "protocol": ["prefill", "continuation"]},
          {"name": "passkey", "depths": [0.1, 0.5, 0.9]}
        ]
      }
      """)
    let spec = checked.spec
    #expect(spec.question == "")
    #expect(spec.metrics == Set(ResultKind.allCases))
    #expect([spec.warmups, spec.repeats, spec.seed, spec.threads] == [1, 8, 0, 4])
    #expect(
      spec.models == [
        ModelReference(name: "smollm2-135m-instruct"),
        ModelReference(name: "tiny", path: "/specs/tiny.gguf"),
      ])
    #expect(spec.strategies.map(\.name) == ["full", "tca", "streaming-llm", "picker"])
    #expect(spec.strategies[1].grid.values["threshold"] == [0.7, 0.9])
    #expect(spec.strategies[1].grid.values["criterion"] == ["meanMass"])
    #expect(spec.strategies[2].budgets == [.matching("tca", of: nil)])
    #expect(spec.strategies[3].budgets == [.fraction(0.2), .fraction(0.4), .mass(1)])
    #expect(spec.tasks[1].grid.values["depths"] == [[0.1, 0.5, 0.9]])
    #expect(
      checked.textDigests == [
        "emma": "digest-of-emma", "corpora/persuasion.txt": "digest-of-persuasion",
      ])
    #expect(checked.models.map(\.contextLength) == [8192, 2048])
    #expect(checked.missingModels.isEmpty)
  }

  @Test("Everything that is wrong is said at once, in the order of the text")
  func manyMistakes() {
    let text = #"""
      {
        "schemaVersion": 2,
        "name": "../results",
        "question": 7,
        "models": ["smollm2-135m-instuct", {"name": "lost", "path": "lost.gguf"}],
        "contextLenghts": [512],
        "contextLengths": [512, "1024", 16384, 512],
        "strategies": [
          {"name": "tca", "treshold": 0.9, "blockSize": [], "criterion": "meanmass"},
          {"name": "tca", "threshold": [0.5, 1.5], "heads": [0, 14], "calibrationCorpus": "ema"},
          {"name": "stream", "sinks": 4},
          {"name": "streaming-llm", "sinks": 2.5, "prefill": "no", "budget": {"mass": 0.9}},
          "full"
        ],
        "tasks": [
          {"name": "perplexity", "corpus": "corpora/missing.txt", "decodeTokens": [16, 32]},
          {"depths": [0.1]}
        ],
        "metrics": ["approximation", "speed"],
        "repeats": 0,
        "threads": true
      }
      """#
    let error = #expect(throws: SpecError.self) { try SpecSamples.check(text) }
    #expect(
      error?.description == #"""
        spec.json: 25 problems (line:column JSON path: what is wrong)
          2:3 $.schemaVersion: "2" is no version that this program reads; allowed: 1
          3:3 $.name: "../results" cannot name an experiment; allowed: a text of 1 to 100 characters that can name a folder: no "/", "\" or control characters, no "." or "-" first, no blank at an end
          4:3 $.question: "7" is a number; allowed: a text
          5:14 $.models[0]: "smollm2-135m-instuct" is no model of the catalogue; allowed: smollm2-135m-instruct, or {"name": …, "path": …} for a file; did you mean "smollm2-135m-instruct"?
          5:55 $.models[1].path: "lost.gguf" is no file: looked for /specs/lost.gguf; allowed: the path of a GGUF file, relative to the spec file, or a name of the catalogue
          6:3 $.contextLenghts: "contextLenghts" is no key of a spec; allowed: schemaVersion, name, question, models, contextLengths, strategies, tasks, primary, cache, metrics, warmups, repeats, seed, threads
          7:27 $.contextLengths[1]: "1024" is a string; allowed: a whole number, at least 2
          7:42 $.contextLengths[3]: "512" stands twice in this list; keep one
          9:21 $.strategies[0].treshold: "treshold" is no key of tca; allowed: name, threshold, blockSize, localWindow, calibrationCorpus, calibrationLength, criterion, heads, prefill, cache; did you mean "threshold"?
          9:38 $.strategies[0].blockSize: "[]" is an empty list; allowed: a whole number from 1 to 65536, or a list of such values
          9:55 $.strategies[0].criterion: "meanmass" is unknown; allowed: meanMass, columnMean; did you mean "meanMass"?
          10:40 $.strategies[1].threshold[1]: "1.5" is out of range; allowed: a number from 0 to 1
          10:59 $.strategies[1].heads[1]: "14" is out of range; allowed: a whole number from -1 to 13
          10:64 $.strategies[1].calibrationCorpus: "ema" is no text that can be read: no such file; allowed: emma, persuasion, or the path of a file, relative to the spec file; did you mean "emma"?
          11:6 $.strategies[2].name: "stream" is no strategy; allowed: full, streaming-llm, tca, picker; did you mean "streaming-llm"?
          12:31 $.strategies[3].sinks: "2.5" is not a whole number; allowed: a whole number, at least 0
          12:45 $.strategies[3].prefill: "no" is a string; allowed: true or false
          12:73 $.strategies[3].budget.mass: "mass" is no form of budget that streaming-llm accepts; allowed: fraction, tokens, bytes, meanKvBytes, density, matching
          13:5 $.strategies[4]: "full" is a string; write {"name": "full"}; allowed: an object {"name": …} with the strategy's parameters
          16:28 $.tasks[0].corpus: "corpora/missing.txt" is no text that can be read: no such file; allowed: emma, persuasion, or the path of a file, relative to the spec file
          16:61 $.tasks[0].decodeTokens: "[16,32]" would give the same cell several times, since it changes timings only; allowed: one value
          17:5 $.tasks[1]: "name" is missing; allowed: perplexity, passkey
          19:32 $.metrics[1]: "speed" is no kind of metric; allowed: approximation, quality, latency, memory
          20:3 $.repeats: "0" is out of range; allowed: a whole number from 1 to 1000
          21:3 $.threads: "true" is true or false; allowed: a whole number from 1 to 1024
        """#)
  }

  @Test("An empty object is told every key that it lacks")
  func missingKeys() {
    #expect(
      SpecSamples.problems("{}").map { $0.split(separator: ";")[0] } == [
        "1:1 $: \"schemaVersion\" is missing", "1:1 $: \"name\" is missing",
        "1:1 $: \"models\" is missing", "1:1 $: \"contextLengths\" is missing",
        "1:1 $: \"strategies\" is missing", "1:1 $: \"tasks\" is missing",
      ])
    #expect(
      SpecSamples.problems("[]") == ["1:1 $: \"[]\" is a list; allowed: a spec: an object"])
  }

  @Test("A misspelt key is one problem, though the key that it was meant for is missing")
  func misspeltKey() {
    #expect(
      SpecSamples.problems(
        SpecSamples.spec(strategies: #"{"nmae": "tca"}"#).replacing(
          "contextLengths", with: "contextLenghts")
      ) == [
        #"2:1 $.contextLenghts: "contextLenghts" is no key of a spec; allowed: schemaVersion, name, question, models, contextLengths, strategies, tasks, primary, cache, metrics, warmups, repeats, seed, threads; did you mean "contextLengths"?"#,
        #"3:17 $.strategies[0].nmae: "nmae" is no key of a strategy; allowed: name, and the strategy's parameters; did you mean "name"?"#,
      ])
  }

  @Test("Text that is no JSON is one problem at its place")
  func brokenJSON() {
    #expect(
      SpecSamples.problems("{\n  \"name\": \"x\",\n}") == [
        "2:14 $: a comma before \"}\"; remove the comma"
      ])
  }

  @Test(
    "Models are catalogue names or files with a name",
    arguments: [
      (
        #""tiny.gguf""#,
        #"$.models[0]: "tiny.gguf" is no model of the catalogue; allowed: smollm2-135m-instruct, or {"name": …, "path": …} for a file"#
      ),
      (
        #"{"path": "tiny.gguf"}"#,
        #"$.models[0]: "name" is missing; allowed: a name of your choice"#
      ),
      (#"{"name": "smollm2-135m-instruct"}"#, nil),
      (#"{"name": "a", "path": "smollm2-135m-instruct"}"#, nil),
      (
        #"{"name": "a", "path": "smollm3"}"#,
        #"$.models[0].path: "smollm3" is no file: looked for /specs/smollm3; allowed: the path of a GGUF file, relative to the spec file, or a name of the catalogue"#
      ),
      (
        #"{"name": "llama", "synthetic": {"queryHeads": 32}}"#,
        #"$.models[0].synthetic: "kvHeads" is missing; allowed: a whole number from 1 to 1024"#
      ),
      (
        #"{"name": "a", "path": "tiny.gguf"}, {"name": "a", "path": "copy.gguf"}"#,
        #"$.models[1]: "a" names a second model so; give each a name of its own"#
      ),
      (
        #"{"name": "a", "path": "tiny.gguf"}, {"name": "b", "path": "copy.gguf"}"#,
        #"$.models[1]: "b" is the same file as "a"; keep one"#
      ),
      (
        #"{"name": "a", "paht": "tiny.gguf", "path": 3}"#,
        #"$.models[0].paht: "paht" is no key of a model; allowed: name, path, ropeScaling, synthetic, contextLengths"#
      ),
    ] as [(String, String?)])
  func models(models: String, problem: String?) {
    let found = SpecSamples.problems(SpecSamples.spec(models: models))
    #expect(found.first?.split(separator: " ", maxSplits: 1).last.map(String.init) == problem)
  }

  @Test(
    "A rotary scaling has a known type, and the keys of its type within their ranges",
    arguments: [
      (#"{"type": "yarn", "factor": 4}"#, nil),
      (#"{"type": "linear", "factor": 2.5, "originalContextLength": 2048}"#, nil),
      (
        #"{"type": "llama3", "factor": 8, "lowFrequencyFactor": 1, "highFrequencyFactor": 4}"#, nil
      ),
      (#"{"factor": 4}"#, #": "type" is missing; allowed: linear, ntk, dynamic-ntk, yarn, llama3"#),
      (
        #"{"type": "dynamic", "factor": 4}"#,
        #".type: "dynamic" is no kind of rotary scaling; allowed: linear, ntk, dynamic-ntk, yarn, llama3; did you mean "dynamic-ntk"?"#
      ),
      (
        #"{"type": "yarm", "factor": 4}"#,
        #".type: "yarm" is no kind of rotary scaling; allowed: linear, ntk, dynamic-ntk, yarn, llama3; did you mean "yarn"?"#
      ),
      (
        #"{"type": 3, "factor": 4}"#,
        #".type: "3" is no kind of rotary scaling; allowed: linear, ntk, dynamic-ntk, yarn, llama3"#
      ),
      (#"{"type": "ntk"}"#, #": "factor" is missing; allowed: a number from 1 to 1024"#),
      (
        #"{"type": "ntk", "factor": 0.5}"#,
        #".factor: "0.5" is out of range; allowed: a number from 1 to 1024"#
      ),
      (
        #"{"type": "ntk", "factor": 2, "originalContextLength": 0}"#,
        #".originalContextLength: "0" is out of range; allowed: a whole number from 1 to 16777216"#
      ),
      (
        #"{"type": "ntk", "factor": 2, "betaFast": 8}"#,
        #".betaFast: "betaFast" is no key of ropeScaling of type ntk; allowed: type, factor, originalContextLength"#
      ),
      (
        #"{"type": "llama3", "factor": 2, "highFrequencyFactor": 1}"#,
        #": "{"factor":2,"highFrequencyFactor":1,"type":"llama3"}" contradicts itself; allowed: highFrequencyFactor more than lowFrequencyFactor"#
      ),
      (#"["yarn"]"#, #": "["yarn"]" is a list; allowed: {"type": …, "factor": …}"#),
    ] as [(String, String?)])
  func ropeScaling(scaling: String, problem: String?) {
    let found = SpecSamples.problems(
      SpecSamples.spec(models: #"{"name": "smollm2-135m-instruct", "ropeScaling": \#(scaling)}"#))
    #expect(
      found.first?.split(separator: " ", maxSplits: 1).last.map(String.init)
        == problem.map { "$.models[0].ropeScaling\($0)" })
  }

  @Test("A scaling is read with its defaults, and reaches as far as it says")
  func readScaling() throws {
    let models = #"""
      "smollm2-135m-instruct", {"name": "far", "path": "smollm2-135m-instruct",
      "ropeScaling": {"type": "yarn", "factor": 2}}
      """#
    let checked = try SpecSamples.check(SpecSamples.spec(models: models, contexts: "8192"))
    var scaling = RotaryScaling(.yarn, factor: 2)
    scaling.betaFast = 32
    scaling.betaSlow = 1
    #expect(checked.spec.models[1].ropeScaling == scaling)
    #expect(checked.spec.models[1].catalogueName == "smollm2-135m-instruct")
    #expect(checked.models[1].contextLength == 16_384 && checked.models[1].name == "far")
    #expect(
      SpecSamples.problems(SpecSamples.spec(models: models, contexts: "16384")).count == 1)
  }

  @Test("A model's file that may not be looked at is not called missing")
  func hiddenModel() {
    var environment = SpecSamples.environment
    environment.target = { _ in .hidden("Permission denied") }
    let text = SpecSamples.spec(models: #"{"name": "a", "path": "tiny.gguf"}"#)
    let error = #expect(throws: SpecError.self) {
      try CheckedSpec(reading: Array(text.utf8), source: "spec.json", in: environment)
    }
    #expect(
      error?.problems.first?.description.contains(
        "$.models[0].path: \"tiny.gguf\" cannot be read: Permission denied") == true)
  }

  @Test("A model that stands twice is one problem")
  func repeatedModel() {
    #expect(
      SpecSamples.problems(
        SpecSamples.spec(models: #""smollm2-135m-instruct", "smollm2-135m-instruct""#)) == [
          #"1:71 $.models[1]: "smollm2-135m-instruct" stands twice in this list; keep one"#
        ])
  }

  @Test("A number beyond 64 bits is shown as it is written, with the bound")
  func largeNumbers() {
    let found = SpecSamples.problems(
      SpecSamples.spec(
        contexts: "512, 18446744073709551616", rest: #", "seed": -18446744073709551616"#))
    #expect(
      found == [
        #"2:25 $.contextLengths[1]: "18446744073709551616" is above 9223372036854775807, the greatest whole number here; allowed: a whole number, at least 2"#,
        #"4:33 $.seed: "-18446744073709551616" is below -9223372036854775808, the least whole number here; allowed: a whole number"#,
      ])
  }

  @Test("A context beyond a model names the model and its limit")
  func contexts() {
    let models = #""smollm2-135m-instruct", {"name": "tiny", "path": "tiny.gguf"}"#
    #expect(
      SpecSamples.problems(SpecSamples.spec(models: models, contexts: "512, 4096, 16384")) == [
        "2:25 $.contextLengths[1]: \"4096\" is beyond the context of tiny; allowed: at most 2048",
        "2:31 $.contextLengths[2]: \"16384\" is beyond the context of smollm2-135m-instruct; allowed: at most 8192",
        "2:31 $.contextLengths[2]: \"16384\" is beyond the context of tiny; allowed: at most 2048",
      ])
  }

  @Test("A model that cannot be read is no fault of the spec, and is named")
  func missingModel() throws {
    var environment = SpecSamples.environment
    environment.modelFacts = { _ in nil }
    let checked = try CheckedSpec(
      reading: Array(SpecSamples.spec().utf8), source: "spec.json", in: environment)
    #expect(checked.missingModels == [ModelReference(name: "smollm2-135m-instruct")])
    #expect(ExperimentPlan(checked).cells.isEmpty)
  }

  @Test("What strategies and tasks have against their parameters stands at those parameters")
  func configurations() {
    #expect(
      SpecSamples.problems(
        SpecSamples.spec(
          strategies:
            #"{"name": "tca", "localWindow": [256, 200]}, {"name": "tca", "blockSize": 100}"#,
          tasks: #"{"name": "perplexity", "scoredTokens": 512}"#, contexts: "512, 1024")) == [
          "3:53 $.strategies[0].localWindow[1]: 200 is not a multiple of blockSize 128",
          "3:60 $.strategies[1]: localWindow: 4096 is not a multiple of blockSize 100",
          "4:34 $.tasks[0].scoredTokens: 512 leave no prompt (contextLength 512)",
        ])
  }

  @Test("Entries that add no cell are refused; entries that share some are not")
  func repeats() {
    #expect(
      SpecSamples.problems(
        SpecSamples.spec(
          strategies:
            #"{"name": "tca", "threshold": [0.5, 0.9]}, {"name": "tca"}, {"name": "full"}"#,
          tasks:
            #"{"name": "perplexity"}, {"name": "perplexity", "corpus": "corpora/persuasion.txt", "decodeTokens": 8}"#
        )) == [
          #"3:58 $.strategies[1]: "tca" gives the same cells as an earlier entry; remove it"#,
          #"4:35 $.tasks[1]: "perplexity" gives the same cells as an earlier entry; remove it"#,
        ])
    #expect(
      SpecSamples.problems(
        SpecSamples.spec(
          strategies:
            #"{"name": "tca", "threshold": [0.5, 0.9]}, {"name": "tca", "threshold": [0.9, 1]}"#
        )) == [])
    #expect(
      SpecSamples.problems(
        SpecSamples.spec(strategies: #"{"name": "tca", "threshold": [0.9, 0.90]}"#))
        == [#"3:51 $.strategies[0].threshold[1]: "0.90" stands twice in this list; keep one"#])
  }

  @Test("A grid that nobody could run is refused before it is expanded")
  func hugeGrid() {
    let axis = "[" + (1...1000).map(String.init).joined(separator: ",") + "]"
    let found = SpecSamples.problems(
      SpecSamples.spec(
        strategies:
          #"{"name": "tca", "blockSize": \#(axis), "localWindow": \#(axis), "calibrationLength": \#(axis)}"#
          .replacing("[1,", with: "[")))
    #expect(found.count == 1)
    #expect(found.first?.contains("cells: models x contextLengths x strategies x tasks") == true)
  }

  @Test("Huge lists of mistakes and of values end in reasonable time")
  func hugeLists() throws {
    let wrong = (0..<3000).map { "\"\($0)\"" }.joined(separator: ",")
    #expect(
      SpecSamples.problems(
        SpecSamples.spec(strategies: #"{"name": "tca", "threshold": [\#(wrong)]}"#)
      )
      .count == SpecError.most)
    let many = (1...4000).map(String.init).joined(separator: ",")
    let plan = try SpecSamples.plan(
      SpecSamples.spec(
        strategies:
          #"{"name": "tca", "calibrationLength": [\#(many.dropFirst(2))]}, {"name": "streaming-llm", "budget": {"matching": "tca"}}"#
      ))
    #expect(plan.cells.count == 1 + 2 * 3999)
    #expect(Set(plan.cells.map(\.label)).count == plan.cells.count)
  }

  @Test("Mutilated specs are refused with reasons, or read; never more", arguments: 0..<300)
  func mutations(seed: Int) throws {
    var generator = SeededGenerator(seed: seed, purpose: "spec mutations")
    let text = SpecSamples.spec(
      strategies:
        #"{"name": "tca", "threshold": [0.7, 0.9], "heads": [0, 1]}, {"name": "streaming-llm", "budget": {"matching": ["tca", "full"], "of": "density"}}, {"name": "picker", "budget": [{"mass": 0.5}, {"fraction": 1}]}"#,
      tasks:
        #"{"name": "perplexity", "protocol": ["prefill"]}, {"name": "passkey", "depths": [0, 1]}"#,
      rest: #", "metrics": ["memory"], "seed": -1"#)
    var value = try JSONValue(parsing: text)
    for _ in 0...generator.index(below: 3) { value = Self.mutated(value, &generator) }
    do {
      let checked = try SpecSamples.check(value.prettyText)
      let plan = ExperimentPlan(checked)
      #expect(Set(plan.cells.map(\.cell.identity)).count == plan.cells.count)
    } catch {
      #expect(!error.problems.isEmpty)
      #expect(error.problems.allSatisfy { $0.position != nil && !$0.message.isEmpty })
    }
  }

  /// A copy with one value somewhere replaced, removed, doubled or wrapped into a list.
  private static func mutated(
    _ value: JSONValue, _ generator: inout SeededGenerator
  ) -> JSONValue {
    let strays: [JSONValue] = [
      .null, true, 0, -1, 1e300, 0.5, "", "tca", "matching", [], [[]], [:], ["name": "tca"],
      ["matching": "streaming-llm"], .integer(.max),
    ]
    if case .object(var members) = value, generator.index(below: 4) > 0,
      let key = members.members.map(\.key)
        .dropFirst(generator.index(below: max(1, members.members.count))).first
    {
      switch generator.index(below: 6) {
      case 0: members[key] = nil
      case 1:
        members[key + "s"] = members[key]
        members[key] = nil
      default: members[key] = members[key].map { mutated($0, &generator) }
      }
      return .object(members)
    }
    if case .array(var elements) = value, !elements.isEmpty, generator.index(below: 4) > 0 {
      let index = generator.index(below: elements.count)
      switch generator.index(below: 5) {
      case 0: elements.remove(at: index)
      case 1: elements.append(elements[index])
      default: elements[index] = mutated(elements[index], &generator)
      }
      return .array(elements)
    }
    return generator.index(below: 3) == 0
      ? [value] : strays[generator.index(below: strays.count)]
  }
}
