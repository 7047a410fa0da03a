import Attention
import Foundation
import GGUF
import Kernels
import Tensors
import Threads
import Transformer

/// Measures prefill and decode of a whole model under full attention, as shares of what the machine's sgemm allows.
///
///     swift run -c release --package-path Benchmarks engine-bench [model.gguf] [threads] [cpu-time] [lengths …]
///
/// Numbers up to 64 are threads (2), larger ones prompt lengths (512 2048). `cpu-time` counts the processor's time
/// instead of the clock's: for one thread on a machine that others use too.
struct EngineBench {
  private let path: String
  private let threads: Int
  private let lengths: [Int]
  private let countsProcessorTime: Bool
  private static let repetitions = 3
  private static let decodeSteps = 32

  init(_ arguments: some Collection<String>) {
    let numbers = arguments.compactMap { Int($0) }
    threads = numbers.first { $0 <= 64 } ?? 2
    let lengths = numbers.filter { $0 > 64 }
    self.lengths = lengths.isEmpty ? [512, 2048] : lengths
    countsProcessorTime = arguments.contains("cpu-time")
    path =
      arguments.first { $0.hasSuffix(".gguf") }
      ?? NSHomeDirectory() + "/.cache/tca-lab/SmolLM2-135M-Instruct.Q4_1.gguf"
  }

  func run() throws {
    let workspace = Workspace(workers: try WorkerPool(threadCount: threads))
    let model = try BlueprintDecoder(try GGUFFile(path: path), workspace: workspace, name: path)
    print("\(path), \(threads) threads\(countsProcessorTime ? ", processor time" : "")")
    print("OpenBLAS for \(BLAS.coreName); medians of \(Self.repetitions) prefills, 32 decode steps")
    let before = sgemmRate()
    let rows = try lengths.map { try measure(model, prompt: $0) }
    let after = sgemmRate()
    print("sgemm 2,048 x 2,048 x 2,048: \(text(before)) GFLOP/s before, \(text(after)) after")
    print(
      "tokens  prefill tok/s  GFLOP/s  share of sgemm  decode tok/s"
        // Stages are timed on the clock only.
        + (countsProcessorTime ? "" : "  attention's share of prefill, of decode"))
    for row in rows {
      let operations = model.blueprint.prefillOperations(tokens: row.tokens)
      let speed = operations / row.prefill * 1e-9
      let cells = [
        "\(row.tokens)", text(Double(row.tokens) / row.prefill), text(speed),
        text(speed / ((before + after) / 2), 3), text(1 / row.step),
      ]
      let stages = [
        text(row.prefillAttention / row.prefill, 2), text(row.stepAttention / row.step, 2),
      ]
      print((cells + (countsProcessorTime ? [] : stages)).joined(separator: "  "))
    }
    print("peak resident memory: \(peakResident)")
  }

  /// Seconds of a prefill, and of a decode step after it; NaN where the prompt fills the context.
  private struct Row {
    var tokens: Int
    var prefill: Double
    var prefillAttention: Double
    var step: Double
    var stepAttention: Double
  }

  private func measure(_ model: BlueprintDecoder, prompt length: Int) throws -> Row {
    let tokens = (0..<length).map {
      Int32($0 * 7919 % model.blueprint.vocabularySize)
    }
    var prefills: [Double] = []
    var attention: [Double] = []
    var steps: [Double] = []
    var stepAttention = Double.nan
    for repetition in 1...Self.repetitions {
      let session = AttentionSession(
        FullAttention(), shape: model.shape, workspace: model.workspace)
      var begin = now
      var decoder = try GreedyDecoder(model, attention: session, prompt: tokens)
      var token = decoder.choose()
      prefills.append(now - begin)
      attention.append(Double(session.times[.prefill]?.total ?? 0) * 1e-9)
      guard repetition == Self.repetitions else { continue }
      while steps.count < Self.decodeSteps,
        decoder.position < model.contextLength
      {
        begin = now
        try decoder.run(token)
        token = decoder.choose()
        steps.append(now - begin)
      }
      stepAttention =
        Double(session.times[.decode]?.total ?? 0) * 1e-9 / Double(steps.count)
    }
    return Row(
      tokens: length, prefill: median(prefills), prefillAttention: median(attention),
      step: median(steps), stepAttention: stepAttention)
  }

  private func sgemmRate() -> Double {
    var product = ReferenceProduct(size: 2048)
    product.multiply(threads: threads)
    let times = (0..<10).map { _ in
      let begin = now
      product.multiply(threads: threads)
      return now - begin
    }
    return 2 * 2048 * 2048 * 2048 / median(times) * 1e-9
  }

  /// Seconds on the chosen clock.
  private var now: Double {
    if countsProcessorTime { return Double(clock()) / Double(CLOCKS_PER_SEC) }
    return Double(DispatchTime.now().uptimeNanoseconds) * 1e-9
  }

  private func median(_ values: [Double]) -> Double {
    values.isEmpty ? .nan : values.sorted()[values.count / 2]
  }

  private func text(_ value: Double, _ decimals: Int = 1) -> String {
    String(format: "%.\(decimals)f", value)
  }

  /// Linux's high-water mark of this process, such as "262144 kB".
  private var peakResident: String {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return line.map { $0.dropFirst(6).trimmingCharacters(in: .whitespaces) } ?? "unknown"
  }
}

try EngineBench(CommandLine.arguments.dropFirst()).run()
