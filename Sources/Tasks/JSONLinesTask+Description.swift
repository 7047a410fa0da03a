import Records

extension JSONLinesTask {
  public static let description = TaskDescription(
    name: "jsonl",
    summary: "Your own questions about your own texts, from a JSON Lines file.",
    parameters: [
      ParameterDescription(
        "file", .string, default: .null,
        "a file with a JSON object in each line: context, question, answers, metric (exact, contains, f1, choice), and choices for choice; relative to the spec file",
        isRequired: true),
      ParameterDescription(
        "template", .string, default: .string(defaultTemplate),
        "the prompt, with {context} and, after it, {question}"),
      ParameterDescription(
        "answerTokens", .integer(minimum: 1, maximum: 100_000), default: .integer(32),
        "greedy tokens that the model may answer with"),
      ParameterDescription(
        "samples", .integer(minimum: 1, maximum: 100_000), default: .null,
        "lines drawn by the seed, more keep the earlier ones, no more than there are; all by default"
      ),
      .queryAware,
      .decodeTokens,
    ],
    textParameters: ["file"],
    scoreDefinition: "mean over the lines of each line's own metric",
    chanceLevel: 0,
    source: "own")
}
