import Foundation
import GGUF
import LabTestSupport

/// The golden values of `Tests/Golden`, as far as they concern a model (see the README there).
struct Golden: Decodable {
  struct Logits: Decodable {
    var n: Int
    var ids: [Int32]
    var topIDs: [Int32]
    var topLogits: [Float]
    var logSumExp: Double
    var meanLogProbability: Double

    enum CodingKeys: String, CodingKey {
      case n, ids
      case topIDs = "top_ids"
      case topLogits = "top_logits"
      case logSumExp = "logsumexp_last"
      case meanLogProbability = "mean_logprob"
    }
  }

  struct Greedy: Decodable {
    var text: String
    var ids: [Int32]
    var newIDs: [Int32]
    var gaps: [Float]

    enum CodingKeys: String, CodingKey {
      case text, ids
      case newIDs = "new_ids"
      case gaps = "top2_gap"
    }
  }

  var logits: [Logits]
  var greedy: [Greedy]

  static func load() throws -> Golden {
    try JSONDecoder().decode(
      Golden.self, from: Data(contentsOf: URL(fileURLWithPath: GoldenFiles.path("golden.json"))))
  }

  static func modelTensors() throws -> SafetensorsFile {
    try SafetensorsFile(path: GoldenFiles.path("golden_model.safetensors"))
  }
}
