import Foundation
import JSON
import LabTestSupport
import Testing
import Tokenization

@testable import Tasks

extension Tokenizer {
  /// A tokenizer of a few hundred tokens, without one if so told.
  static func tiny(addsBOS: Bool = false, without missing: String? = nil) throws -> Tokenizer {
    var tokens = TinyVocabulary.tokens
    // Renamed, so that the ids stay.
    if let missing, let byte = missing.utf8.first {
      let spelled = String(TinyVocabulary.byteCharacters[Int(byte)])
      tokens = tokens.map { $0 == spelled ? "<no byte>" : $0 }
    }
    return try Tokenizer(
      Vocabulary(
        .byteLevel(.smollm, merges: TinyVocabulary.merges), tokens: tokens,
        tokenTypes: TinyVocabulary.tokenTypes.map(Int.init), bosToken: 1, eosToken: 2,
        addsBOS: addsBOS))
  }
}

@Suite("Perplexity task")
struct TasksPerplexityTests {
  private let folder: TemporaryFolder
  private let tokenizer: Tokenizer
  /// 100 numbered lines.
  private let text = (0..<100).map { "Line \($0) of the text." }.joined(separator: "\n")

  init() throws {
    folder = try TemporaryFolder()
    try folder.write(text, to: "text.txt")
    tokenizer = try .tiny()
  }

  private func samples(
    _ configuration: PerplexityTask.Configuration, contextLength: Int = 64, seed: Int = 7,
    tokenizer: Tokenizer? = nil
  ) throws -> [TaskSample] {
    var configuration = configuration
    configuration.corpus = "text.txt"
    let task = try PerplexityTask(configuration, folder: folder.url)
    return try task.samples(
      tokenizer: tokenizer ?? self.tokenizer, contextLength: contextLength, seed: seed)
  }

  @Test(
    "Windows are consecutive stretches of the text tokenised once, each after BOS if asked for",
    arguments: [true, false], [true, false])
  func windows(joinLines: Bool, addsBOS: Bool) throws {
    let prepared = joinLines ? text.replacing("\n", with: " ") : text
    let tokens = tokenizer.encode(prepared)
    let start: [Int32] = addsBOS ? [1] : []
    let length = 64 - start.count
    let count = tokens.count / length
    #expect(count > 8)
    let samples = try samples(
      .init(samples: count, protocol: .prefill, joinLines: joinLines),
      tokenizer: try .tiny(addsBOS: addsBOS))
    #expect(Set(samples.map(\.place)) == Set((0..<count).map { Double(length * $0) }))
    #expect(samples.map(\.index) == Array(0..<count))
    for sample in samples {
      let first = Int(sample.place)
      #expect(sample.prompt == start + tokens[first..<first + length])
    }
  }

  @Test("joinLines that is the text's default counts as left out, so that both are one cell")
  func defaultJoinLines() throws {
    let registry = TaskRegistry.builtIn
    func canonical(_ corpus: String, _ joins: JSONValue) -> JSONValue? {
      registry.canonical(
        ["corpus": .string(corpus), "joinLines": joins, "protocol": "prefill"], of: "perplexity",
        contextLength: 64)["joinLines"]
    }
    #expect(canonical("emma", .null) == true && canonical("emma", false) == false)
    #expect(canonical("code", .null) == false && canonical("code", true) == true)
    // A user's own file.
    #expect(canonical("./code", .null) == true && canonical("corpora/code.txt", .null) == true)
    let own = try samples(.init(samples: 4))
    #expect(try samples(.init(samples: 4, joinLines: true)).map(\.prompt) == own.map(\.prompt))
    #expect(try samples(.init(samples: 4, joinLines: false)).map(\.prompt) != own.map(\.prompt))
  }

  @Test("BOS is inside the window and never scored, even where all else is")
  func bos() throws {
    for scoring in PerplexityTask.Configuration.ScoringProtocol.allCases {
      let sample = try samples(
        .init(protocol: scoring, scoredTokens: 63), tokenizer: try .tiny(addsBOS: true))[0]
      let window = sample.prompt + sample.forced
      #expect(window.count == 64 && window[0] == 1 && sample.scoredFrom == 1)
      #expect(!sample.scoredTargets.contains(1) && sample.scoredTargets.count == 63)
    }
  }

