import Records

extension RulerTask {
  public static let description = TaskDescription(
    name: "ruler",
    summary:
      "RULER's synthetic tasks: needles, variable tracking and counted words in a text as long as the context.",
    parameters: [
      ParameterDescription(
        "task", .choice(RulerKind.allCases.map(\.rawValue)), default: .null,
        "which of RULER's tasks; a list makes an axis", isRequired: true),
      ParameterDescription(
        "corpus", .string, default: .string("persuasion"),
        "the haystack of niah_single_2, _3, multikey_1, multivalue and multiquery, in place of RULER's essays: a shipped corpus by name, or the path of a UTF-8 text file"
      ),
      ParameterDescription(
        "samples", .integer(minimum: 1, maximum: 100_000), default: .integer(10),
        "prompts, each with a text of its own; more samples keep the earlier ones"),
      .queryAware,
      ParameterDescription(
        "turns", .integer(minimum: 1, maximum: 8), default: .integer(1),
        "questions that niah_* puts one after another to one cache, each of needles of its own",
        isLeftOutAtDefault: true),
      .decodeTokens,
    ],
    textParameters: ["corpus"],
    scoreDefinition:
      "mean share of the asked words found in what is written, whatever their case; chance: as many words of the list at random (cwe, fwe), one needle of the text at random (multikey), else 0",
    chanceLevel: 0,
    source: "Hsieh et al. 2024, arXiv 2404.06654; repository NVIDIA/RULER")
}
