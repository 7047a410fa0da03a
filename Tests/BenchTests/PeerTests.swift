import Foundation
import LabTestSupport
import Testing

@testable import Bench

@Suite("Peers of a bench")
struct PeerTests {
  private let prompt = LlamaBench.Test(promptTokens: 512)
  private let output = """
    [
      {
        "build_commit": "0c1e570", "model_filename": "a.gguf", "n_threads": 2, "flash_attn": 1,
        "n_prompt": 512, "n_gen": 0, "n_depth": 0, "avg_ts": 504.5, "stddev_ts": 1.5,
        "samples_ns": [ 1016000000, 1014000000 ], "samples_ts": [ 503, 506 ]
      },
      {
        "n_threads": 2, "n_prompt": 0, "n_gen": 32, "n_depth": 8160, "samples_ts": [ 22.5 ]
      }
    ]
    """

  private func problem(_ body: () throws -> [Double]) -> String? {
    do {
      _ = try body()
      return nil
    } catch { return "\(error)" }
  }

  @Test("Rates are those of the test that was asked for, repetition by repetition")
  func rates() throws {
    #expect(try LlamaBench.rates(of: output, prompt, threads: 2) == [503, 506])
    let steps = LlamaBench.Test(generatedTokens: 32, depth: 8160)
    #expect(try LlamaBench.rates(of: output, steps, threads: 2) == [22.5])
    // Older versions know no depth.
    let old = output.replacing(", \"n_depth\": 0", with: "")
    #expect(try LlamaBench.rates(of: old, prompt, threads: 2) == [503, 506])
  }

