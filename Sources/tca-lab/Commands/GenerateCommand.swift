import ArgumentParser
import Attention
import Experiments
import Foundation
import JSON
import Kernels
import Records
import Tokenization
import Transformer

struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate",
    abstract: "Writes text under a strategy, and says what it took.",
    discussion: """
      Greedy: always the likeliest token.
      Example: tca-lab generate --model smollm2-135m-instruct --chat --prompt "Why is the sky blue?"
      Example: tca-lab generate --model smollm2-135m-instruct --prompt-file README.md --max-tokens 64 \\
        --strategy '{"name": "snapkv", "budget": {"fraction": 0.25}}'
      """)

  @OptionGroup var model: ModelOptions
  @OptionGroup var strategy: StrategyOptions
  @OptionGroup var threads: ThreadOptions
  @Option(help: "The prompt.") var prompt: String?
  @Option(help: "A UTF-8 file with the prompt, read byte for byte.", completion: .file())
  var promptFile: String?
  @Option(help: "New tokens at most.") var maxTokens = 128
  @Flag(help: "Wrap the prompt in the model's chat template.") var chat = false
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    guard maxTokens > 0 else {
      throw ValidationError("--max-tokens is \"\(maxTokens)\"; allowed is 1 or more")
    }
  }

  func run() throws {
    let argument = try strategy.parse(cache: .f16)
    let text = try TextInput(text: prompt, file: promptFile, names: ("--prompt", "--prompt-file"))
      .read()
    let loaded = try model.load(threads.makeWorkspace())
    let ids = promptIDs(of: text, loaded)
    guard ids.count > loaded.tokenizer.textStart.count else {
      throw promptFile.map { Failure(.modelOrFile, "\($0): is empty; a prompt is needed") }
        ?? Failure(.usage, "the prompt is empty")
    }
    let session = try SingleRun(loaded, argument).makeSession(promptTokens: ids.count) {
      Log.line($0)
    }
    var stream = TextStream(loaded.tokenizer)
    var figures = GenerationFigures(loaded: loaded, session: session, prompt: ids)
    let layers = loaded.model.shape.layers
    var watch = Stopwatch()
    var decoder = try GreedyDecoder(
      loaded.model, attention: session, prompt: ids,
      afterLayer: { Log.progress("layer \($0 + 1) of \(layers)") })
    var failure: (any Error)?
    try decoder.decode(atMost: maxTokens) { token in
      figures.add(token, after: watch.lap())
      Log.endProgress()
      do {
        if !json && !figures.hasReachedEnd { try Output.write(stream.append(token)) }
      } catch {
        failure = error
        return false
      }
      // What printing takes is no part of the next token's time.
      _ = watch.lap()
      return !figures.hasReachedEnd
    }
    if let failure { throw failure }
    if json {
      try Output.json(figures.json)
    } else {
      try Output.text(stream.finish())
      Log.line(figures.text)
    }
    if !figures.hasReachedEnd, figures.tokens.count < maxTokens {
      Log.line(
        "note: the context of \(loaded.model.contextLength) tokens is full, so the text ends after \(figures.tokens.count) of \(maxTokens) new ones"
      )
    }
  }

  /// In the model's chat template where that is asked for and known, else as plain text.
  private func promptIDs(of text: String, _ loaded: LoadedModel) -> [Int32] {
    guard chat else { return loaded.tokenizer.encode(text) }
    do {
      let template = try ChatTemplate(template: loaded.chatTemplate)
      return loaded.tokenizer.encode(user: text, as: template)
    } catch {
      Log.line("\(error); the prompt goes to the model as plain text")
      return loaded.tokenizer.encode(text)
    }
  }
}

/// What a generation took.
private struct GenerationFigures {
  let loaded: LoadedModel
  let session: AttentionSession
  let prompt: [Int32]
  /// Chosen tokens, the end token included where one came.
  var tokens: [Int32] = []
  /// Until each of them was there, the first one's with the prompt.
  var seconds: [Double] = []

  mutating func add(_ token: Int32, after time: Duration) {
    tokens.append(token)
    seconds.append(time.seconds)
  }

  var hasReachedEnd: Bool { tokens.last.map(loaded.tokenizer.endTokens.contains) ?? false }

  private var timeToFirstToken: Double { seconds.first ?? 0 }

  /// Median of the decode steps, in seconds.
  private var timePerOutputToken: Double? { Array(seconds.dropFirst()).median }

  var json: JSONValue {
    let shown = hasReachedEnd ? tokens.dropLast() : tokens
    return .object([
      "promptIds": .array(prompt.map { .integer(Int($0)) }),
      "ids": .array(tokens.map { .integer(Int($0)) }),
      "text": .string(loaded.tokenizer.decode(shown, continuing: true)),
      "endReached": .boolean(hasReachedEnd),
      "timeToFirstTokenSeconds": .number(timeToFirstToken),
      "timePerOutputTokenSeconds": timePerOutputToken.map(JSONValue.number) ?? .null,
      "kvCacheResidentBytes": .integer(session.residentBytes),
      "kvCacheLogicalBytes": .integer(session.logicalBytes),
    ])
  }

  var text: String {
    let step = timePerOutputToken.map { String(format: "%.1f ms", $0 * 1e3) } ?? "–"
    return String(
      format: "%@, %d new; first token after %.3f s, then %@ a token; KV cache %.2f MB",
      prompt.count.counting("prompt token"), tokens.count, timeToFirstToken, step,
      Double(session.residentBytes) / 1e6)
  }
}
