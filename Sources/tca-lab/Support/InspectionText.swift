import Foundation
import ModelLibrary
import Reports

/// An inspection as a person reads it: a table for each thing that has several, lines for the rest.
struct InspectionText {
  let inspection: ModelInspection

  init(_ inspection: ModelInspection) { self.inspection = inspection }

  var text: String {
    [facts, layers, quantization, kvCache, problems].compactMap { $0 }.joined(separator: "\n\n")
  }

  // MARK: Sections

  private var facts: String {
    let geometry = inspection.geometry
    let sizes = [
      ("hidden", geometry?.hiddenSize), ("feed-forward", geometry?.feedForwardSize),
      ("vocabulary", geometry?.vocabularySize),
    ].compactMap { name, size in size.map { "\(name) \($0)" } }
    let needed = inspection.neededBytes.map { " of \(Self.megabytes($0)): the file is cut off" }
    let rows = [
      ["size", Self.megabytes(inspection.bytes) + (needed ?? "")],
      inspection.part.map { ["part", "\($0.number) of \($0.count)"] },
      ["architecture", inspection.architecture ?? "not stated"],
      geometry?.contextLength.map { ["context", "\($0) tokens"] },
      sizes.isEmpty ? nil : ["sizes", sizes.joined(separator: ", ")],
      ["tokenizer", inspection.tokenizer.map(Self.tokenizer) ?? "none"],
      ["chat template", inspection.chatTemplate ?? "none"],
    ]
    return Self.table(rows.compactMap { $0 })
  }

  private var layers: String? {
    guard let geometry = inspection.geometry else { return nil }
    let rows = geometry.layerKinds.map { kind in
      let attends =
        switch (geometry.globalLayers, kind.window) {
        case (nil, let window): "some in a window of \(window ?? 0)"
        case (_, let window?): "in a window of \(window)"
        case (_, nil): "to all before"
        }
      return [
        "\(kind.layers) of \(geometry.layers)", attends, "\(kind.queryHeads)", "\(kind.kvHeads)",
        "\(kind.headDimension)", kind.rotaryBase.map { String(format: "%.10g", $0) } ?? "–",
        kind.rotaryScaling ?? "none", kind.scale.map { String(format: "%.6g", $0) } ?? "–",
      ]
    }
    return TextTable(
      header: [
        "layers", "attend", "heads", "KV heads", "head dimension", "rotary base", "scaling",
        "scale",
      ], rows: rows, rightAligned: [2, 3, 4, 5, 7]
    ).text
  }

  private var quantization: String? {
    guard !inspection.quantization.isEmpty else { return nil }
    let rows = inspection.quantization.map { count in
      [
        count.type + (count.isSupported ? "" : " (not supported)"), "\(count.tensors)",
        "\(count.weights)", "\(count.bytes)",
      ]
    }
    return TextTable(
      header: ["format", "tensors", "weights", "bytes"], rows: rows, rightAligned: [1, 2, 3]
    ).text
  }

  private var kvCache: String? {
    guard !inspection.kvCache.isEmpty else { return nil }
    let rows = inspection.kvCache.map { size in
      [
        "\(size.tokens) tokens", Self.megabytes(size.float32Bytes),
        Self.megabytes(size.float16Bytes),
      ]
    }
    return TextTable(
      header: ["KV cache", "float32", "float16"], rows: rows, rightAligned: [1, 2]
    ).text
  }

  /// A damaged file may have a problem with each of its tensors.
  private static let mostProblems = 20

  private var problems: String {
    let all = inspection.unsupported
    guard !all.isEmpty else { return "This program can run it." }
    let shown = all.prefix(Self.mostProblems).map { "- \(TerminalText.line($0))" }
    let rest = all.count - shown.count
    return "This program cannot run it:\n" + shown.joined(separator: "\n")
      + (rest > 0 ? "\n- and \(rest) further problems; --json lists all" : "")
  }

  // MARK: Words

  private static func tokenizer(_ facts: TokenizerFacts) -> String {
    func token(_ role: String, _ token: TokenizerFacts.Token?) -> String? {
      token.map { "\(role) \($0.id)\($0.text.map { " \($0)" } ?? "")" }
    }
    let adds = facts.addsBOS.map { $0 ? "begins with BOS" : "no BOS at the beginning" }
    return [
      facts.model ?? "not stated", facts.pre, "\(facts.tokens) tokens", token("BOS", facts.bos),
      token("EOS", facts.eos), adds,
    ].compactMap { $0 }.joined(separator: ", ")
  }

  private static func megabytes(_ bytes: Int) -> String {
    String(format: "%.1f MB", Double(bytes) / 1e6)
  }

  private static func table(_ rows: [[String]]) -> String {
    TextTable(header: rows[0], rows: Array(rows.dropFirst())).text
  }
}
