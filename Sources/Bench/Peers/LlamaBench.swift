import Foundation
import JSON

/// llama.cpp, measured by its own `llama-bench`: flash attention on, its KV cache in half floats, batches of its default
/// sizes.
struct LlamaBench {
  /// The program.
  let path: String
  let threads: Int

  /// What is timed: a prompt, or tokens generated one by one behind a context of `depth` tokens.
  struct Test: Hashable {
    var promptTokens = 0
    var generatedTokens = 0
    var depth = 0
  }

  /// Tokens per second of each repetition.
  ///
  /// - Parameter warmsUp: an unmeasured run first, which for a prompt takes as long as a measured one.
  func rates(
    _ test: Test, model: String, repetitions: Int, warmsUp: Bool
  ) throws(PeerError) -> [Double] {
    let output = try PeerProcess(
      path: path, arguments: arguments(test, model, repetitions, warmsUp)
    ).output()
    return try Self.rates(of: output, test, threads: threads)
  }

  func arguments(
    _ test: Test, _ model: String, _ repetitions: Int, _ warmsUp: Bool
  ) -> [String] {
    [
      "-m", model, "-t", "\(threads)", "-fa", "1", "-r", "\(repetitions)", "-o", "json",
      "-p", "\(test.promptTokens)", "-n", "\(test.generatedTokens)", "-d", "\(test.depth)",
    ] + (warmsUp ? [] : ["--no-warmup"])
  }

  /// Reads its JSON: a list with one object for each test. Throws where that is not what was asked for.
  static func rates(of output: String, _ test: Test, threads: Int) throws(PeerError) -> [Double] {
    let document: JSONValue
    do { document = try JSONValue(parsing: output) } catch {
      throw PeerError("llama-bench printed no JSON: \(error)")
    }
    guard let results = document.arrayValue else {
      throw PeerError("llama-bench printed \(document.kindName), where a list was expected")
    }
    let found = results.first { result in
      result["n_prompt"]?.integerValue == test.promptTokens
        && result["n_gen"]?.integerValue == test.generatedTokens
        && (result["n_depth"]?.integerValue ?? 0) == test.depth
    }
    guard let found else {
      throw PeerError(
        "llama-bench printed \(results.count) results, none for \(test.promptTokens) prompt tokens and \(test.generatedTokens) new ones at depth \(test.depth)"
      )
    }
    if let used = found["n_threads"]?.integerValue, used != threads {
      throw PeerError("llama-bench used \(used) threads instead of \(threads)")
    }
    let rates = (found["samples_ts"]?.arrayValue ?? []).compactMap(\.doubleValue)
    guard !rates.isEmpty, rates.allSatisfy({ $0 > 0 && $0.isFinite }) else {
      throw PeerError(
        "llama-bench's samples_ts is \(found["samples_ts"]?.canonicalText ?? "missing"); a list of rates above 0 was expected"
      )
    }
    return rates
  }

  /// Its version, as it prints it: to stderr, before the compiler's.
  func version() -> String {
    let process = PeerProcess(path: path, arguments: ["--version"])
    guard let text = try? process.output(withErrors: true) else { return "unknown version" }
    let line = text.split(whereSeparator: \.isNewline).first { $0.hasPrefix("version") }
    return line.map { String($0.prefix(300)) } ?? "unknown version"
  }
}

/// The model files that llama.cpp is measured with: the very file that this program runs, and others with the same
/// weights in other formats.
struct LlamaModelFiles {
  /// By type, such as "F16".
  let paths: [String: String]

  /// The other files are looked for beside `llama-bench`, where `scripts/peers` puts them: `NAME.F16.gguf` for a model
  /// `NAME.Q4_1.gguf`.
  init(model: String, beside program: String) {
    let folder = URL(fileURLWithPath: program).deletingLastPathComponent()
    var name = URL(fileURLWithPath: model).deletingPathExtension().lastPathComponent
    if let dot = name.lastIndex(of: ".") { name = String(name[..<dot]) }
    paths = ["F16", "Q4_0"].reduce(into: ["same": model]) { paths, type in
      paths[type] = folder.appendingPathComponent("\(name).\(type).gguf").path
    }
  }

  func path(_ type: String) throws(PeerError) -> String {
    guard let path = paths[type], FileManager.default.fileExists(atPath: path) else {
      throw PeerError(
        "no \(type) file of the model at \(paths[type] ?? "?"); scripts/peers makes it")
    }
    return path
  }
}
