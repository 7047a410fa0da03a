import ArgumentParser
import Attention
import Experiments
import Foundation
import JSON
import Tokenization
import Transformer

struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate",
    abstract: "Writes text under a strategy, and says what it took.",
    discussion: """
      Greedy: always the likeliest token.
      Example: tca-lab generate --model smollm2-135m-instruct --chat --prompt "Why is the sky blue?"
      """)

  @OptionGroup var model: ModelOptions
  @OptionGroup var strategy: StrategyOptions
  @OptionGroup var threads: ThreadOptions
  @Option(help: "The prompt.") var prompt: String?
  @Option(help: "A UTF-8 file with the prompt, read byte for byte.") var promptFile: String?
  @Option(help: "New tokens at most.") var maxTokens = 128
  @Flag(help: "Wrap the prompt in the model's chat template.") var chat = false
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    guard maxTokens > 0 else {
      throw ValidationError("--max-tokens is \"\(maxTokens)\"; allowed is 1 or more")
    }
  }

  func run() throws {
    let argument = try strategy.parse()
    var text = try TextInput(text: prompt, file: promptFile, names: ("--prompt", "--prompt-file"))
      .read()
    let loaded = try model.load(threads.makeWorkspace())
    if chat { text = try ChatTemplate(template: loaded.chatTemplate).render(user: text) }
    let ids = loaded.tokenizer.encode(text)
    guard !ids.isEmpty else { throw Failure(.usage, "the prompt is empty") }
    let session = try SingleRun(loaded, argument).makeSession(promptTokens: ids.count)
    var decoder = GreedyDecoder(model: loaded.model, attention: session)
    var stream = TextStream(loaded.tokenizer)
    let isStreaming = !json
    let layers = loaded.model.shape.layers
    let result = try decoder.decode(
      ids, maximumTokens: maxTokens, endTokens: loaded.tokenizer.endTokens,
      afterLayer: { Log.progress("layer \($0 + 1) of \(layers)") },
      onToken: { token in
        Log.endProgress()
        if isStreaming && !loaded.tokenizer.endTokens.contains(token) {
          try? Output.write(stream.append(token))
        }
      })
    let figures = GenerationFigures(
      loaded, session, prompt: ids, result: result)
    if json {
      try Output.json(figures.json)
    } else {
      try Output.text(stream.finish())
      Log.line(figures.text)
    }
  }
}

/// What a generation took.
private struct GenerationFigures {
  let loaded: LoadedModel
  let session: AttentionSession
  let prompt: [Int32]
  let result: GreedyDecoder.Continuation

  init(
    _ loaded: LoadedModel, _ session: AttentionSession, prompt: [Int32],
    result: GreedyDecoder.Continuation
  ) {
    self.loaded = loaded
    self.session = session
    self.prompt = prompt
    self.result = result
  }

  private var timeToFirstToken: Double { Double(result.prefillTime) * 1e-9 }

  /// Median of the decode steps, in seconds.
  private var timePerOutputToken: Double? {
    result.stepTimes.map { Double($0) * 1e-9 }.median
  }

  var json: JSONValue {
    let shown = result.tokens.filter { !loaded.tokenizer.endTokens.contains($0) }
    return .object([
      "promptIds": .array(prompt.map { .integer(Int($0)) }),
      "ids": .array(result.tokens.map { .integer(Int($0)) }),
      "text": .string(loaded.tokenizer.decode(shown)),
      "endReached": .boolean(result.hasReachedEnd),
      "timeToFirstTokenSeconds": .number(timeToFirstToken),
      "timePerOutputTokenSeconds": timePerOutputToken.map(JSONValue.number) ?? .null,
      "kvCacheResidentBytes": .integer(session.residentBytes),
      "kvCacheLogicalBytes": .integer(session.logicalBytes),
    ])
  }

  var text: String {
    let step = timePerOutputToken.map { String(format: "%.1f ms", $0 * 1e3) } ?? "–"
    return String(
      format:
        "%d prompt tokens, %d new; first token after %.3f s, then %@ a token; KV cache %.2f MB",
      prompt.count, result.tokens.count, timeToFirstToken, step,
      Double(session.residentBytes) / 1e6)
  }
}
