import Records

extension PasskeyTask {
  public static let description = TaskDescription(
    name: "passkey",
    summary: "A five-digit key hidden in a long text must be repeated at its end.",
    parameters: [
      ParameterDescription(
        "corpus", .string, default: .string("persuasion"),
        "the haystack: a shipped corpus by name, or the path of a UTF-8 text file"),
      ParameterDescription(
        "depths", .list(of: .number(minimum: 0, maximum: 1)),
        default: .array([.number(0.1), .number(0.3), .number(0.5), .number(0.7), .number(0.9)]),
        "where the key stands, as a fraction of the haystack"),
      ParameterDescription(
        "samples", .integer(minimum: 1, maximum: 100_000), default: .integer(2),
        "prompts at each depth, each with a key and a haystack of its own"),
      .queryAware,
      .decodeTokens,
    ],
    textParameters: ["corpus"],
    scoreDefinition: "share of prompts whose first run of digits in 8 greedy tokens is the key",
    chanceLevel: 1.0 / 90_000,
    source: "own, after Mohtashami and Jaggi 2023, arXiv 2305.16300")
}