  @Test("Another test, other threads, no rates or no JSON are no figure, and said")
  func damaged() {
    let parse = { (text: String, test: LlamaBench.Test, threads: Int) in
      problem { try LlamaBench.rates(of: text, test, threads: threads) } ?? "accepted"
    }
    #expect(parse(output, .init(promptTokens: 513), 2).contains("none for 513 prompt tokens"))
    #expect(parse(output, .init(generatedTokens: 32), 2).contains("none for 0 prompt tokens"))
    #expect(parse(output, prompt, 1).contains("2 threads instead of 1"))
    #expect(parse("", prompt, 2).contains("no JSON"))
    #expect(parse("{}", prompt, 2).contains("an object"))
    #expect(parse("[]", prompt, 2).contains("0 results"))
    for damage in ["[ 503, 506 ]": "[]", "[ 503, 506 ]": "[503, 0]", "[ 503, 506 ]": "\"fast\""]
      as KeyValuePairs
    {
      let text = output.replacing(damage.key, with: damage.value)
      #expect(parse(text, prompt, 2).contains("samples_ts"), "\(damage)")
    }
    // Cut at every byte it is no figure, or the whole text's.
    for end in output.indices {
      #expect(throws: PeerError.self) {
        try LlamaBench.rates(of: String(output[..<end]), prompt, threads: 2)
      }
    }
  }

  @Test("llama-bench is asked for one test with this many threads, JSON and flash attention")
  func arguments() {
    let bench = LlamaBench(path: "llama-bench", threads: 3)
    #expect(
      bench.arguments(prompt, "m.gguf", 2, true) == [
        "-m", "m.gguf", "-t", "3", "-fa", "1", "-r", "2", "-o", "json", "-p", "512", "-n", "0",
        "-d", "0",
      ])
    #expect(bench.arguments(prompt, "m.gguf", 2, false).last == "--no-warmup")
  }

  @Test("The version is the line that says so, wherever it is written")
  func version() throws {
    let program = FileManager.default.temporaryDirectory
      .appendingPathComponent("llama-bench-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: program) }
    func version(_ script: String) throws -> String {
      try writeProgram("#!/bin/sh\n\(script)\n", to: program.path)
      return LlamaBench(path: program.path, threads: 1).version()
    }
    let lines = "printf 'loading\\nversion: 1 (abc)\\nbuilt with GNU\\n'"
    #expect(try version(lines) == "version: 1 (abc)")
    #expect(try version(lines + " >&2") == "version: 1 (abc)")
    #expect(try version("exit 1") == "unknown version")
    #expect(try version("echo usage") == "unknown version")
  }

  @Test("The other formats of a model are looked for beside llama-bench")
  func files() throws {
    let files = LlamaModelFiles(model: "/a/SmolLM2.Q4_1.gguf", beside: "/b/llama-bench")
    #expect(files.paths["same"] == "/a/SmolLM2.Q4_1.gguf")
    #expect(files.paths["F16"] == "/b/SmolLM2.F16.gguf")
    #expect(files.paths["Q4_0"] == "/b/SmolLM2.Q4_0.gguf")
    #expect(LlamaModelFiles(model: "m.gguf", beside: "/b/x").paths["F16"] == "/b/m.F16.gguf")
    let said =
      problem {
        _ = try files.path("F16")
        return []
      } ?? ""
    #expect(said.contains("/b/SmolLM2.F16.gguf") && said.contains("scripts/peers"))
  }

  @Test("Seconds of PyTorch are read from the last line, whatever was printed before")
  func pyTorch() throws {
    let good = "a warning\n{\"seconds\": [0.5, 0.25], \"threads\": 2}\n\n"
    #expect(try PyTorchPeer.seconds(of: good, threads: 2) == [0.5, 0.25])
    let parse = { (text: String) in
      problem { try PyTorchPeer.seconds(of: text, threads: 2) } ?? "accepted"
    }
    #expect(parse("").contains("no JSON") && parse("Killed").contains("no JSON"))
    #expect(parse(good.replacing(": 2}", with: ": 4}")).contains("4 threads instead of 2"))
    #expect(parse(#"{"seconds": [], "threads": 2}"#).contains("above 0"))
    #expect(parse(#"{"seconds": [0.5, -1], "threads": 2}"#).contains("above 0"))
  }

  @Test("An argument names a known peer and a path")
  func argument() throws {
    #expect(try PeerArgument("llama.cpp=/a=b/llama-bench").path == "/a=b/llama-bench")
    #expect(try PeerArgument("PyTorch=python3").kind == .pyTorch)
    for text in ["llama.cpp", "llama.cpp=", "=x", "ollama=x", ""] {
      #expect(throws: PeerError.self, "\(text)") { try PeerArgument(text) }
    }
  }

  @Test("A program's output is its stdout; one that fails or is not there says why")
  func process() throws {
    let shell = { (script: String) in PeerProcess(path: "/bin/sh", arguments: ["-c", script]) }
    #expect(try shell("echo out; echo err >&2").output() == "out\n")
    var reading = shell("cat; printf %s \"$X\"")
    reading.input = "in "
    reading.environment = ["X": "set"]
    #expect(try reading.output() == "in set")
    func said(_ process: PeerProcess) -> String {
      do { return try process.output() } catch { return "\(error)" }
    }
    #expect(
      said(shell("echo one; echo two >&2; echo three >&2; exit 3"))
        == "/bin/sh ended with code 3: three")
    #expect(said(shell("kill -9 $$")).contains("ended by signal 9"))
    let missing = said(PeerProcess(path: "/nowhere/llama-bench", arguments: []))
    #expect(
      missing.contains("/nowhere/llama-bench is no program") && missing.contains("scripts/peers"))
  }

  @Test("A peer that fails once has no figure, and its reason is kept")
  func failing() {
    var count = 0
    var peer = PeerMeasure("peer", target: 2) {
      count += 1
      if count == 2 { throw PeerError("out of memory") }
      return [10]
    }
    peer.measure()
    #expect(peer.reference == BenchReference("peer", samples: [10], target: 2))
    peer.measure()
    peer.measure()
    #expect(count == 2)
    #expect(
      peer.reference == BenchReference("peer", value: nil, target: 2, problem: "out of memory"))
  }
}
