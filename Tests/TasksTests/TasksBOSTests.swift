import Foundation
import LabTestSupport
import Testing
import Tokenization

@testable import Tasks

@Suite("BOS in every task")
struct TasksBOSTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    let novel = try Corpus(named: "persuasion", folder: folder.url).withJoinedLines
    try folder.write(String(novel.prefix(20_000)), to: "novel")
    let long = (0..<200).map { "Word \($0)." }.joined(separator: " ")
    try folder.write(
      #"{"context": "\#(long)", "question": "What?", "answers": ["x"], "metric": "exact"}"#,
      to: "own.jsonl")
    try folder.write(
      #"{"context": "\#(long)", "input": "What?", "answers": ["x"], "length": 200}"#,
      to: "qasper.jsonl")
  }

  /// One of each task, the kinds of RULER that have texts of their own, questions early and late.
  private func tasks() throws -> [(task: any ExperimentTask, contextLength: Int)] {
    var tasks: [(any ExperimentTask, Int)] = []
    for scoring in PerplexityTask.Configuration.ScoringProtocol.allCases {
      tasks.append(
        (
          try PerplexityTask(
            .init(corpus: "novel", samples: 3, protocol: scoring), folder: folder.url), 100
        ))
    }
    for isAware in [true, false] {
      tasks += [
        (
          try PasskeyTask(
            .init(corpus: "novel", depths: [0, 0.5], samples: 1, queryAware: isAware),
            folder: folder.url), 300
        ),
        (try JSONLinesTask(.init(file: "own.jsonl", queryAware: isAware), folder: folder.url), 128),
        (
          try JSONLinesTask(
            .init(file: "own.jsonl", template: "{context}{question}", queryAware: isAware),
            folder: folder.url), 10_000
        ),
        (
          try LongBenchTask(
            .init(folder: ".", dataset: "qasper", queryAware: isAware), folder: folder.url), 400
        ),
      ]
      for kind in [RulerKind.needleSingle2, .variableTracking, .frequentWords] {
        tasks.append(
          (
            try RulerTask(
              .init(task: kind, corpus: "novel", samples: 1, queryAware: isAware),
              folder: folder.url), 2048
          ))
      }
    }
    return tasks
  }

  @Test(
    "Each prompt begins with BOS, inside its length, nothing else does, and it is never scored",
    arguments: [false, true])
  func bos(isSentencePiece: Bool) throws {
    let tokenizer = try isSentencePiece ? Tokenizer.tinyPieces() : Tokenizer.tiny(addsBOS: true)
    #expect(tokenizer.textStart == [1])
    for (task, contextLength) in try tasks() {
      let name = "\(type(of: task))"
      let samples = try task.samples(tokenizer: tokenizer, contextLength: contextLength, seed: 3)
      #expect(!samples.isEmpty)
      for sample in samples {
        let all = sample.prompt + sample.lateTokens + sample.forced
        #expect(all.first == 1 && all.count { $0 == 1 } == 1, "\(name)")
        #expect(all.count + sample.greedyTokens <= contextLength, "\(name)")
        #expect(sample.scoredFrom.map { $0 >= 1 } ?? true, "\(name)")
        #expect(!sample.scoredTargets.contains(1), "\(name)")
        // Where nothing is cut, the tokens after it are those of the text.
        if task is PasskeyTask || task is RulerTask || contextLength == 10_000 {
          let text = tokenizer.decode(Array(all.dropFirst()))
          #expect(tokenizer.encode(text) == all, "\(name)")
        }
      }
    }
  }

  @Test("Without BOS the same text fills its place, and no token 1 is anywhere")
  func withoutBOS() throws {
    let (plain, asking) = (try Tokenizer.tiny(), try Tokenizer.tiny(addsBOS: true))
    for (task, contextLength) in try tasks() {
      let without = try task.samples(tokenizer: plain, contextLength: contextLength, seed: 3)
      let with = try task.samples(tokenizer: asking, contextLength: contextLength, seed: 3)
      #expect(without.count == with.count)
      for (without, with) in zip(without, with) {
        #expect(!(without.prompt + without.lateTokens + without.forced).contains(1))
        #expect(without.lateTokens == with.lateTokens || task is PasskeyTask || task is RulerTask)
      }
    }
  }

  @Test("A prompt of which the vocabulary can write nothing is refused, BOS or not")
  func nothing() throws {
    try folder.write(
      #"{"context": "", "question": "é", "answers": ["x"], "metric": "exact"}"#, to: "own.jsonl")
    let task = try JSONLinesTask(
      .init(file: "own.jsonl", template: "{context}{question}", queryAware: true),
      folder: folder.url)
    for addsBOS in [true, false] {
      let vocabulary = try Vocabulary(
        .sentencePiece(scores: [0, 0, 0], addsSpacePrefix: false), tokens: ["<unk>", "<s>", "▁"],
        tokenTypes: [2, 3, 1], bosToken: 1, eosToken: nil, unknownToken: 0, addsBOS: addsBOS)
      #expect(
        try task.samples(tokenizer: Tokenizer(vocabulary), contextLength: 100, seed: 1)[0].prompt
          == (addsBOS ? [1, 0] : [0]))
    }
    // Bytes that a byte-level vocabulary has no token for are dropped.
    try folder.write(
      "{\"context\": \"\", \"question\": \"\\u0004\", \"answers\": [\"x\"], \"metric\": \"exact\"}",
      to: "own.jsonl")
    let control = try JSONLinesTask(
      .init(file: "own.jsonl", template: "{context}{question}"), folder: folder.url)
    for addsBOS in [true, false] {
      let tokenizer = try Tokenizer.tiny(addsBOS: addsBOS, without: "\u{4}")
      #expect(throws: TaskError.self) {
        try control.samples(tokenizer: tokenizer, contextLength: 100, seed: 1)
      }
    }
  }
}

extension Tokenizer {
  /// A SentencePiece vocabulary that can write any text, with a space before every stretch and BOS.
  static func tinyPieces() throws -> Tokenizer {
    var tokens = [("<unk>", 2, Float(0)), ("<s>", 3, 0), ("</s>", 3, 0)]
    let digits = Array("0123456789ABCDEF")
    for high in digits { for low in digits { tokens.append(("<0x\(high)\(low)>", 6, 0)) } }
    for scalar in "▁abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,;'\"?!" {
      tokens.append((String(scalar), 1, -1000))
    }
    let pieces = [
      "▁t", "he", "▁the", "in", "er", "an", "▁a", "on", "re", "▁w", "▁s", "ou", "▁is", "▁key", "▁o",
      "▁of", "at", "▁b", "en", "ed",
    ]
    for (rank, piece) in pieces.enumerated() { tokens.append((piece, 1, -Float(rank))) }
    return try Tokenizer(
      Vocabulary(
        .sentencePiece(scores: tokens.map(\.2), addsSpacePrefix: true), tokens: tokens.map(\.0),
        tokenTypes: tokens.map(\.1), bosToken: 1, eosToken: 2, unknownToken: 0))
  }
}
