import Records

extension LongBenchTask {
  public static let description = TaskDescription(
    name: "longbench",
    summary:
      "LongBench from its original files: questions, summaries, classes and code over real documents.",
    parameters: [
      ParameterDescription(
        "folder", .string, default: .null,
        "where the files DATASET.jsonl lie, unpacked from the benchmark's data.zip; relative to the spec file",
        isRequired: true),
      ParameterDescription(
        "dataset",
        .choice(LongBenchDataset.all.map(\.name) + LongBenchDataset.evenNames), default: .null,
        "which data set, with _e for LongBench-E; a list makes an axis; the Chinese ones need a word segmenter, which this program lacks",
        isRequired: true),
      ParameterDescription(
        "samples", .integer(minimum: 1, maximum: 100_000), default: .null,
        "records drawn by the seed, more keep the earlier ones, no more than there are; all by default"
      ),
      .queryAware,
      .decodeTokens,
    ],
    textParameters: ["folder"],
    textPaths: ["folder": "{folder}/{dataset}.jsonl"],
    scoreDefinition:
      "the data set's own: F1 of words, ROUGE-L, share of classes, counts or paragraphs named rightly, similarity of a line of code; the best of the right answers",
    chanceLevel: 0,
    source: "Bai et al. 2023, arXiv 2308.14508; repository THUDM/LongBench")
}
