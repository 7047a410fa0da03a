import ArgumentParser
import Attention
import Experiments
import Foundation
import JSON
import Records
import Reports
import Tasks
import Transformer

struct ScoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "score",
    abstract: "Scores every token of a text and lists the likeliest next ones.",
    discussion: """
      For checking numbers against other engines.
      Example: tca-lab score --model smollm2-135m-instruct --text-file a.txt --top 10 --json
      """)

  @OptionGroup var model: ModelOptions
  @OptionGroup var strategy: StrategyOptions
  @OptionGroup var threads: ThreadOptions
  @Option(help: "A UTF-8 file, read byte for byte.", completion: .file()) var textFile: String?
  @Option(help: "A JSON array of token ids.", completion: .file()) var tokensFile: String?
  @Option(help: "How many of the likeliest next tokens to list.") var top = 10
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    guard top >= 0 else { throw ValidationError("--top is \"\(top)\"; allowed is 0 or more") }
  }

  func run() throws {
    let argument = try strategy.parse(cache: .f32)
    let loaded = try model.load(threads.makeWorkspace())
    let tokens = try readTokens(loaded)
    let session = try SingleRun(loaded, argument).makeSession(promptTokens: tokens.count) {
      Log.line($0)
    }
    let layers = loaded.model.shape.layers
    let scores = try loaded.model.score(
      tokens, attention: session, nextCount: top,
      afterLayer: { Log.progress("layer \($0 + 1) of \(layers)") })
    Log.endProgress()
    if json {
      try Output.json(jsonValue(scores, tokens, loaded))
    } else {
      try Output.text(text(scores, tokens, loaded))
    }
  }

  private func readTokens(_ loaded: LoadedModel) throws -> [Int32] {
    let tokens: [Int32]
    switch (textFile, tokensFile) {
    case (let file?, nil):
      tokens = loaded.tokenizer.encode(try TextFile.text(at: file))
      guard tokens.count > loaded.tokenizer.textStart.count else {
        throw Failure(.modelOrFile, "\(file): no token to score")
      }
    case (nil, let file?):
      do {
        guard let ids = try JSONValue(parsing: TextFile.text(at: file)).arrayValue else {
          throw Failure(.modelOrFile, "\(file): is no JSON array of token ids, such as [1, 2, 3]")
        }
        tokens = try ids.enumerated().map { place, id in
          guard let number = id.integerValue.flatMap(Int32.init(exactly:)) else {
            throw Failure(
              .modelOrFile,
              "\(file): element \(place) is \(id.canonicalText.prefix(80)); token ids are whole numbers, such as [1, 2, 3]"
            )
          }
          return number
        }
      } catch let error as JSONError {
        throw Failure(
          .modelOrFile, "\(file): is no JSON array of token ids, such as [1, 2, 3]: \(error)")
      }
    default: throw Failure(.usage, "give --text-file or --tokens-file, one of the two")
    }
    let size = loaded.blueprint.vocabularySize
    if let place = tokens.firstIndex(where: { $0 < 0 || Int($0) >= size }) {
      throw Failure(
        .modelOrFile,
        "\(textFile ?? tokensFile ?? ""): token \(place) is \"\(tokens[place])\"; allowed are 0 to \(size - 1)"
      )
    }
    guard !tokens.isEmpty else {
      throw Failure(.modelOrFile, "\(textFile ?? tokensFile ?? ""): no token to score")
    }
    return tokens
  }

  private func jsonValue(
    _ scores: TokenScores, _ tokens: [Int32], _ loaded: LoadedModel
  ) -> JSONValue {
    .object([
      "ids": .array(tokens.map { .integer(Int($0)) }),
      "logProbabilities": .array(scores.logProbabilities.map(JSONValue.number)),
      "meanLogProbability": scores.meanLogProbability.map(JSONValue.number) ?? .null,
      "logSumExp": .number(scores.logSumExp),
      "top": .array(
        scores.next.map { next in
          .object([
            "id": .integer(Int(next.token)), "logit": .number(Double(next.logit)),
            "text": .string(loaded.tokenizer.decode([next.token], continuing: true)),
          ])
        }),
    ])
  }

  private func text(_ scores: TokenScores, _ tokens: [Int32], _ loaded: LoadedModel) -> String {
    let mean = scores.meanLogProbability
    let head =
      "\(tokens.count.counting("token")), mean log-probability \(mean.map { String(format: "%.6f nats", $0) } ?? "–")"
      + (mean.map { String(format: ", perplexity %.4f", exp(-$0)) } ?? "")
    let rows = scores.next.map { next in
      [
        "\(next.token)", String(format: "%.4f", next.logit),
        String(format: "%.4f", Double(next.logit) - scores.logSumExp),
        JSONValue.string(loaded.tokenizer.decode([next.token], continuing: true)).canonicalText,
      ]
    }
    guard !rows.isEmpty else { return head }
    return head + "\n\nnext token\n"
      + TextTable(
        header: ["id", "logit", "ln p", "text"], rows: rows, rightAligned: [0, 1, 2]
      ).text
  }
}
