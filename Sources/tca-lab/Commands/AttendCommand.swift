import ArgumentParser
import Experiments
import Foundation
import Records

struct AttendCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "attend", abstract: "Runs a strategy on your own queries, keys and values.",
    discussion: """
      Input: safetensors with q (query heads, tokens, d), k and v (KV heads, tokens, d), F32, F16 or BF16.
      Output: out (query heads, tokens, d), lse and dropped_mass (query heads, tokens), kept (KV heads, tokens; 1 where
      the KV cache holds the token after the prefill), all F32.

      Example: tca-lab attend --input qkv.safetensors --strategy '{"name": "streaming-llm", "localWindow": 64}' \\
        --output out.safetensors
      """)

  @OptionGroup var strategy: StrategyOptions
  @OptionGroup var threads: ThreadOptions
  @Option(
    help: "A safetensors file with q, k and v.", completion: .file(extensions: ["safetensors"]))
  var input: String
  @Option(help: "Tokens from this one on are decode steps.") var queriesFrom: Int?
  @Option(
    help: "The safetensors file to write.", completion: .file(extensions: ["safetensors"]))
  var output: String

  func run() throws {
    let argument = try strategy.parse(cache: .f32)
    let input = try WrittenPath.file(input)
    let output = try WrittenPath.file(output)
    func place(_ path: String) -> URL { URL(fileURLWithPath: path).resolvingSymlinksInPath() }
    guard place(input) != place(output) else {
      throw Failure(
        .usage, "--output: \"\(output)\" is the input, which stays as it is; give another name")
    }
    try WrittenFile.requireWritable(output)
    let tensors = try AttentionTensors(path: input)
    let result = try TensorAttention(
      tensors, strategy: argument.configured, firstDecoded: queriesFrom,
      workspace: threads.makeWorkspace())
    try result.write(to: output)
    if result.isCalibratedOnItself {
      Log.line(
        "note: \(argument.configured.name) was calibrated on these very tensors, which flatters it; docs/how-to/calibrate.md says how to take its parameters from another text"
      )
    }
    Log.line("\(tensors.tokens.counting("token")): \(output)")
  }
}