  @Test("The seed decides which windows come; more samples keep the earlier ones")
  func seed() throws {
    let all = try samples(.init(samples: 10))
    #expect(try samples(.init(samples: 10)) == all)
    for count in 1...9 { #expect(try samples(.init(samples: count)) == Array(all[..<count])) }
    let other = try samples(.init(samples: 10), seed: 8)
    #expect(other.map(\.place) != all.map(\.place))
    #expect(all.map(\.place) != all.map(\.place).sorted())
  }

  @Test("Both protocols score the same last tokens when told how many")
  func protocols() throws {
    let prefill = try samples(.init(protocol: .prefill, scoredTokens: 20))[0]
    let continuation = try samples(.init(protocol: .continuation, scoredTokens: 20))[0]
    #expect(prefill.prompt.count == 64 && prefill.forced.isEmpty)
    #expect(continuation.prompt.count == 44 && continuation.forced.count == 20)
    #expect(prefill.prompt == continuation.prompt + continuation.forced)
    for sample in [prefill, continuation] {
      #expect(sample.scoredFrom == 44)
      #expect(Array(sample.scoredTargets) == Array(prefill.prompt[44...]))
      #expect(sample.lateTokens.isEmpty && sample.greedyTokens == 0 && sample.expected == nil)
    }
  }

  @Test(
    "Half of a window is scored in prefill, a quarter but at most 256 in continuation",
    arguments: [(2, 1, 1), (3, 1, 1), (64, 32, 16), (1024, 512, 256), (8192, 4096, 256)])
  func defaults(contextLength: Int, prefill: Int, continuation: Int) {
    let scored = { (scoring: PerplexityTask.Configuration.ScoringProtocol) in
      PerplexityTask.Configuration(protocol: scoring).scoredTokens(of: contextLength)
    }
    #expect(scored(.prefill) == prefill && scored(.continuation) == continuation)
  }

  @Test("More samples than windows are an error that says how many there are")
  func tooFew() throws {
    let tokens = tokenizer.encode(text.replacing("\n", with: " ")).count
    #expect {
      try samples(.init(samples: 3), contextLength: 512)
    } throws: {
      "\($0)"
        == "task perplexity: \"3\" samples are asked for, and the corpus \"text.txt\" has \(tokens / 512) windows of 512 tokens (\(tokens) tokens); ask for fewer samples, a shorter context or a longer text"
    }
    #expect(throws: TaskError.self) { try samples(.init(), contextLength: 100_000) }
  }

  @Test("A window without a token that nothing precedes: all but the first can be scored")
  func scoredTokens() throws {
    let problems = { (scored: Int) in
      PerplexityTask.problems(of: .init(scoredTokens: scored), contextLength: 64).map(\.parameter)
    }
    #expect(problems(63) == [] && problems(64) == ["scoredTokens"])
    #expect(try samples(.init(scoredTokens: 63))[0].prompt.count == 1)
    #expect(throws: TaskError.self) { try samples(.init(scoredTokens: 64)) }
  }
}

@Suite("Task registry")
struct TasksRegistryTests {
  private let registry = TaskRegistry.builtIn
  private let folder = URL(fileURLWithPath: "/nowhere")

  @Test("Each task is there by its name, with a default for each parameter")
  func defaults() throws {
    #expect(
      registry.descriptions.map(\.name) == [
        "perplexity", "passkey", "ruler", "longbench", "jsonl", "attention",
      ])
    let files = try TemporaryFolder()
    try files.write(
      #"{"context": "c", "question": "q", "answers": ["x"], "metric": "f1"}"#, to: "own.jsonl")
    try files.write(
      #"{"context": "c", "input": "q", "answers": ["a"], "length": 1}"#, to: "qasper.jsonl")
    let required: [String: JSONValue] = [
      "ruler": ["task": "vt"], "jsonl": ["file": "own.jsonl"],
      "longbench": ["folder": ".", "dataset": "qasper"],
    ]
    for description in registry.descriptions {
      let parameters = required[description.name] ?? [:]
      let task = try registry.task(
        named: description.name, parameters: parameters, folder: files.url)
      #expect(
        description.parameters.filter(\.isRequired).map(\.name).sorted()
          == (parameters.objectValue ?? [:]).keys.sorted())
      #expect(type(of: task).description == description)
      #expect(description.parameter(named: "decodeTokens") == .decodeTokens)
      for name in description.textParameters {
        #expect(description.parameter(named: name)?.kind == .string)
      }
    }
    #expect(registry.description(named: "perplexity")?.protocols == ["prefill", "continuation"])
  }

