import Foundation
import JSON
import LabTestSupport
import Records
import Testing
import Tokenization

@testable import Tasks

@Suite("RULER's tasks")
struct TasksRulerTests {
  private let folder = URL(fileURLWithPath: "/nowhere")

  private func samples(
    _ kind: RulerKind, contextLength: Int = 2048, samples: Int = 2, queryAware: Bool = true,
    seed: Int = 7, addsBOS: Bool = false
  ) throws -> [TaskSample] {
    try RulerTask(
      .init(task: kind, corpus: "emma", samples: samples, queryAware: queryAware), folder: folder
    ).samples(tokenizer: .tiny(addsBOS: addsBOS), contextLength: contextLength, seed: seed)
  }

  /// Prompts of the source's own generators with what is random masked, by kind; `cwe` has one for each size of example.
  private static func golden() throws -> [String: JSONValue] {
    let text = try String(contentsOfFile: GoldenFiles.path("ruler-prompts.json"), encoding: .utf8)
    return try #require(try JSONValue(parsing: text)["prompts"]?.objectValue)
  }

  @Test(
    "Turns ask for one needle after another of the same text, each of which stands in it",
    arguments: RulerKind.allCases.filter { $0.needles != nil })
  func turns(kind: RulerKind) throws {
    let tokenizer = try Tokenizer.tiny()
    let task = try RulerTask(
      .init(task: kind, corpus: "emma", samples: 2, turns: 5), folder: folder)
    for sample in try task.samples(tokenizer: tokenizer, contextLength: 4096, seed: 7) {
      let turns = sample.turns
      #expect(turns.count == 5 && turns[0].lateTokens == sample.lateTokens)
      let answers = turns.flatMap(\.answers)
      #expect(Set(answers).count == answers.count)
      #expect(Set(turns.map { $0.answers.count }).count == 1)
      let text = tokenizer.decode(sample.prompt)
      for turn in turns {
        let question = tokenizer.decode(turn.lateTokens)
        for answer in turn.answers {
          #expect(text.contains(": \(answer).") && !question.contains(answer))
        }
        #expect(question.contains("pecial magic"))
        #expect(task.score(turn.answers.joined(separator: " "), of: sample.asking(turn)) == 1)
        #expect(task.score("", of: sample.asking(turn)) == 0)
        // The tokens of the answers, and no more than begin or end with something else.
        let held = tokenizer.decode(turn.answerPositions.map { sample.prompt[$0] })
        for answer in turn.answers { #expect(held.contains(answer)) }
        #expect(held.count <= turn.answers.reduce(0) { $0 + $1.count + 12 })
      }
      let asked = turns.reduce(0) { $0 + $1.lateTokens.count + sample.greedyTokens }
      #expect(sample.prompt.count + asked <= 4096)
      #expect(sample.prompt.count + asked > 3500)
    }
  }

  @Test("Turns are for needles, and for questions that come after the selection")
  func wrongTurns() {
    func problems(_ kind: RulerKind, queryAware: Bool, context: Int = 8192) -> [String] {
      RulerTask.problems(
        of: .init(task: kind, queryAware: queryAware, turns: 3), contextLength: context
      ).map(\.parameter)
    }
    #expect(problems(.needleMultiKey1, queryAware: false) == [])
    #expect(problems(.variableTracking, queryAware: false) == ["turns"])
    #expect(problems(.needleSingle1, queryAware: true) == ["turns"])
    #expect(problems(.needleSingle1, queryAware: false, context: 600) == ["contextLength"])
  }

  @Test("Prompts have the form of the source's own", arguments: RulerKind.allCases)
  func form(kind: RulerKind) throws {
    // A prompt of the source's sizes, made by the writer itself, for tasks that count words.
    var generator = SeededGenerator(seed: 1, purpose: "test")
    var texts: [(String, RulerPrompt)] = []
    switch kind {
    case .commonWords:
      for (name, isShort) in [("cwe 2048", true), ("cwe 4096", false)] {
        let writer = RulerCommonWriter(words: try RulerWords.common(), isShort: isShort)
        texts.append((name, writer.prompt(size: 60, using: &generator)))
      }
    case .frequentWords:
      texts = [("fwe", RulerFrequentWriter(room: 2000).prompt(size: 300, using: &generator))]
    case .variableTracking:
      let writer = RulerVariableWriter(tokenizer: try .tiny(), seed: 1)
      texts = [("vt", writer.prompt(size: 20, using: &generator))]
    default:
      let needles = try #require(kind.needles)
      let essay =
        needles.haystack == .essay
        ? try RulerEssay(Corpus(named: "emma", folder: folder)) : nil
      let writer = RulerNeedleWriter(needles: needles, turns: 1, essay: essay)
      texts = [(kind.rawValue, writer.prompt(size: 200, using: &generator))]
    }
    for (name, made) in texts {
      let expected = try #require(try Self.golden()[name])
      let text = made.prompt.text + made.prompt.question
      #expect(Self.masked(text, kind) == expected["prompt"]?.stringValue, "\(name)")
      #expect(made.answers.count == expected["answers"]?.integerValue)
      #expect(kind.answerTokens == expected["tokens"]?.integerValue)
    }
  }

  /// What a prompt of the kind looks like whatever is drawn: as the script beside the golden file masks it.
  private static func masked(_ text: String, _ kind: RulerKind) -> String {
    var text = text
    func unique(_ lines: [String]) -> [String] {
      lines.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }
    switch kind {
    case .commonWords: return text.replacing(/(\d+\.) [a-z]+/) { "\($0.output.1) w" }
    case .frequentWords:
      let parts = text.split(separator: "coded words. ", maxSplits: 1)
      let question = parts[1].firstRange(of: "\nQuestion")!.lowerBound
      let counts = Dictionary(grouping: parts[1][..<question].split(separator: " ")) { $0 }
        .values.map(\.count).sorted(by: >).map(String.init).joined(separator: " ")
      return parts[0] + "coded words. " + counts + parts[1][question...]
    case .variableTracking:
      text.replace(/\b\d{5}\b/, with: "<number>")
      text.replace(/\b[A-Z]{5}\b/, with: "<name>")
      text.replace(/\b(?!VAR\b)[A-Z]{3}\b/, with: "<short>")
      var lines: [String] = []
      for line in text.lines where line.isEmpty || !lines.contains(line) { lines.append(line) }
      return lines.filter { !$0.hasPrefix("The grass") }.joined(separator: "\n")
    default:
      for match in text.matches(of: /magic \w+ for (\S+?) is:/) {
        text.replace(match.output.1, with: "<key>")
      }
      text.replace(
        /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/, with: "<id>")
      text.replace(/\b\d{7}\b/, with: "<number>")
      let lines = text.lines
      var context = Array(lines[1..<lines.count - 1])
      if kind.readsCorpus {
        context = context.joined().matches(
          of: /One of the special magic \w+ for <\w+> is: <\w+>\./
        ).map { String($0.output) }
      } else {
        context = unique(context).sorted()
      }
      return ([lines[0]] + context + [lines[lines.count - 1]]).joined(separator: "\n")
    }
  }

  @Test(
    "Prompt and answer fit the context and leave less than one more unit",
    arguments: RulerKind.allCases, [2048, 3001])
  func length(kind: RulerKind, contextLength: Int) throws {
    for sample in try samples(kind, contextLength: contextLength, addsBOS: true) {
      let used = sample.prompt.count + sample.greedyTokens
      #expect(used <= contextLength)
      // A unit: a line of noise or a needle, a word, a word six times, a step of the zeta distribution.
      let unit =
        kind == .frequentWords ? 60 : kind == .commonWords ? 30 : kind.readsCorpus ? 20 : 100
      #expect(used > contextLength - unit)
      #expect(sample.prompt.first == 1)
      #expect(sample.answers.count == Set(sample.answers).count)
      #expect((0...1).contains(sample.place) && (0..<1).contains(sample.chanceLevel ?? -1))
    }
  }

  @Test("The seed decides the samples; more keep the earlier ones", arguments: RulerKind.allCases)
  func seed(kind: RulerKind) throws {
    let three = try samples(kind, samples: 3)
    #expect(try samples(kind, samples: 3) == three)
    #expect(try samples(kind, samples: 2) == Array(three[..<2]))
    #expect(try samples(kind, samples: 2, seed: 8).map(\.answers) != three[..<2].map(\.answers))
    #expect(Set(three.map(\.answers)).count == 3)
  }

  @Test("The answers stand in the text, and a late question is the same tokens in two parts")
  func question() throws {
    let tokenizer = try Tokenizer.tiny()
    for kind in RulerKind.allCases {
      let aware = try samples(kind)
      let late = try samples(kind, queryAware: false)
      for (aware, late) in zip(aware, late) {
        #expect(aware.lateTokens.isEmpty && aware.prompt == late.prompt + late.lateTokens)
        let text = tokenizer.decode(late.prompt)
        let question = tokenizer.decode(late.lateTokens)
        for answer in late.answers { #expect(text.contains(answer), "\(kind)") }
        #expect(question.hasPrefix("What ") || question.hasPrefix("Question: "), "\(question)")
        #expect(text.hasSuffix("\n"))
        #expect(aware.greedyTokens == kind.answerTokens && aware.answers == late.answers)
        #expect(aware.stopTokens == tokenizer.endTokens)
      }
    }
  }

  @Test("Needles stand where the place says, and elsewhere in other samples")
  func places() throws {
    let tokenizer = try Tokenizer.tiny()
    for kind in [RulerKind.needleSingle1, .needleSingle2, .needleMultiKey2] {
      // Sentences are of many lengths; in a long text they even out.
      let samples = try samples(kind, contextLength: 20_000, samples: 8)
      for sample in samples {
        let text = tokenizer.decode(sample.prompt)
        let before = try #require(text.firstRange(of: "is: \(sample.answers[0])")).lowerBound
        let share = Double(text[..<before].count) / Double(text.count)
        #expect(abs(share - sample.place) < 0.12, "\(kind) \(share) \(sample.place)")
      }
      #expect(Set(samples.map(\.place)).count > 3)
    }
  }

  @Test("The score is the share of answers found, whatever their case")
  func score() throws {
    let task = try RulerTask(.init(task: .variableTracking), folder: folder)
    var sample = TaskSample(index: 0, place: 0, prompt: [1])
    sample.answers = ["ABCDE", "FGHIJ", "KLMNO", "PQRST"]
    #expect(task.score("abcde, then FGHIJ", of: sample) == 0.5)
    #expect(task.score("", of: sample) == 0)
    #expect(task.score("PQRSTABCDEKLMNOxFGHIJ", of: sample) == 1)
  }

  @Test("Guessing is worth what a random choice among the text's words finds")
  func chance() throws {
    #expect(try samples(.needleSingle2)[0].chanceLevel == 0)
    #expect(try samples(.needleMultiKey1)[0].chanceLevel == 0.25)
    #expect(try samples(.needleMultiQuery)[0].chanceLevel == 0)
    let needles = try #require(try samples(.needleMultiKey2)[0].chanceLevel)
    #expect((0.01...0.1).contains(needles))
    let tokenizer = try Tokenizer.tiny()
    for sample in try samples(.commonWords) {
      let text = tokenizer.decode(sample.prompt)
      let list = try #require(text.lines.last { $0.hasPrefix("1. ") })
      let words = Set(list.split(separator: " ").filter { !$0.hasSuffix(".") })
      #expect(sample.chanceLevel == 10 / Double(words.count))
    }
  }

  @Test("A context that is too short is refused with the length that it takes")
  func tooShort() {
    let problems = RulerTask.problems(of: .init(task: .commonWords), contextLength: 1023)
    #expect(
      problems.map(\.description) == [
        "contextLength: \"1023\" tokens are too few for cwe; it needs 1024"
      ])
    #expect(RulerTask.problems(of: .init(task: .commonWords), contextLength: 1024).isEmpty)
  }

  @Test("The longest prompt is found whatever the sizes allow")
  func search() {
    for most in [5, 6, 100, 1000] {
      for limit in [4, 5, 7, 64, 100, 999] {
        let found = LengthSearch.longest(from: 5, to: most) { $0 <= limit ? $0 : nil }
        #expect(found == (limit < 5 ? nil : min(limit, most)))
      }
    }
  }

  @Test("Our words are many, short and different")
  func words() throws {
    let pairs = (0..<RulerWords.pairCount).map(RulerWords.pair)
    #expect(pairs.count > 10_000 && Set(pairs).count == pairs.count)
    #expect(pairs.allSatisfy { $0.split(separator: "-").count == 2 })
    let common = try RulerWords.common()
    #expect(common.count > 1500 && common == common.sorted())
    #expect(common.allSatisfy { 4...10 ~= $0.utf8.count })
  }
}

extension String {
  fileprivate var lines: [String] { pieces(around: "\n") }
}
