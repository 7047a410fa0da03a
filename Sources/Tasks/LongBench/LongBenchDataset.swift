/// A data set of LongBench: how a record becomes a prompt, how long the answer may be, and how it
/// is scored (config/ and eval.py of THUDM/LongBench, MIT licence).
public struct LongBenchDataset: Sendable, Hashable {
  /// As its file is called, without `_e`.
  public let name: String
  let metric: BenchmarkMetric
  let answerTokens: Int
  /// With `{context}` and, where there is one, `{input}` after it.
  let template: String

  private init(
    _ name: String, _ metric: BenchmarkMetric, _ answerTokens: Int, _ template: String
  ) {
    self.name = name
    self.metric = metric
    self.answerTokens = answerTokens
    self.template = template
  }

  /// The score looks at the first line of these only: models go on with examples of their own.
  var isCutAtLine: Bool { ["trec", "triviaqa", "samsum"].contains(name) }

  /// The English and the code sets.
  public static let all = [
    LongBenchDataset(
      "narrativeqa", .f1, 128,
      "You are given a story, which can be either a novel or a movie script, and a question. Answer the question asconcisely as you can, using a single phrase if possible. Do not provide any explanation.\n\nStory: {context}\n\nNow, answer the question based on the story asconcisely as you can, using a single phrase if possible. Do not provide any explanation.\n\nQuestion: {input}\n\nAnswer:"
    ),
    LongBenchDataset(
      "qasper", .f1, 128,
      "You are given a scientific article and a question. Answer the question as concisely as you can, using a single phrase or sentence if possible. If the question cannot be answered based on the information in the article, write \"unanswerable\". If the question is a yes/no question, answer \"yes\", \"no\", or \"unanswerable\". Do not provide any explanation.\n\nArticle: {context}\n\n Answer the question based on the above article as concisely as you can, using a single phrase or sentence if possible. If the question cannot be answered based on the information in the article, write \"unanswerable\". If the question is a yes/no question, answer \"yes\", \"no\", or \"unanswerable\". Do not provide any explanation.\n\nQuestion: {input}\n\nAnswer:"
    ),
    LongBenchDataset(
      "multifieldqa_en", .f1, 64,
      "Read the following text and answer briefly.\n\n{context}\n\nNow, answer the following question based on the above text, only give me the answer and do not output any other words.\n\nQuestion: {input}\nAnswer:"
    ),
    LongBenchDataset("hotpotqa", .f1, 32, passages),
    LongBenchDataset("2wikimqa", .f1, 32, passages),
    LongBenchDataset("musique", .f1, 32, passages),
    LongBenchDataset(
      "gov_report", .rougeL, 512,
      "You are given a report by a government agency. Write a one-page summary of the report.\n\nReport:\n{context}\n\nNow, write a one-page summary of the report.\n\nSummary:"
    ),
    LongBenchDataset(
      "qmsum", .rougeL, 512,
      "You are given a meeting transcript and a query containing a question or instruction. Answer the query in one or more sentences.\n\nTranscript:\n{context}\n\nNow, answer the query based on the above meeting transcript in one or more sentences.\n\nQuery: {input}\nAnswer:"
    ),
    LongBenchDataset(
      "multi_news", .rougeL, 512,
      "You are given several news passages. Write a one-page summary of all news. \n\nNews:\n{context}\n\nNow, write a one-page summary of all the news.\n\nSummary:"
    ),
    LongBenchDataset(
      "trec", .classification, 64,
      "Please determine the type of the question below. Here are some examples of questions.\n\n{context}\n{input}"
    ),
    LongBenchDataset(
      "triviaqa", .f1, 32,
      "Answer the question based on the given passage. Only give me the answer and do not output any other words. The following are some examples.\n\n{context}\n\n{input}"
    ),
    LongBenchDataset(
      "samsum", .rougeL, 128,
      "Summarize the dialogue into a few short sentences. The following are some examples.\n\n{context}\n\n{input}"
    ),
    LongBenchDataset(
      "passage_count", .count, 32,
      "There are some paragraphs below sourced from Wikipedia. Some of them may be duplicates. Please carefully read these paragraphs and determine how many unique paragraphs there are after removing duplicates. In other words, how many non-repeating paragraphs are there in total?\n\n{context}\n\nPlease enter the final count of unique paragraphs after removing duplicates. The output format should only contain the number, such as 1, 2, 3, and so on.\n\nThe final answer is: "
    ),
    LongBenchDataset(
      "passage_retrieval_en", .retrieval, 32,
      "Here are 30 paragraphs from Wikipedia, along with an abstract. Please determine which paragraph the abstract is from.\n\n{context}\n\nThe following is an abstract.\n\n{input}\n\nPlease enter the number of the paragraph that the abstract is from. The answer format must be like \"Paragraph 1\", \"Paragraph 2\", etc.\n\nThe answer is: "
    ),
    LongBenchDataset(
      "lcc", .code, 64,
      "Please complete the code given below. \n{context}Next line of code:\n"),
    LongBenchDataset(
      "repobench-p", .code, 64,
      "Please complete the code given below. \n{context}{input}Next line of code:\n"),
  ]

  private static let passages =
    "Answer the question based on the given passages. Only give me the answer and do not output any other words.\n\nThe following are given passages.\n{context}\n\nAnswer the question based on the given passages. Only give me the answer and do not output any other words.\n\nQuestion: {input}\nAnswer:"

  /// Those with a version of even lengths, LongBench-E.
  static let evenNames = [
    "qasper", "multifieldqa_en", "hotpotqa", "2wikimqa", "gov_report", "multi_news", "trec",
    "triviaqa", "samsum", "passage_count", "passage_retrieval_en", "lcc", "repobench-p",
  ].map { $0 + "_e" }

  /// Their words have to be found by a segmenter, which this program lacks.
  static let chineseNames = [
    "multifieldqa_zh", "dureader", "vcsum", "lsht", "passage_retrieval_zh",
  ]

  /// The data set of a file's name, `_e` or not; nil for a Chinese or unknown one.
  static func named(_ name: String) -> LongBenchDataset? {
    let base = name.hasSuffix("_e") ? String(name.dropLast(2)) : name
    return all.first { $0.name == base }
  }
}
