import JSON
import Planning
import Records
import Testing

@Suite("Planning experiments")
struct PlanTests {
  static let example = SpecSamples.spec(
    strategies:
      #"{"name": "streaming-llm", "sinks": 4, "budget": {"matching": "tca"}}, {"name": "tca", "threshold": [0.7, 0.9]}, {"name": "full"}"#,
    tasks: #"{"name": "perplexity", "protocol": ["prefill", "continuation"]}, {"name": "passkey"}"#,
    contexts: "1024, 512", rest: #", "seed": 7"#)

  @Test(
    "Cells come by model, context length, task and strategy; full first, matched ones after their reference"
  )
  func order() throws {
    let cells = try SpecSamples.plan(Self.example).cells
    let lines = cells.map {
      "\($0.cell.contextLength) \($0.cell.task) \($0.cell.taskProtocol ?? "-") \($0.label)"
    }
    let strategies = [
      "full", "tca threshold=0.7", "tca threshold=0.9", "streaming-llm matching tca threshold=0.7",
      "streaming-llm matching tca threshold=0.9",
    ]
    let places = [512, 1024].flatMap { length in
      ["perplexity prefill", "perplexity continuation", "passkey -"].map { "\(length) \($0)" }
    }
    #expect(lines == places.flatMap { place in strategies.map { "\(place) \($0)" } })
    #expect(Set(cells.map(\.cell.identity)).count == cells.count)
  }

  @Test("scoredTokens that is the default counts as left out, so that both are one cell")
  func defaultScoredTokens() throws {
    let cells = { (scored: String) in
      try SpecSamples.plan(
        SpecSamples.spec(
          tasks:
            #"{"name": "perplexity", "protocol": ["prefill", "continuation"], "scoredTokens": \#(scored)}"#,
          contexts: "512")
      ).cells.map(\.cell.identity)
    }
    let omitted = try cells("null")
    // 256 of 512 is the default of prefill, 128 that of continuation.
    #expect(try zip(cells("256"), omitted).map { $0 == $1 } == [true, true, false, false])
    #expect(try zip(cells("128"), omitted).map { $0 == $1 } == [false, false, true, true])
    #expect(try Set(cells("[128, 256, 100]")).count == 12)
  }

  @Test("A task's label says what tells it from the experiment's others of its name")
  func taskLabels() throws {
    let labels = { (tasks: String) in
      let cells = try SpecSamples.plan(SpecSamples.spec(tasks: tasks)).cells
      return cells.filter { $0.label == "full" }.map { $0.taskLabel ?? "" }
    }
    #expect(
      try labels(
        #"{"name": "passkey"}, {"name": "perplexity", "protocol": ["prefill", "continuation"]}"#)
        == ["passkey", "perplexity", "perplexity"])
    #expect(
      try labels(
        #"{"name": "passkey", "queryAware": [true, false]}, {"name": "perplexity", "corpus": ["emma", "persuasion"]}"#
      ) == [
        "passkey queryAware=true", "passkey queryAware=false", "perplexity corpus=emma",
        "perplexity corpus=persuasion",
      ])
  }

