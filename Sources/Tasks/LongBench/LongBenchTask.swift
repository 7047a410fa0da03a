import Foundation
import Records
import Tokenization

/// LongBench (Bai et al. 2023, arXiv 2308.14508) from the original files: FOLDER/DATASET.jsonl, the
/// names of LongBench-E with `_e`.
///
/// Prompts, answer lengths and scores are those of THUDM/LongBench (commit 2e00731f), as plain
/// completion (no chat template). A prompt that does not fit loses its middle; the tokens of its
/// two halves are joined as they are (the source decodes them and tokenises the text again). A
/// place is a record's length in words, which LongBench-E reports in the intervals 0-4k, 4-8k and
/// 8k+.
///
/// `queryAware` false splits the same tokens: what comes after the document is decoded late.
public struct LongBenchTask: ExperimentTask {
  public struct Configuration: Codable, Hashable, Sendable {
    public var folder: String
    public var dataset: String
    /// Nil for all records.
    public var samples: Int?
    public var queryAware: Bool

    public init(
      folder: String, dataset: String, samples: Int? = nil, queryAware: Bool = false
    ) {
      self.folder = folder
      self.dataset = dataset
      self.samples = samples
      self.queryAware = queryAware
    }
  }

  private let configuration: Configuration
  private let dataset: LongBenchDataset
  private let records: [LongBenchRecord]

  public init(_ configuration: Configuration, folder: URL) throws {
    self.configuration = configuration
    guard let dataset = LongBenchDataset.named(configuration.dataset) else {
      throw TaskError(
        task: Self.description.name, problem: "the data set \(Self.refusal(configuration.dataset))")
    }
    self.dataset = dataset
    records = try Self.records(of: configuration, folder: folder)
  }

  private static func records(
    of configuration: Configuration, folder: URL
  ) throws(TextError) -> [LongBenchRecord] {
    try JSONLine.lines(
      of: Corpus(named: path(of: configuration), folder: folder), reading: LongBenchRecord.keys
    ).map {
      line throws(TextError) in
      let record = try LongBenchRecord.read(line)
      if let name = line.members["dataset"]?.stringValue, name != configuration.dataset,
        name + "_e" != configuration.dataset
      {
        throw line.error("\"dataset\" is \"\(name)\"; allowed: \(configuration.dataset)")
      }
      return record
    }
  }

  private static func path(of configuration: Configuration) -> String {
    "\(configuration.folder)/\(configuration.dataset).jsonl"
  }

  private static func refusal(_ name: String) -> String {
    LongBenchDataset.chineseNames.contains(name)
      ? "\"\(name)\" is Chinese; its scores need a word segmenter, which this program lacks: use an English or code set"
      : "\"\(name)\" is unknown"
  }

  public static func problems(
    of configuration: Configuration, contextLength: Int
  ) -> [ConfigurationError] {
    guard let dataset = LongBenchDataset.named(configuration.dataset) else {
      return [ConfigurationError("dataset", refusal(configuration.dataset))]
    }
    let least = dataset.answerTokens + 256
    guard contextLength < least else { return [] }
    return [
      ConfigurationError(
        "contextLength",
        "\"\(contextLength)\" tokens are too few for \(configuration.dataset), whose answers have up to \(dataset.answerTokens); it needs \(least)"
      )
    ]
  }

  public static func fileProblems(
    of configuration: Configuration, folder: URL
  ) -> [ConfigurationError] {
    guard LongBenchDataset.named(configuration.dataset) != nil else { return [] }
    do {
      let records = try records(of: configuration, folder: folder)
      return RecordChoice.problems(
        asking: configuration.samples, of: records.count, in: path(of: configuration))
    } catch {
      return [ConfigurationError("folder", error.description)]
    }
  }

  public static func expectedLength(
    of configuration: Configuration, contextLength: Int
  ) -> SampleLength {
    SampleLength(
      prompt: contextLength,
      greedy: LongBenchDataset.named(configuration.dataset)?.answerTokens ?? 0)
  }

  public func samples(
    tokenizer: Tokenizer, contextLength: Int, seed: Int
  ) throws -> [TaskSample] {
    if let problem = Self.problems(of: configuration, contextLength: contextLength).first {
      throw TaskError(task: Self.description.name, problem: problem.description)
    }
    let lineFeed = tokenizer.encode("\n", addsBOS: false)
    return try RecordChoice.chosen(
      configuration.samples, of: records.count, in: Self.path(of: configuration), seed: seed,
      task: Self.description.name
    ).map { index in
      let record = records[index]
      let prompt = DocumentPrompt(
        dataset.template.filled(context: record.context, "{input}", with: record.input),
        tokenizer: tokenizer, room: contextLength - dataset.answerTokens)
      var sample = TaskSample(
        index: index, place: Double(record.length), tokens: prompt.tokens,
        questionTokens: prompt.questionTokens, queryAware: configuration.queryAware)
      sample.greedyTokens = dataset.answerTokens
      sample.stopTokens = tokenizer.endTokens
      if dataset.name == "samsum" {
        // The source ends its answers at a line feed, and has them begin with something else.
        if let last = lineFeed.last { sample.stopTokens.insert(last) }
        sample.isNeverEmpty = true
      }
      sample.answers = record.answers
      sample.chanceLevel = chanceLevel(of: record)
      return sample
    }
  }

  private func chanceLevel(of record: LongBenchRecord) -> Double {
    switch dataset.metric {
    case .classification: 1 / Double(max(1, record.classes.count))
    case .retrieval: 1 / 30
    default: 0
    }
  }

  public func score(_ answer: String, of sample: TaskSample) -> Double? {
    let whole = PythonText(answer)
    let answer = dataset.isCutAtLine ? whole.firstLine : whole
    let classes = records[sample.index].classes.map { PythonText($0) }
    return sample.answers.map {
      dataset.metric.score(answer, PythonText($0), classes: classes)
    }.max()
  }
}

/// Which records of a file are taken: all in their order, or the first of a seeded shuffle, so that
/// a larger number keeps the records of a smaller one.
enum RecordChoice {
  /// - Parameters:
  ///   - count: nil for all.
  ///   - file: for the error where there are fewer.
  static func chosen(
    _ count: Int?, of total: Int, in file: String, seed: Int, task: String
  ) throws(TaskError) -> [Int] {
    if let problem = problems(asking: count, of: total, in: file).first {
      throw TaskError(task: task, problem: problem.description)
    }
    var indices = Array(0..<total)
    guard let count, count < total else { return indices }
    var generator = SeededGenerator(seed: seed, purpose: task)
    generator.shuffle(&indices)
    return Array(indices.prefix(count))
  }

  /// Refuses more records than a file has; fewer would be measured than the experiment says.
  static func problems(
    asking count: Int?, of total: Int, in file: String
  ) -> [ConfigurationError] {
    guard let count, count > total else { return [] }
    return [
      ConfigurationError(
        "samples",
        "\"\(count)\" are asked for, \(file) has \(total) \(total == 1 ? "record" : "records"); allowed: 1 to \(total), or no samples for all"
      )
    ]
  }
}
