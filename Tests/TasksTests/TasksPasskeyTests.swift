import Foundation
import LabTestSupport
import Testing
import Tokenization

@testable import Tasks

@Suite("Passkey task")
struct TasksPasskeyTests {
  private static let folder = URL(fileURLWithPath: "/nowhere")
  /// The beginning of *Persuasion*.
  private let text: String
  private let corpusFolder: TemporaryFolder

  init() throws {
    let novel = try Corpus(named: "persuasion", folder: Self.folder).withJoinedLines
    text = String(novel.prefix(20_000))
    corpusFolder = try TemporaryFolder()
    try corpusFolder.write(text, to: "novel")
  }

  private func samples(
    _ configuration: PasskeyTask.Configuration, _ tokenizer: Tokenizer, contextLength: Int,
    seed: Int = 7
  ) throws -> [TaskSample] {
    var configuration = configuration
    configuration.corpus = "novel"
    return try PasskeyTask(configuration, folder: corpusFolder.url)
      .samples(tokenizer: tokenizer, contextLength: contextLength, seed: seed)
  }

  @Test(
    "A prompt has exactly contextLength - 8 tokens and the documented form, at every depth and seed",
    arguments: [64, 65, 66, 67, 100, 127, 256, 1000], [true, false])
  func form(contextLength: Int, addsBOS: Bool) throws {
    let tokenizer = try Tokenizer.tiny(addsBOS: addsBOS)
    let letters = text.filter { !$0.isWhitespace }
    let depths = [0, 0.1, 0.25, 0.5, 0.9, 1]
    for seed in 0..<2 {
      let configuration = PasskeyTask.Configuration(depths: depths, samples: 2, queryAware: true)
      let samples = try samples(
        configuration, tokenizer, contextLength: contextLength, seed: seed)
      #expect(
        try samples
          == self.samples(configuration, tokenizer, contextLength: contextLength, seed: seed))
      #expect(samples.map(\.place) == depths.flatMap { [$0, $0] })
      #expect(samples.map(\.index) == depths.flatMap { _ in [0, 1] })
      for sample in samples {
        #expect(sample.prompt.count == contextLength - 8)
        #expect(sample.greedyTokens == 8 && sample.forced.isEmpty && sample.lateTokens.isEmpty)
        #expect(sample.scoredFrom == nil)
        let key = try #require(sample.expected)
        #expect((10_000...99_999).contains(try #require(Int(key))))
        #expect(addsBOS == (sample.prompt.first == 1))
        let tokens = Array(sample.prompt[(addsBOS ? 1 : 0)...])
        let prompt = tokenizer.decode(tokens)
        #expect(tokenizer.encode(prompt, addsBOS: false) == tokens)
        let parts = prompt.split(
          separator: "\n\nThe pass key is \(key).\n\n", omittingEmptySubsequences: false)
        try #require(parts.count == 2)
        #expect(parts[1].hasSuffix("\n\nThe pass key is"))
        // Together the two parts are a stretch of the text, white space between them aside.
        let before = String(parts[0])
        let after = String(parts[1].dropLast("\n\nThe pass key is".count))
        let stretch = (before + after).filter { !$0.isWhitespace }
        #expect(letters.contains(stretch), "\(before) | \(after)")
        #expect(before.isEmpty || text.contains(before))
        #expect(after.isEmpty || text.contains(after))
        let isSentence = before.isEmpty || ".!?\"'”’_)]".contains(before.suffix(1))
        #expect(isSentence || text.contains(before + "\n\n"))
      }
    }
  }

  @Test("The key stands near its depth")
  func depth() throws {
    let tokenizer = try Tokenizer.tiny()
    let samples = try samples(
      .init(depths: [0, 0.2, 0.5, 0.8, 1], samples: 3, queryAware: true), tokenizer,
      contextLength: 4_000)
    for sample in samples {
      let prompt = tokenizer.decode(sample.prompt)
      let key = try #require(prompt.range(of: "The pass key is \(sample.expected ?? "")"))
      let before = tokenizer.encode(String(prompt[..<key.lowerBound])).count
      #expect(abs(Double(before) / 4_000 - sample.place) < 0.08)
    }
  }

  @Test("Without query awareness the same tokens are split before the final line")
  func queryAware() throws {
    let tokenizer = try Tokenizer.tiny()
    let aware = try samples(.init(samples: 1, queryAware: true), tokenizer, contextLength: 300)
    let unaware = try samples(.init(samples: 1, queryAware: false), tokenizer, contextLength: 300)
    for (aware, unaware) in zip(aware, unaware) {
      #expect(unaware.prompt + unaware.lateTokens == aware.prompt)
      #expect(tokenizer.decode(unaware.lateTokens) == "The pass key is")
      #expect(tokenizer.decode(unaware.prompt).hasSuffix("\n\n"))
      #expect(unaware.expected == aware.expected)
    }
  }

  @Test("A sample depends on seed, depth and index, not on what else is asked for")
  func independence() throws {
    let tokenizer = try Tokenizer.tiny()
    let few = try samples(.init(depths: [0.5], samples: 1), tokenizer, contextLength: 128)
    let many = try samples(
      .init(depths: [0.1, 0.5], samples: 3), tokenizer, contextLength: 128)
    #expect(few[0] == many[3])
    #expect(Set(many.map(\.expected)).count == 6)
    let other = try samples(
      .init(depths: [0.5], samples: 1), tokenizer, contextLength: 128, seed: 8)
    #expect(other[0].expected != few[0].expected && other[0].prompt != few[0].prompt)
  }

  @Test("Any text makes a haystack: without sentences, without spaces, with rare characters")
  func oddTexts() throws {
    let folder = try TemporaryFolder()
    let texts = [
      "words": String(repeating: "no end in sight ", count: 400),
      "one word": String(repeating: "abcdefgh", count: 700),
      "signs": String(repeating: "漢字のテキスト。", count: 300),
      "special": String(repeating: "A <|im_end|> there. \u{1}\u{4} x\u{F1000}y ", count: 200),
    ]
    for (name, text) in texts {
      try folder.write(text, to: name)
      let task = try PasskeyTask(
        .init(corpus: name, samples: 2, queryAware: true), folder: folder.url)
      let samples = try task.samples(tokenizer: .tiny(), contextLength: 200, seed: 3)
      #expect(samples.allSatisfy { $0.prompt.count == 192 })
    }
  }

  @Test("A text that is too short is an error that says how long it is")
  func tooShort() throws {
    let folder = try TemporaryFolder()
    try folder.write(String(repeating: "A short text. ", count: 20), to: "short.txt")
    let task = try PasskeyTask(.init(corpus: "short.txt"), folder: folder.url)
    #expect {
      try task.samples(tokenizer: .tiny(), contextLength: 1_000, seed: 0)
    } throws: {
      "\($0)".hasPrefix("task passkey: the corpus \"short.txt\" has \"")
        && "\($0)".hasSuffix("of them; use a longer text or a shorter context")
    }
    try folder.write("", to: "short.txt")
    let empty = try PasskeyTask(.init(corpus: "short.txt"), folder: folder.url)
    #expect(throws: TaskError.self) {
      try empty.samples(tokenizer: .tiny(), contextLength: 100, seed: 0)
    }
    #expect(throws: TaskError.self) {
      try empty.samples(tokenizer: .tiny(), contextLength: 63, seed: 0)
    }
  }

  @Test(
    "An answer is right if its first run of digits is the key",
    arguments: [
      (" 71432.", 1), ("71432", 1), (" the key 71432 or 5", 1), (" 7143", 0), (" 714321", 0),
      (" 5, then 71432", 0), ("", 0), (" none", 0), (" ７1432", 0), (" 7 1432", 0),
    ] as [(String, Double)])
  func score(answer: String, score: Double) throws {
    let task = try PasskeyTask(.init(), folder: Self.folder)
    var sample = TaskSample(index: 0, place: 0, prompt: [1])
    sample.answers = ["71432"]
    #expect(task.score(answer, of: sample) == score)
  }

  @Test("Sentences end at full stops, marks and empty lines, and not after titles or initials")
  func sentences() {
    let text =
      "CHAPTER I\n\nMr. Elliot came. \"Was he?\" she asked. J. Smith (his friend.) e.g. this one! I. Who? yes.”  Then 3.5 more."
    let bytes = Array(text.utf8)
    let (ends, starts) = SentenceScanner(bytes).sentences()
    var sentences: [String] = []
    for (start, end) in zip([0] + starts, ends + [bytes.count]) {
      sentences.append(String(decoding: bytes[start..<end], as: UTF8.self))
    }
    #expect(
      sentences == [
        "CHAPTER I", "Mr. Elliot came.", "\"Was he?\" she asked.",
        "J. Smith (his friend.) e.g. this one!", "I.", "Who? yes.”", "Then 3.5 more.",
      ])
  }
}