  @Test("Cells know their dense cell and their reference, of the same place")
  func references() throws {
    let cells = try SpecSamples.plan(Self.example).cells
    for (start, place) in stride(from: 0, to: cells.count, by: 5).map({ ($0, cells[$0..<$0 + 5]) })
    {
      #expect(place.allSatisfy { $0.fullIdentity == cells[start].cell.identity })
      #expect(
        place.map(\.matchedIdentity) == [
          nil, nil, nil, cells[start + 1].cell.identity, cells[start + 2].cell.identity,
        ])
    }
  }

  @Test("A cell holds every parameter that decides its result, the budget as written")
  func record() throws {
    let plan = try SpecSamples.plan(
      SpecSamples.spec(
        strategies:
          #"{"name": "tca", "prefill": [true, false]}, {"name": "streaming-llm", "budget": {"matching": "tca"}}"#,
        tasks: #"{"name": "passkey", "queryAware": false, "decodeTokens": 8}"#))
    let tca = plan.cells[1]
    #expect(tca.cell.model == "smollm2-135m-instruct")
    #expect(tca.cell.modelDigest == "digest-of-smollm2")
    #expect(
      tca.cell.strategyParameters == [
        "threshold": 0.9, "blockSize": 128, "localWindow": 4096, "calibrationCorpus": "emma",
        "calibrationLength": .null, "criterion": "meanMass", "heads": .null, "prefill": true,
        "cache": "f16",
      ])
    #expect(
      tca.cell.taskParameters == ["depths": [0.1, 0.9], "samples": 2, "queryAware": false])
    #expect(tca.cell.taskProtocol == nil)
    #expect(tca.decodeTokens == 8)
    #expect(plan.cells.allSatisfy { !$0.cell.queryAware })
    #expect(plan.cells.map(\.cell.selectionLooksAhead) == [false, true, false, false, false])
    #expect(
      plan.cells[3].cell.strategyParameters == [
        "sinks": 4, "localWindow": 512, "prefill": true, "cache": "f16",
        "budget": ["matching": "tca", "of": "meanKvBytes"],
      ])
  }

  @Test("A cache in float32 leaves a cell the identity that it had before there was a choice")
  func goldenIdentities() throws {
    let cells = try SpecSamples.plan(
      SpecSamples.spec(
        strategies:
          #"{"name": "full", "cache": "f32"}, {"name": "tca", "cache": "f32"}, {"name": "streaming-llm", "cache": "f32", "budget": {"matching": "tca", "of": "kvBytes"}}, {"name": "streaming-llm", "budget": {"fraction": 0.5}, "cache": "f32"}"#,
        tasks: #"{"name": "perplexity"}"#, rest: #", "seed": 7"#)
    ).cells
    #expect(NumericsVersion.current == 4)
    #expect(
      cells.map(\.cell.identity) == [
        "77fc5c13b1729b3da1b7c37499e0e219eb819972a8159c0ca5b02e76fcea65af",
        "62b06d1b3def7c403b3a9841476e5b44986aa039c2e0a47e97682a1f574cce49",
        "f6760e422977281e6f66d7ae1fef8992243917fef7a78f22e9ec5f1991ab01e6",
        "81deb76e8cba8935af055418581384fc0f72db685af4ed656bfa40fe7a3809da",
      ])
  }

  @Test(
    "The cache is an axis: cells are compared with full in float16, matched with their own format")
  func caches() throws {
    let cells = try SpecSamples.plan(
      SpecSamples.spec(
        strategies:
          #"{"name": "full", "cache": ["f32", "f16"]}, {"name": "tca", "cache": ["f16", "f32"]}, {"name": "streaming-llm", "cache": ["f32", "f16"], "budget": {"matching": "tca"}}"#,
        tasks: #"{"name": "perplexity"}"#)
    ).cells
    #expect(
      cells.map(\.label) == [
        "full cache=f32", "full cache=f16", "tca cache=f16", "tca cache=f32",
        "streaming-llm cache=f32 matching tca cache=f32",
        "streaming-llm cache=f16 matching tca cache=f16",
      ])
    #expect(Set(cells.map(\.cell.identity)).count == 6)
    #expect(cells.allSatisfy { $0.fullIdentity == cells[1].cell.identity })
    #expect(cells.map(\.cell.cache) == ["f32", "f16", "f16", "f32", "f32", "f16"])
    #expect(cells[4].matchedIdentity == cells[3].cell.identity)
    #expect(cells[5].matchedIdentity == cells[2].cell.identity)
  }

  @Test("A dense pass in fewer bits makes other cells of those that are measured against it")
  func referenceCaches() throws {
    func identity(of label: String, full: String) throws -> String? {
      try SpecSamples.plan(
        SpecSamples.spec(
          strategies:
            #"{"name": "full", "cache": \#(full)}, {"name": "tca", "cache": "q8_0"}"#,
          tasks: #"{"name": "perplexity"}"#)
      ).cells.first { $0.label == label }?.cell.identity
    }
    let usual = try #require(try identity(of: "tca", full: #""f16""#))
    #expect(try identity(of: "tca", full: #"["q8_0", "f16"]"#) == usual)
    #expect(try identity(of: "tca", full: #""f32""#) == usual)
    #expect(try identity(of: "tca", full: #""q8_0""#) != usual)
    #expect(
      try identity(of: "full cache=q8_0", full: #"["f16", "q8_0"]"#)
        != identity(of: "full", full: #""q8_0""#))
  }

  @Test(
    "A text whose lines are not joined is another than the same bytes joined, where nothing else says so"
  )
  func linesOfTexts() {
    func parameters(_ corpus: String, _ others: [String: JSONValue] = [:]) -> JSONValue {
      CellIdentity.parameters(
        others.merging(["corpus": .string(corpus)]) { $1 }, textParameters: ["corpus"],
        textDigests: ["code": "d", "code.txt": "d"])
    }
    #expect(parameters("code.txt") == ["corpus": ["sha256": "d"]])
    #expect(parameters("code") != parameters("code.txt"))
    #expect(
      parameters("code", ["joinLines": false]) == parameters("code.txt", ["joinLines": false]))
  }

  @Test("Keys and values have formats of their own, and one for both is the same as that for each")
  func pairedCaches() throws {
    let cells = try SpecSamples.plan(
      SpecSamples.spec(
        strategies:
          #"{"name": "full", "cache": ["f16", "q8_0", {"keys": "q8_0", "values": "q4_0"}]}, {"name": "tca", "cache": {"values": "kivi2", "keys": "kivi2"}}"#,
        tasks: #"{"name": "perplexity"}"#)
    ).cells
    #expect(
      cells.map(\.label) == ["full cache=f16", "full cache=q8_0", "full cache=q8_0/q4_0", "tca"])
    #expect(cells.map(\.cell.cache) == ["f16", "q8_0", "q8_0/q4_0", "kivi2"])
    let short = try SpecSamples.plan(
      SpecSamples.spec(
        strategies: #"{"name": "tca", "cache": "kivi2"}"#, tasks: #"{"name": "perplexity"}"#)
    ).cells
    #expect(short.last?.cell.identity == cells.last?.cell.identity)
  }

  @Test("The cache of the spec is that of every strategy which has none of its own")
  func sharedCache() throws {
    let cells = try SpecSamples.plan(
      SpecSamples.spec(
        strategies: #"{"name": "tca"}, {"name": "tca", "cache": "f32"}"#,
        tasks: #"{"name": "perplexity"}"#, rest: #", "cache": ["f16", "q4_0"]"#)
    ).cells
    #expect(cells.map(\.cell.cache) == ["f16", "q4_0", "f16", "q4_0", "f32"])
    #expect(
      SpecSamples.problems(
        SpecSamples.spec(rest: #", "cache": {"keys": "f16", "values": "q9"}"#)
      ).count == 1)
    #expect(
      SpecSamples.problems(SpecSamples.spec(rest: #", "cache": {"keys": "f16"}"#))
        .contains { $0.contains("says nothing of values") })
  }

  @Test("What is no format of a cache is refused, and a part of a composition has none of its own")
  func refusedCaches() {
    #expect(
      SpecSamples.problems(
        SpecSamples.spec(
          strategies: #"{"name": "tca", "cache": "q3"}"#, tasks: #"{"name": "passkey"}"#)
      ).contains { $0.contains(#"cache: "q3" is unknown; allowed: f32, f16"#) })
  }

  static func identities(_ text: String) throws -> [String] {
    try SpecSamples.plan(text).cells.map(\.cell.identity)
  }

  @Test(
    "What changes no result changes no identity",
    arguments: [
      ("0.9", "0.90"), (#""blockSize": 128"#, #""blockSize": 128.0"#),
      (#""threshold": 0.9, "blockSize": 128"#, #""blockSize": 128, "threshold": 9e-1"#),
      (#", "blockSize": 128"#, ""),
      (#""corpus": "persuasion""#, #""corpus": "corpora/persuasion.txt""#),
      (#""name": "x""#, #""name": "y", "question": "?""#),
      (#""repeats": 3"#, #""repeats": 5, "warmups": 0, "threads": 1, "metrics": ["memory"]"#),
      (#""decodeTokens": 32"#, #""decodeTokens": 4"#),
      (#"{"fraction": 0.5}"#, #"[{"fraction": [0.50]}]"#),
    ])
  func sameIdentity(old: String, new: String) throws {
    let before = try Self.identities(Self.single)
    #expect(Self.single.contains(old))
    let after = try Self.identities(Self.single.replacing(old, with: new))
    #expect(before == after)
  }

  static let single = SpecSamples.spec(
    strategies:
      #"{"name": "tca", "threshold": 0.9, "blockSize": 128}, {"name": "picker", "budget": {"fraction": 0.5}}, {"name": "streaming-llm", "budget": {"matching": "tca"}}"#,
    tasks: #"{"name": "perplexity", "corpus": "persuasion", "decodeTokens": 32}"#,
    rest: #", "repeats": 3, "seed": 0"#)

  @Test(
    "What changes a result changes the identity of the cells that it touches",
    arguments: [
      (#""seed": 0"#, #""seed": 1"#, [0, 1, 2, 3]), ("[512]", "[513]", [0, 1, 2, 3]),
      ("0.9", "0.8", [1, 3]), (#""blockSize": 128"#, #""blockSize": 64"#, [1, 3]),
      (#""blockSize": 128"#, #""blockSize": 128, "calibrationCorpus": "persuasion""#, [1, 3]),
      (#"{"fraction": 0.5}"#, #"{"fraction": 0.6}"#, [2]),
      (#"{"fraction": 0.5}"#, #"{"mass": 0.5}"#, [2]),
      (#"{"matching": "tca"}"#, #"{"matching": "tca", "of": "density"}"#, [3]),
      (#"{"matching": "tca"}"#, #"{"matching": "full"}"#, [3]),
      (#""corpus": "persuasion""#, #""corpus": "emma""#, [0, 1, 2, 3]),
      (#""corpus": "persuasion""#, #""protocol": "prefill""#, [0, 1, 2, 3]),
      (
        #"["smollm2-135m-instruct"]"#,
        #"[{"name": "smollm2-135m-instruct", "ropeScaling": {"type": "ntk", "factor": 2}}]"#,
        [0, 1, 2, 3]
      ),
    ])
  func otherIdentity(old: String, new: String, touched: [Int]) throws {
    let before = try Self.identities(Self.single)
    #expect(Self.single.contains(old))
    let after = try Self.identities(Self.single.replacing(old, with: new))
    #expect(before.count == 4 && after.count == 4)
    #expect(zip(before, after).enumerated().filter { $1.0 != $1.1 }.map(\.offset) == touched)
  }

  @Test("A model's identity holds its rotary scaling with the defaults of its type")
  func scaledIdentity() throws {
    let identities = try [
      #"{"type": "yarn", "factor": 2}"#, #"{"factor": 2.0, "betaFast": 32, "type": "yarn"}"#,
      #"{"type": "yarn", "factor": 3}"#, #"{"type": "yarn", "factor": 2, "betaFast": 16}"#,
    ].map {
      try Self.identities(
        SpecSamples.spec(models: #"{"name": "a", "path": "tiny.gguf", "ropeScaling": \#($0)}"#))
    }
    #expect(identities[0] == identities[1])
    #expect(Set(identities[1...].flatMap { $0 }).count == 3 * identities[0].count)
  }

  @Test(
    "Labels hold what distinguishes a cell in its experiment, and nothing else",
    arguments: [
      (#"{"name": "tca", "threshold": 0.5}"#, ["tca"]),
      (
        #"{"name": "tca", "threshold": [0.5, 0.9], "blockSize": 64}"#,
        ["tca threshold=0.5", "tca threshold=0.9"]
      ),
      (
        #"{"name": "tca"}, {"name": "tca", "prefill": false, "localWindow": 256}"#,
        ["tca localWindow=4096 prefill=true", "tca localWindow=256 prefill=false"]
      ),
      (#"{"name": "tca"}, {"name": "tca", "heads": [1, -1]}"#, ["tca", "tca heads=[1,-1]"]),
      (
        #"{"name": "tca", "criterion": ["meanMass", "columnMean"]}"#,
        ["tca criterion=meanMass", "tca criterion=columnMean"]
      ),
      (#"{"name": "picker", "budget": {"fraction": 0.5}}"#, ["picker"]),
      (
        #"{"name": "picker", "budget": [{"fraction": [0.5, 1]}, {"mass": 0.9}]}"#,
        ["picker fraction=0.5", "picker fraction=1", "picker mass=0.9"]
      ),
      (
        #"{"name": "streaming-llm", "budget": {"matching": "tca"}}, {"name": "tca"}"#,
        ["tca", "streaming-llm"]
      ),
      (
        #"{"name": "streaming-llm"}, {"name": "streaming-llm", "budget": {"matching": "tca"}}, {"name": "tca"}"#,
        ["streaming-llm", "tca", "streaming-llm matching tca"]
      ),
      // A budget replaces the window, so a budgeted cell names none.
      (
        #"{"name": "streaming-llm", "localWindow": [64, 128]}, {"name": "streaming-llm", "budget": {"tokens": 9}}"#,
        [
          "streaming-llm localWindow=64", "streaming-llm localWindow=128",
          "streaming-llm tokens=9",
        ]
      ),
      (
        #"{"name": "streaming-llm", "sinks": [0, 4], "budget": {"matching": "tca", "of": ["kvBytes", "density"]}}, {"name": "tca"}"#,
        [
          "tca", "streaming-llm sinks=0 matching kvBytes of tca",
          "streaming-llm sinks=0 matching density of tca",
          "streaming-llm sinks=4 matching kvBytes of tca",
          "streaming-llm sinks=4 matching density of tca",
        ]
      ),
      // By a label, one cell of them alone.
      (
        #"{"name": "tca", "threshold": [0.5, 0.9]}, {"name": "streaming-llm", "sinks": [0, 4], "budget": {"matching": ["tca threshold=0.9", "full"]}}"#,
        [
          "tca threshold=0.5", "tca threshold=0.9",
          "streaming-llm sinks=0 matching tca threshold=0.9",
          "streaming-llm sinks=0 matching full",
          "streaming-llm sinks=4 matching tca threshold=0.9",
          "streaming-llm sinks=4 matching full",
        ]
      ),
      (
        #"{"name": "tca", "threshold": [0.5, 0.9]}, {"name": "tca", "threshold": [0.9, 1]}"#,
        ["tca threshold=0.5", "tca threshold=0.9", "tca threshold=1"]
      ),
      // One thing is changed at a time: what most cells have goes without saying.
      (
        #"{"name": "tca", "threshold": [0.5, 0.9]}, {"name": "tca", "blockSize": 64}, {"name": "tca", "prefill": false}"#,
        ["tca threshold=0.5", "tca", "tca blockSize=64", "tca prefill=false"]
      ),
      // No value without words beside one that goes without saying.
      (
        #"{"name": "tca", "heads": [1, -1], "threshold": [0.5, 0.9, 1]}, {"name": "tca", "threshold": 0.7}"#,
        [
          "tca threshold=0.5 heads=[1,-1]", "tca threshold=0.9 heads=[1,-1]",
          "tca threshold=1 heads=[1,-1]", "tca threshold=0.7",
        ]
      ),
    ])
  func labels(strategies: String, labels: [String]) throws {
    let cells = try SpecSamples.plan(SpecSamples.spec(strategies: strategies)).cells
    #expect(cells.map(\.label) == ["full"] + labels)
  }

  @Test("A long list in a label is shortened to its length and digest")
  func longList() throws {
    let heads = (0..<270).map { String($0 % 14) }.joined(separator: ", ")
    let cells = try SpecSamples.plan(
      SpecSamples.spec(strategies: #"{"name": "tca"}, {"name": "tca", "heads": [\#(heads)]}"#)
    ).cells
    #expect(cells[2].label.wholeMatch(of: /tca heads=\[270 values [0-9a-f]{6}\]/) != nil)
  }

  private func estimate(
    _ text: String, rates: MachineRates = .assumed
  ) throws -> PlanEstimate {
    let checked = try SpecSamples.check(text)
    let plan = ExperimentPlan(checked)
    return PlanEstimate(of: plan.cells, in: checked, plan: plan, rates: rates)
  }

  @Test("The estimate grows with the work, and counts a calibration once")
  func growth() throws {
    let full = #"{"name": "full"}"#
    let once = try estimate(SpecSamples.spec(strategies: full))
    // 4 samples of 0.115 TFLOP with attention counted twice, 4 timed passes and 128 steps, at 150 GFLOP/s.
    #expect((4...24).contains(once.seconds))
    #expect((200_000_000...500_000_000).contains(once.peakBytes))
    let longer = try estimate(SpecSamples.spec(strategies: full, contexts: "512, 4096"))
    #expect(longer.seconds > 8 * once.seconds && longer.peakBytes > once.peakBytes)
    let quick = try estimate(
      SpecSamples.spec(strategies: full, rest: #", "metrics": ["latency"], "repeats": 1"#)
    )
    #expect(quick.seconds < once.seconds)
    let one = try estimate(SpecSamples.spec(strategies: #"{"name": "tca"}"#))
    let two = try estimate(
      SpecSamples.spec(strategies: #"{"name": "tca", "threshold": [0.5, 0.9]}"#)
    )
    #expect(two.seconds - one.seconds < one.seconds - once.seconds)
    let checked = try SpecSamples.check(Self.example)
    #expect(PlanEstimate(of: [], in: checked, plan: ExperimentPlan(checked)).seconds == 0)
  }

  @Test("A machine twice as fast takes half the time, preparations aside")
  func rates() throws {
    let spec = SpecSamples.spec(
      strategies: #"{"name": "tca"}, {"name": "streaming-llm", "budget": {"fraction": 0.5}}"#)
    let rates = MachineRates.assumed
    let slow = try estimate(spec)
    let fast = try estimate(
      spec,
      rates: MachineRates(
        products: 2 * rates.products, attention: 2 * rates.attention, weights: 2 * rates.weights)
    )
    #expect(slow.cells.count == 3)
    for (identity, cell) in slow.cells {
      let other = try #require(fast.cells[identity])
      #expect(abs(other.seconds / cell.seconds - 0.5) < 1e-9 && other.peakBytes == cell.peakBytes)
    }
  }

  @Test("Cells add up to the whole, share the dense pass, and cost nothing where they are done")
  func cellEstimates() throws {
    let text = SpecSamples.spec(
      strategies:
        #"{"name": "tca"}, {"name": "streaming-llm", "budget": {"fraction": [0.2, 0.5]}}"#,
      rest: #", "metrics": ["approximation", "quality"]"#)
    let checked = try SpecSamples.check(text)
    let plan = ExperimentPlan(checked)
    func estimate(_ missing: ((PlannedCell) -> Set<ResultKind>)?) -> PlanEstimate {
      PlanEstimate(of: plan.cells, in: checked, plan: plan, missing: missing)
    }
    let all = estimate(nil)
    let sum = all.cells.values.reduce(0) { $0 + $1.seconds }
    #expect(sum < all.seconds && all.seconds - sum < 1)
    #expect(all.peakBytes >= all.cells.values.map(\.peakBytes).max() ?? 0)
    // One more strategy adds its own passes, not another dense one.
    let last = try #require(plan.cells.last).cell.identity
    let without = estimate { $0.cell.identity == last ? [] : checked.spec.metrics }
    #expect(without.cells[last] == nil)
    let own = try #require(all.cells[last])
    #expect(abs(all.seconds - without.seconds - own.seconds) < 1e-9 * all.seconds)
    // With `full` done the dense pass falls on those that are left.
    let full = plan.cells[0].cell.identity
    let rest = estimate { $0.cell.identity == full ? [] : checked.spec.metrics }
    #expect(abs(rest.seconds / all.seconds - 1) < 1e-9)
    #expect(try #require(rest.cells[last]).seconds > own.seconds)
    #expect(estimate { _ in [] } == PlanEstimate(of: [], in: checked, plan: plan))
  }

  @Test(
    "Where full is done, answers ask for no dense pass: the rest takes what it adds, and no more")
  func answersAlone() throws {
    let checked = try SpecSamples.check(
      SpecSamples.spec(
        strategies: #"{"name": "streaming-llm", "budget": {"fraction": [0.2, 0.5]}}"#,
        rest: #", "metrics": ["quality"]"#))
    let plan = ExperimentPlan(checked)
    let full = plan.cells[0].cell.identity
    let all = PlanEstimate(of: plan.cells, in: checked, plan: plan, missing: nil)
    let rest = PlanEstimate(of: plan.cells, in: checked, plan: plan) {
      $0.cell.identity == full ? [] : checked.spec.metrics
    }
    let own = try #require(all.cells[full]).seconds
    #expect(own > 0 && abs(all.seconds - rest.seconds - own) < 1e-9 * all.seconds)
  }

  @Test("Absurd sizes give absurd estimates, not a crash")
  func absurdEstimate() throws {
    var environment = SpecSamples.environment
    environment.modelFacts = { reference in
      ModelFacts(
        name: reference.name, path: "", digest: "", contextLength: .max, shape: SpecSamples.shape,
        size: ModelSize(
          hiddenSize: .max, matrixParameters: .max, outputParameters: .max, fileBytes: .max))
    }
    let text = SpecSamples.spec(
      strategies: #"{"name": "tca", "localWindow": 9223372036854775807}"#,
      tasks:
        #"{"name": "passkey", "samples": 100000, "decodeTokens": 100000}"#,
      contexts: "9223372036854775807")
    environment.strategyProblems = { _, _, _ in [] }
    let checked = try CheckedSpec(reading: Array(text.utf8), source: "spec.json", in: environment)
    let plan = ExperimentPlan(checked)
    let estimate = PlanEstimate(of: plan.cells, in: checked, plan: plan)
    #expect(estimate.seconds > 1e20 && estimate.peakBytes == 1_000_000_000_000_000_000)
  }
}
