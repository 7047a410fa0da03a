import Records
import Testing

@Suite("The nearest known word")
struct NearestWordTests {
  static let known = [
    "contextLengths", "streaming-llm", "tca", "full", "threshold", "localWindow", "sinks",
  ]

  @Test(
    "Slips of the pen find their word; other words find none",
    arguments: [
      ("contextLenghts", "contextLengths"), ("context_lengths", "contextLengths"),
      ("contextLength", "contextLengths"), ("StreamingLLM", "streaming-llm"),
      ("stream", "streaming-llm"),
      ("tac", "tca"), ("TCA-Attention", "tca"), ("treshold", "threshold"),
      ("window", "localWindow"),
      ("x", nil),
      ("", nil), ("sink", "sinks"), ("snapkv", nil), (String(repeating: "tca", count: 1000), nil),
    ] as [(String, String?)])
  func words(word: String, nearest: String?) {
    #expect(NearestWord.to(word, among: Self.known) == nearest)
  }
}
