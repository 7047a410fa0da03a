import Foundation
import Testing

@Suite("Specs that are wrong", .serialized)
struct SpecCommandTests {
  private let lab: Lab

  init() throws { lab = try Lab() }

  /// Runs, plans and validates `spec.json`: the same code each time, and nothing stored. The run's message.
  private func refusal(_ status: Int32) throws -> String {
    for command in ["plan", "validate"] {
      let result = try lab.run(command, "spec.json")
      #expect(result.status == status, "\(command): \(result.err)")
    }
    let result = try lab.run("run", "spec.json")
    #expect(result.status == status, "\(result.err)")
    #expect(!lab.exists("results"), "nothing is stored")
    #expect(result.out.isEmpty && !result.err.contains("Fatal error"))
    return result.err
  }

  @Test("All mistakes are named at once, misspelt keys with a suggestion")
  func mistakes() throws {
    try lab.writeSpec(
      strategies: [#"{"name": "streaming-llm", "sink": 4}"#, #"{"name": "tcaa"}"#],
      rest: #", "qestion": "?""#)
    let text = try refusal(2)
    #expect(text.contains("spec.json: 3 problems"), "\(text)")
    #expect(
      text.contains("\"sinks\"?") && text.contains("\"tca\"?") && text.contains("\"question\"?"))
    #expect(text.contains("$.strategies[0].sink"), "\(text)")
  }

  @Test(
    "A context beyond the model, a missing corpus and a missing model file are the spec's mistakes")
  func places() throws {
    try lab.writeSpec(
      contexts: "128, 5000",
      tasks: [#"{"name": "perplexity", "corpus": "nowhere.txt"}"#])
    let text = try refusal(2)
    #expect(text.contains("5000") && text.contains("4096"), "\(text)")
    #expect(text.contains("nowhere.txt"), "\(text)")
    try lab.writeSpec(model: "nowhere.gguf")
    #expect(try refusal(2).contains("nowhere.gguf"))
  }

  @Test("A text that has fewer bytes than a task needs tokens is the spec's mistake")
  func shortTexts() throws {
    try lab.write("", to: "empty.txt")
    for (task, place) in [
      (#"{"name": "perplexity", "corpus": "empty.txt"}"#, "$.tasks[0].corpus: \"empty.txt\" is"),
      (#"{"name": "passkey", "corpus": "empty.txt"}"#, "$.tasks[0].corpus: \"empty.txt\" is"),
      (
        #"{"name": "perplexity", "corpus": "novel.txt", "samples": 100000}"#,
        "$.tasks[0].samples: \"novel.txt\" is too short for 100000 windows of 128 tokens: its "
      ),
    ] {
      try lab.writeSpec(strategies: [Lab.streaming], tasks: [task])
      let text = try refusal(2)
      #expect(text.contains(place), "\(text)")
    }
    // What only a tokenizer can tell is no mistake yet.
    try lab.writeSpec(
      strategies: [Lab.streaming], tasks: [#"{"name": "perplexity", "corpus": "short.txt"}"#])
    #expect(try lab.run("validate", "spec.json").status == 0)
  }

  @Test("Text that is no JSON is refused with its place")
  func syntax() throws {
    try lab.write("{\"schemaVersion\": 1,\n \"name\": }", to: "spec.json")
    #expect(try refusal(2).contains("2:10"))
    try lab.write("", to: "spec.json")
    #expect(try refusal(2).contains("spec.json"))
  }

  @Test("A damaged model has code 3, one that is not pulled too, with the command that pulls it")
  func models() throws {
    let whole = try Data(contentsOf: lab.folder.appendingPathComponent("model.gguf"))
    try whole.prefix(5000).write(to: lab.folder.appendingPathComponent("half.gguf"))
    for model in ["half.gguf", "novel.txt"] {
      try lab.writeSpec(model: model)
      #expect(try refusal(3).contains(model))
    }
    try lab.writeSpec()
    let named = try lab.read("spec.json").replacingOccurrences(
      of: #"{"name": "tiny", "path": "model.gguf"}"#, with: #""smollm2-135m-instruct""#)
    try lab.write(named, to: "spec.json")
    #expect(try refusal(3).contains("tca-lab models pull smollm2-135m-instruct"))
  }
}
