import Digests
import Foundation
import JSON
import LabTestSupport
import Testing
import Tokenization

@testable import Tasks

@Suite("Tasks that read files of questions")
struct TasksFileTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try FileManager.default.createDirectory(
      at: folder.url.appendingPathComponent("bench"), withIntermediateDirectories: true)
  }

  private static func golden() throws -> JSONValue {
    try JSONValue(
      parsing: String(contentsOfFile: GoldenFiles.path("longbench.json"), encoding: .utf8))
  }

  private static func metric(_ name: String) throws -> BenchmarkMetric {
    let metrics: [String: BenchmarkMetric] = [
      "f1": .f1, "rougeL": .rougeL, "classification": .classification, "count": .count,
      "retrieval": .retrieval, "code": .code,
    ]
    return try #require(metrics[name])
  }

  // MARK: LongBench

  @Test("What has no end is refused before it fills the memory")
  func endless() {
    let error = #expect(throws: TextError.self) { try TextFile.text(at: "/dev/zero") }
    #expect(error?.problem.contains("more than 256 MiB") == true)
  }

  @Test(
    "A pipe is read, and one that no program writes into is refused at once",
    .timeLimit(.minutes(30)))
  func pipes() throws {
    let pipe = Pipe()
    try pipe.fileHandleForWriting.write(contentsOf: Data("through é".utf8))
    try pipe.fileHandleForWriting.close()
    let number = pipe.fileHandleForReading.fileDescriptor
    #expect(try TextFile.text(at: "/dev/fd/\(number)") == "through é")
    let path = folder.path("pipe")
    #expect(mkfifo(path, 0o600) == 0)
    let error = #expect(throws: TextError.self) { try TextFile.text(at: path) }
    #expect(
      error?.problem
        == "is a pipe that no program writes into; start that program first, or name a file")
    try folder.write("", to: "empty.txt")
    #expect(try TextFile.text(at: folder.path("empty.txt")) == "")
    try folder.write("é", to: "short.txt")
    #expect(try TextFile.text(at: folder.path("short.txt")) == "é")
  }

  @Test("Scores are those of the benchmark's own script")
  func scores() throws {
    let cases = try #require(try Self.golden()["scores"]?.arrayValue)
    #expect(cases.count > 50)
    for item in cases {
      let answer = try #require(item["answer"]?.stringValue)
      let expected = try #require(item["expected"]?.stringValue)
      let score = try Self.metric(try #require(item["metric"]?.stringValue)).score(
        PythonText(answer), PythonText(expected),
        classes: (item["classes"]?.arrayValue ?? []).compactMap(\.stringValue).map {
          PythonText($0)
        })
      let wanted = try #require(item["score"]?.doubleValue)
      #expect(abs(score - wanted) < 1e-12, "\(item.canonicalText): \(score)")
    }
  }

  @Test("Prompts, answer lengths and metrics are those of the benchmark's configuration")
  func datasets() throws {
    let datasets = try #require(try Self.golden()["datasets"]?.objectValue)
    #expect(Set(LongBenchDataset.all.map(\.name)) == Set(datasets.keys))
    for dataset in LongBenchDataset.all {
      let entry = try #require(datasets[dataset.name])
      #expect(SHA256Digest.of(dataset.template) == entry["sha256"]?.stringValue, "\(dataset.name)")
      #expect(dataset.answerTokens == entry["answerTokens"]?.integerValue)
      #expect(try dataset.metric == Self.metric(try #require(entry["metric"]?.stringValue)))
    }
    for name in LongBenchDataset.evenNames { #expect(LongBenchDataset.named(name) != nil) }
    for name in LongBenchDataset.chineseNames { #expect(LongBenchDataset.named(name) == nil) }
  }

  private func write(_ name: String, _ lines: [JSONValue]) throws {
    try folder.write(lines.map(\.canonicalText).joined(separator: "\n") + "\n", to: name)
  }

  private static func record(
    _ context: String, _ input: String, _ answers: [String], length: Int = 100,
    dataset: String = "hotpotqa", classes: JSONValue = .null
  ) -> JSONValue {
    [
      "input": .string(input), "context": .string(context),
      "answers": .array(answers.map { .string($0) }), "length": .integer(length),
      "dataset": .string(dataset), "language": "en", "all_classes": classes, "_id": "0123",
    ]
  }

  @Test("A record becomes the benchmark's prompt; a longer one keeps its halves")
  func prompts() throws {
    let tokenizer = try Tokenizer.tiny()
    let long = (0..<400).map { "Word \($0)." }.joined(separator: " ")
    try write(
      "bench/hotpotqa.jsonl",
      [
        Self.record("Short {input} text.", "Who {context}?", ["A", "B"], length: 3999),
        Self.record(long, "Who?", ["C"], length: 8000),
      ])
    let make = { (queryAware: Bool) in
      try LongBenchTask(
        .init(folder: "bench", dataset: "hotpotqa", queryAware: queryAware), folder: folder.url
      ).samples(tokenizer: tokenizer, contextLength: 1000, seed: 1)
    }
    let samples = try make(true)
    #expect(samples.map(\.index) == [0, 1] && samples.map(\.place) == [3999, 8000])
    let text = tokenizer.decode(samples[0].prompt)
    #expect(text.contains("The following are given passages.\nShort {input} text.\n\nAnswer the"))
    #expect(text.hasSuffix("Question: Who {context}?\nAnswer:"))
    #expect(samples[0].answers == ["A", "B"] && samples[0].expected == "A | B")
    #expect(samples[0].greedyTokens == 32 && samples[0].stopTokens == tokenizer.endTokens)
    // 968 tokens: the first and the last 484.
    #expect(samples[1].prompt.count == 968)
    let all = tokenizer.decode(samples[1].prompt)
    #expect(all.hasPrefix("Answer the question based") && all.hasSuffix("Question: Who?\nAnswer:"))
    #expect(all.contains("Word 3.") && !all.contains("Word 200.") && all.contains("Word 399."))
    for (aware, late) in zip(samples, try make(false)) {
      #expect(late.prompt + late.lateTokens == aware.prompt)
      let question = tokenizer.decode(late.lateTokens)
      #expect(question.hasPrefix("\n\nAnswer the question") && question.hasSuffix("Answer:"))
    }
  }

  @Test("Answers are scored against the best of the right ones; examples that follow are cut off")
  func answers() throws {
    let classes: JSONValue = ["City", "Date", "Human"]
    try write(
      "bench/trec_e.jsonl",
      [
        Self.record("Examples", "Question: where?", ["City"], dataset: "trec", classes: classes),
        Self.record("Examples", "Question: who?", ["Human"], dataset: "trec", classes: classes),
      ])
    try write("bench/samsum.jsonl", [Self.record("C", "D", ["x y"], dataset: "samsum")])
    let task = try LongBenchTask(.init(folder: "bench", dataset: "trec_e"), folder: folder.url)
    let tokenizer = try Tokenizer.tiny()
    let samples = try task.samples(tokenizer: tokenizer, contextLength: 400, seed: 1)
    #expect(samples[0].chanceLevel == 1 / 3.0 && samples[0].isNeverEmpty == false)
    #expect(task.score("\n\nCity\nDate", of: samples[0]) == 1)
    #expect(task.score("City or Date", of: samples[0]) == 0.5)
    #expect(task.score("City", of: samples[1]) == 0)
    let one = try LongBenchTask(
      .init(folder: "bench", dataset: "trec_e", samples: 1), folder: folder.url
    ).samples(tokenizer: tokenizer, contextLength: 400, seed: 1)
    #expect(one.count == 1)
    let dialogue = try LongBenchTask(
      .init(folder: "bench", dataset: "samsum"), folder: folder.url
    ).samples(tokenizer: tokenizer, contextLength: 400, seed: 1)[0]
    #expect(dialogue.isNeverEmpty)
    #expect(dialogue.stopTokens == tokenizer.endTokens.union(tokenizer.encode("\n")))
  }

  @Test("A text that another normal form makes equal is another text, as for the benchmark")
  func normalForms() throws {
    let (composed, decomposed) = ("caf\u{E9}", "cafe\u{301}")
    #expect(composed == decomposed)
    try write(
      "bench/hotpotqa.jsonl", [Self.record("c", "i", [composed]), Self.record("c", "i", ["ΟΔΟΣ"])])
    let task = try LongBenchTask(.init(folder: "bench", dataset: "hotpotqa"), folder: folder.url)
    let samples = try task.samples(
      tokenizer: try Tokenizer.tiny(), contextLength: 400, seed: 1)
    #expect(task.score(composed, of: samples[0]) == 1)
    #expect(task.score(decomposed, of: samples[0]) == 0)
    #expect(task.score("οδος", of: samples[1]) == 1 && task.score("οδοσ", of: samples[1]) == 0)
  }

  @Test("Damaged files are refused with line, key, value and what is allowed")
  func damagedRecords() throws {
    let problem = { (text: String) throws -> String in
      try folder.write(text, to: "bench/hotpotqa.jsonl")
      return LongBenchTask.fileProblems(
        of: .init(folder: "bench", dataset: "hotpotqa"), folder: folder.url
      ).map(\.description).joined()
    }
    let good = Self.record("c", "i", ["a"]).canonicalText
    #expect(try problem(good) == "")
    #expect(
      try problem(good + "\n\n{\"input\": 3}")
        == "folder: bench/hotpotqa.jsonl: line 3: \"input\" is 3; allowed: a text")
    #expect(
      try problem(good.replacing("\"answers\"", with: "\"answer\""))
        == "folder: bench/hotpotqa.jsonl: line 1: the key \"answers\" is missing; allowed: a text, or a list of texts, at least one; is \"answer\" meant for it?"
    )
    #expect(
      try problem(good.replacing("hotpotqa", with: "qasper"))
        == "folder: bench/hotpotqa.jsonl: line 1: \"dataset\" is \"qasper\"; allowed: hotpotqa")
    #expect(try problem("\n").hasSuffix("holds no line; each is to be a JSON object"))
    #expect(try problem("[1]").hasSuffix("line 1 is a list; each is to be a JSON object"))
    #expect(try problem(good + "\n{'a': 1}").contains("line 2, column 2: "))
    #expect(
      LongBenchTask.problems(of: .init(folder: "x", dataset: "dureader"), contextLength: 9000)
        .map(\.description) == [
          "dataset: \"dureader\" is Chinese; its scores need a word segmenter, which this program lacks: use an English or code set"
        ])
  }

  @Test("More samples than a file has records are refused, when it is checked and when it is read")
  func tooManySamples() throws {
    try write("bench/hotpotqa.jsonl", (0..<2).map { Self.record("c", "i \($0)", ["a"]) })
    try folder.write(
      Self.line(metric: "f1", answers: ["x"]).canonicalText + "\n\n", to: "own.jsonl")
    let bench = { (samples: Int?) in
      LongBenchTask.Configuration(folder: "bench", dataset: "hotpotqa", samples: samples)
    }
    let own = { (samples: Int?) in
      JSONLinesTask.Configuration(file: "own.jsonl", samples: samples)
    }
    for samples in [nil, 1, 2] {
      #expect(LongBenchTask.fileProblems(of: bench(samples), folder: folder.url).isEmpty)
    }
    let ofBench =
      "samples: \"3\" are asked for, bench/hotpotqa.jsonl has 2 records; allowed: 1 to 2, or no samples for all"
    #expect(
      LongBenchTask.fileProblems(of: bench(3), folder: folder.url).map(\.description) == [ofBench])
    for samples in [nil, 1] {
      #expect(JSONLinesTask.fileProblems(of: own(samples), folder: folder.url).isEmpty)
    }
    // A line without anything is none.
    let ofOwn =
      "samples: \"2\" are asked for, own.jsonl has 1 record; allowed: 1 to 1, or no samples for all"
    #expect(
      JSONLinesTask.fileProblems(of: own(2), folder: folder.url).map(\.description) == [ofOwn])

    let tokenizer = try Tokenizer.tiny()
    let tasks: [(task: any ExperimentTask, problem: String)] = [
      (try LongBenchTask(bench(3), folder: folder.url), "task longbench: \(ofBench)"),
      (try JSONLinesTask(own(2), folder: folder.url), "task jsonl: \(ofOwn)"),
    ]
    for (task, problem) in tasks {
      #expect {
        try task.samples(tokenizer: tokenizer, contextLength: 400, seed: 1)
      } throws: {
        "\($0)" == problem
      }
    }
    let all = try LongBenchTask(bench(2), folder: folder.url)
      .samples(tokenizer: tokenizer, contextLength: 400, seed: 1)
    #expect(all.map(\.index) == [0, 1])
  }

  // MARK: The user's own file

  private static func line(
    metric: String, answers: JSONValue, choices: JSONValue? = nil, context: String = "Some text."
  ) -> JSONValue {
    var members: [String: JSONValue] = [
      "context": .string(context), "question": "What?", "answers": answers,
      "metric": .string(metric), "note": "not looked at",
    ]
    members["choices"] = choices
    return .object(members)
  }

  @Test("Each line has its own metric")
  func ownMetrics() throws {
    try write(
      "own.jsonl",
      [
        Self.line(metric: "exact", answers: ["The Cat", "dog"]),
        Self.line(metric: "contains", answers: ["cat"]),
        Self.line(metric: "f1", answers: ["a black cat", "dog"]),
        Self.line(metric: "choice", answers: ["B"], choices: ["red", "green", "blue"]),
      ])
    let task = try JSONLinesTask(.init(file: "own.jsonl", queryAware: true), folder: folder.url)
    let tokenizer = try Tokenizer.tiny()
    let samples = try task.samples(tokenizer: tokenizer, contextLength: 200, seed: 1)
    let score = { task.score($1, of: samples[$0]) }
    #expect(score(0, " cat.\nMore") == 1 && score(0, "\nDog") == 1 && score(0, "cat dog") == 0)
    #expect(score(1, "concatenated") == 1 && score(1, "line\n\nCAT") == 1 && score(1, "dog") == 0)
    #expect(score(2, "black cat") == 1 && score(2, "black cat dog") == 0.8)
    #expect(score(2, "mouse") == 0)
    #expect(score(3, " B. green") == 1 && score(3, "Because C") == 0 && score(3, "(B)") == 1)
    #expect(score(3, "D") == 0 && score(3, "Back A B") == 0 && score(3, "") == 0)
    #expect(samples.map(\.chanceLevel) == [0, 0, 0, 1 / 3.0])
    #expect(samples.map(\.place) == [1, 2, 3, 4])
    #expect(
      tokenizer.decode(samples[3].prompt)
        == "Some text.\n\nQuestion: What?\nA. red\nB. green\nC. blue\nAnswer:")
  }

  @Test("Own answers are compared scalar by scalar, their case folded as Python folds it")
  func ownScalars() throws {
    let letters = (0..<11).map { JSONValue.string("option \($0)") }
    try write(
      "own.jsonl",
      [
        Self.line(metric: "exact", answers: ["Zo\u{EB}"]),
        Self.line(metric: "contains", answers: ["Zoe"]),
        Self.line(metric: "f1", answers: ["ΟΔΟΣ"]),
        Self.line(metric: "contains", answers: ["ΟΔΟΣ"]),
        Self.line(metric: "choice", answers: ["K"], choices: .array(letters)),
      ])
    let task = try JSONLinesTask(.init(file: "own.jsonl"), folder: folder.url)
    let samples = try task.samples(tokenizer: try Tokenizer.tiny(), contextLength: 400, seed: 1)
    let score = { task.score($1, of: samples[$0]) }
    #expect(score(0, "zo\u{EB}") == 1 && score(0, "zoe\u{308}") == 0)
    #expect(score(1, "Zo\u{EB}") == 0 && score(1, "Zoe\u{308}") == 1)
    #expect(score(2, "οδος") == 1 && score(2, "οδοσ") == 0)
    // In the middle of a text the sigma is another letter.
    #expect(score(3, "η οδος ΟΔΟΣ") == 1 && score(3, "ΟΔΟΣΑ") == 0)
    // A letter with a mark is another letter, the Kelvin sign is none of ours.
    #expect(score(4, "K") == 1 && score(4, "A\u{301} K") == 1 && score(4, "\u{212A}") == 0)
    try write(
      "own.jsonl",
      [Self.line(metric: "choice", answers: ["\u{212A}"], choices: .array(letters))])
    #expect(
      JSONLinesTask.fileProblems(of: .init(file: "own.jsonl"), folder: folder.url).count == 1)
  }

  @Test("One answer needs no list")
  func oneAnswer() throws {
    try write("own.jsonl", [Self.line(metric: "contains", answers: "cat")])
    let task = try JSONLinesTask(.init(file: "own.jsonl"), folder: folder.url)
    let sample = try task.samples(tokenizer: .tiny(), contextLength: 200, seed: 1)[0]
    #expect(sample.answers == ["cat"] && task.score("a cat", of: sample) == 1)
  }

  @Test("A question without a context is asked all the same, selected early or late")
  func emptyContext() throws {
    let tokenizer = try Tokenizer.tiny()
    try write("own.jsonl", [Self.line(metric: "contains", answers: ["Paris"], context: "")])
    for template in [JSONLinesTask.defaultTemplate, "{context}{question}"] {
      for isAware in [true, false] {
        let configuration = JSONLinesTask.Configuration(
          file: "own.jsonl", template: template, queryAware: isAware)
        #expect(JSONLinesTask.fileProblems(of: configuration, folder: folder.url).isEmpty)
        let sample = try JSONLinesTask(configuration, folder: folder.url)
          .samples(tokenizer: tokenizer, contextLength: 200, seed: 1)[0]
        #expect(
          tokenizer.decode(sample.prompt + sample.lateTokens)
            == template.replacing("{context}", with: "").replacing("{question}", with: "What?"))
        #expect(sample.prompt.count == 1 || isAware)
      }
    }
  }

  @Test("A line of which no prompt comes is refused when the spec is checked")
  func nothingToAsk() throws {
    try folder.write(
      #"{"context": "", "question": "", "answers": ["x"], "metric": "f1"}"#, to: "own.jsonl")
    let problems = { (template: String) in
      JSONLinesTask.fileProblems(
        of: .init(file: "own.jsonl", template: template), folder: folder.url
      ).map(\.description)
    }
    #expect(problems("{context} {question}").isEmpty)
    #expect(
      problems("{context}{question}") == [
        "file: own.jsonl: line 1: \"context\" and \"question\" are \"\", and the template adds nothing: there is nothing to ask; fill one of them"
      ])
  }

  @Test(
    "Keys that are not looked at may hold anything",
    arguments: [
      "14695981039346656037", "1e999", "NaN", "[1, {\"a\": [2, \"]\"]}]", "{\"a\": 1, \"a\": 2}",
      "\"a \\\" quote\"", "null",
    ])
  func ignoredKeys(value: String) throws {
    let own = #""context": "c", "question": "q", "answers": ["x"], "metric": "f1""#
    for line in [
      #"{"id": \#(value), \#(own)}"#, #"{\#(own), "id": \#(value)}"#,
      #"{"id": \#(value), \#(own), "id": \#(value)}"#,
    ] {
      try folder.write(line, to: "own.jsonl")
      let problems = JSONLinesTask.fileProblems(of: .init(file: "own.jsonl"), folder: folder.url)
      #expect(problems.isEmpty, "\(line): \(problems)")
    }
    // What is looked at is checked.
    try folder.write(#"{\#(own), "choices": 1e999}"#, to: "own.jsonl")
    let problems = JSONLinesTask.fileProblems(of: .init(file: "own.jsonl"), folder: folder.url)
    #expect(problems.map(\.description).joined().contains("is too large"))
    for broken in [#"{\#(own), "id": }"#, #"{\#(own), "id": [1}"#, #"{\#(own), "id": "a}"#] {
      try folder.write(broken, to: "own.jsonl")
      #expect(
        !JSONLinesTask.fileProblems(of: .init(file: "own.jsonl"), folder: folder.url).isEmpty,
        "\(broken)")
    }
  }

  @Test("A mark after a place of the template does not hide it")
  func markedTemplate() throws {
    try write("own.jsonl", [Self.line(metric: "f1", answers: ["x"])])
    let configuration = JSONLinesTask.Configuration(
      file: "own.jsonl", template: "{context}\u{301} {question}\u{308}", queryAware: true)
    #expect(JSONLinesTask.problems(of: configuration, contextLength: 200).isEmpty)
    let tokenizer = try Tokenizer.tiny()
    let sample = try JSONLinesTask(configuration, folder: folder.url)
      .samples(tokenizer: tokenizer, contextLength: 200, seed: 1)[0]
    #expect(
      PythonText(tokenizer.decode(sample.prompt)) == "Some text.\u{301} What?\u{308}")
  }

  @Test("The prompt is the template; too long a document loses its middle, a question never")
  func ownPrompts() throws {
    let tokenizer = try Tokenizer.tiny()
    let long = (0..<200).map { "Word \($0)." }.joined(separator: " ")
    try write("own.jsonl", [Self.line(metric: "exact", answers: ["x"], context: long)])
    let make = { (template: String, contextLength: Int, queryAware: Bool) in
      try JSONLinesTask(
        .init(file: "own.jsonl", template: template, answerTokens: 8, queryAware: queryAware),
        folder: folder.url
      ).samples(tokenizer: tokenizer, contextLength: contextLength, seed: 1)[0]
    }
    let short = try make("T: {context} Q: {question}", 208, true)
    #expect(short.prompt.count == 200 && short.greedyTokens == 8)
    let text = tokenizer.decode(short.prompt)
    #expect(text.hasPrefix("T: Word 0.") && text.hasSuffix("Word 199. Q: What?"))
    let late = try make("T: {context} Q: {question}", 208, false)
    #expect(late.prompt + late.lateTokens == short.prompt)
    #expect(tokenizer.decode(late.lateTokens) == " Q: What?")
    let whole = try make("{context}{question}", 10_000, true)
    #expect(tokenizer.decode(whole.prompt) == long + "What?")
    #expect {
      try make("{context}{question}" + String(repeating: " and", count: 40), 60, true)
    } throws: {
      "\($0)".contains(
        "own.jsonl: line 1: the question does not fit the half of a prompt of 52 tokens")
    }
    for template in [
      "{question}", "{question} {context}", "{context}", "{context}{context}{question}",
    ] {
      #expect(
        JSONLinesTask.problems(of: .init(file: "x", template: template), contextLength: 100)
          .map(\.parameter) == ["template"])
    }
  }

  @Test("Wrong lines are refused with their number, the value and what is allowed")
  func damagedLines() throws {
    let problem = { (line: JSONValue) throws -> String in
      try write("own.jsonl", [Self.line(metric: "f1", answers: ["x"]), line])
      let problems = JSONLinesTask.fileProblems(of: .init(file: "own.jsonl"), folder: folder.url)
      return problems.map(\.description).joined()
    }
    #expect(
      try problem(Self.line(metric: "exat", answers: ["x"]))
        == "file: own.jsonl: line 2: \"metric\" is \"exat\"; allowed: exact, contains, f1, choice; did you mean \"exact\"?"
    )
    #expect(
      try problem(Self.line(metric: "f1", answers: []))
        == "file: own.jsonl: line 2: \"answers\" is []; allowed: a text, or a list of texts, at least one"
    )
    #expect(
      try problem(Self.line(metric: "choice", answers: ["D"], choices: ["x", "y", "z"]))
        == "file: own.jsonl: line 2: \"answers\" holds \"D\"; allowed: A, B, C, the letters of the choices"
    )
    #expect(
      try problem(Self.line(metric: "choice", answers: ["A"])).contains("\"choices\" is missing"))
    #expect(
      try problem(Self.line(metric: "choice", answers: ["A"], choices: ["x"]))
        .hasSuffix("\"choices\" has \"1\" texts; allowed: 2 to 26"))
    #expect(
      try problem(Self.line(metric: "f1", answers: ["the"])).contains("has no word to compare"))
    #expect(try problem(Self.line(metric: "contains", answers: [""])).contains("everything"))
    #expect(try problem(Self.line(metric: "contains", answers: ["!"])) == "")
    #expect(
      JSONLinesTask.fileProblems(of: .init(file: "none.jsonl"), folder: folder.url)
        .map(\.description) == ["file: \(folder.path("none.jsonl")): there is no such file"])
  }
}