  @Test("Parameters by name reach the task, whatever else stands beside them")
  func parameters() throws {
    let parameters: JSONValue = [
      "corpus": "emma", "samples": 2, "protocol": "prefill", "scoredTokens": 5,
      "joinLines": false, "decodeTokens": 3,
    ]
    let task = try registry.task(named: "perplexity", parameters: parameters, folder: folder)
    let samples = try task.samples(tokenizer: .tiny(), contextLength: 32, seed: 0)
    #expect(samples.count == 2 && samples[0].scoredFrom == 27 && samples[0].prompt.count == 32)
  }

  @Test("Unknown names, unfit parameters and missing texts are errors")
  func errors() {
    let problem = { (name: String, parameters: JSONValue) in
      do {
        _ = try registry.task(named: name, parameters: parameters, folder: folder)
        return ""
      } catch {
        return "\(error)"
      }
    }
    #expect(
      problem("rule", [:])
        == "task rule: is not known; known are perplexity, passkey, ruler, longbench, jsonl, attention"
    )
    #expect(
      problem("passkey", ["samples": "two"])
        == "task passkey: the parameters {\"samples\":\"two\"} do not fit its description")
    #expect(
      problem("passkey", ["corpus": "x.txt"]) == "/nowhere/x.txt: there is no such file")
  }

  @Test("A text is too short where its bytes are, beyond ASCII where three times its bytes are")
  func shortTexts() throws {
    let folder = try TemporaryFolder()
    func problems(_ name: String, _ parameters: [String: JSONValue], _ text: String) throws
      -> [String]
    {
      try folder.write(text, to: "text.txt")
      return registry.problems(
        of: name, parameters: .object(parameters.merging(["corpus": "text.txt"]) { $1 }),
        contextLength: 128, folder: folder.url
      ).map(\.parameter)
    }
    let ascii = { (count: Int) in String(repeating: "a", count: count) }
    // One of 128 tokens may be BOS, and a vocabulary may put a space before the text.
    #expect(try problems("perplexity", [:], ascii(126)) == [])
    #expect(try problems("perplexity", [:], ascii(125)) == ["corpus"])
    #expect(try problems("perplexity", ["samples": 2], ascii(252)) == ["samples"])
    #expect(try problems("perplexity", ["samples": 2], ascii(253)) == [])
    #expect(try problems("perplexity", [:], String(repeating: "\u{915}", count: 14)) == [])
    #expect(try problems("perplexity", [:], String(repeating: "\u{915}", count: 13)) == ["corpus"])
    #expect(try problems("passkey", [:], ascii(40)) == ["corpus"])
    #expect(try problems("passkey", [:], ascii(200)) == [])
    #expect(try problems("ruler", ["task": "niah_single_2"], "").contains("corpus"))
    #expect(try !problems("ruler", ["task": "niah_single_1"], "").contains("corpus"))
  }

  @Test("Problems at a context length carry the parameter's name")
  func problems() {
    let problems = { (name: String, parameters: JSONValue, contextLength: Int) in
      registry.problems(of: name, parameters: parameters, contextLength: contextLength)
        .map(\.parameter)
    }
    #expect(problems("perplexity", ["scoredTokens": 64], 64) == ["scoredTokens"])
    #expect(problems("perplexity", ["scoredTokens": 64], 65) == [])
    #expect(problems("passkey", ["depths": []], 63) == ["depths", "contextLength"])
    #expect(problems("passkey", ["depths": [0.5, 0.5]], 64) == ["depths"])
    #expect(problems("passkey", ["samples": "two"], 1) == [])
    #expect(problems("rule", [:], 1) == [])
    #expect(problems("ruler", ["task": "vt"], 1000) == ["contextLength"])
    #expect(
      problems("jsonl", ["file": "x", "template": "{context}"], 30) == [
        "template", "contextLength",
      ])
  }
}
