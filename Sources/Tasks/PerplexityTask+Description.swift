import Records

extension PerplexityTask {
  public static let description = TaskDescription(
    name: "perplexity",
    summary:
      "How well the next tokens of a long text are predicted: windows of contextLength tokens.",
    parameters: [
      ParameterDescription(
        "corpus", .string, default: .string("persuasion"),
        "a shipped corpus by name, or the path of a UTF-8 text file"),
      ParameterDescription(
        "samples", .integer(minimum: 1, maximum: 100_000), default: .integer(1),
        "windows drawn by the seed; more samples keep the earlier ones"),
      ParameterDescription(
        "protocol", .choice(["prefill", "continuation"]), default: .string("continuation"),
        "prefill: the whole window is prefilled under the strategy; continuation: the scored tokens are decoded after a compacted prompt"
      ),
      ParameterDescription(
        "scoredTokens", .integer(minimum: 1, maximum: nil), default: .null,
        "last tokens of a window that are scored; default contextLength/2 for prefill, min(256, contextLength/4) for continuation"
      ),
      ParameterDescription(
        "joinLines", .boolean, default: .null,
        "a single line break becomes a space, three or more become two; by default in any text but the shipped code"
      ),
      .decodeTokens,
    ],
    protocols: ["prefill", "continuation"],
    textParameters: ["corpus"],
    source: "own")
}
