import Records

/// The synthetic tasks of RULER with the sizes of its main table (scripts/synthetic.yaml of
/// NVIDIA/RULER); its two tasks on question-answering data sets are not here.
public enum RulerKind: String, Codable, Sendable, Hashable, CaseIterable {
  case needleSingle1 = "niah_single_1"
  case needleSingle2 = "niah_single_2"
  case needleSingle3 = "niah_single_3"
  case needleMultiKey1 = "niah_multikey_1"
  case needleMultiKey2 = "niah_multikey_2"
  case needleMultiKey3 = "niah_multikey_3"
  case needleMultiValue = "niah_multivalue"
  case needleMultiQuery = "niah_multiquery"
  case variableTracking = "vt"
  case commonWords = "cwe"
  case frequentWords = "fwe"

  /// How many tokens the model may answer with.
  var answerTokens: Int {
    switch self {
    case .variableTracking: 30
    case .commonWords: 120
    case .frequentWords: 50
    default: 128
    }
  }

  /// Below this the instructions and the smallest text leave no room, whatever the vocabulary.
  var shortestContext: Int {
    switch self {
    case .variableTracking, .commonWords: 1024
    case .frequentWords: 256
    default: 384
    }
  }

  /// True where the corpus is the haystack.
  var readsCorpus: Bool { needles?.haystack == .essay }

  /// What a needle task hides; nil for the others.
  var needles: RulerNeedles? {
    switch self {
    case .needleSingle1: RulerNeedles(haystack: .noise)
    case .needleSingle2: RulerNeedles(haystack: .essay)
    case .needleSingle3: RulerNeedles(haystack: .essay, values: .uuids)
    case .needleMultiKey1: RulerNeedles(haystack: .essay, keyCount: 4)
    case .needleMultiKey2: RulerNeedles(haystack: .needles)
    case .needleMultiKey3: RulerNeedles(haystack: .needles, keys: .uuids, values: .uuids)
    case .needleMultiValue: RulerNeedles(haystack: .essay, valueCount: 4)
    case .needleMultiQuery: RulerNeedles(haystack: .essay, keyCount: 4, queryCount: 4)
    default: nil
    }
  }
}

/// The sizes of a needle task: how many keys, values a key and keys asked for, and what they look
/// like.
struct RulerNeedles: Hashable {
  enum Haystack { case noise, essay, needles }
  enum Word: String { case words, numbers, uuids }

  var haystack: Haystack
  var keys = Word.words
  var values = Word.numbers
  var keyCount = 1
  var valueCount = 1
  var queryCount = 1
}

/// A prompt of RULER with what is asked for.
struct RulerPrompt: Hashable {
  /// A question after the first, on the same text.
  struct Question: Hashable {
    var text: String
    var answers: [String]
    var place: Double
  }

  var prompt: QuestionPrompt
  var answers: [String]
  /// Depth of the first answer in the text, 0…1; 0 where the answer is everywhere.
  var place = 0.0
  var chanceLevel = 0.0
  var later: [Question] = []
  /// The sentence in which an answer stands.
  var sentences: [String: String] = [:]
}

/// Makes the prompts of one kind of task, of any size.
protocol RulerWriter {
  /// The smallest and largest number of units (sentences, words) that a text may have.
  var sizes: ClosedRange<Int> { get }

  /// A prompt with a text of `size` units.
  func prompt(size: Int, using generator: inout SeededGenerator) -> RulerPrompt
}
