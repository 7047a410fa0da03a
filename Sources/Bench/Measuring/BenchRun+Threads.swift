import Attention
import Experiments
import Threads

extension BenchRun {
  /// What all threads give over one, each in turn with the other.
  func threadRows() throws -> [BenchRow] {
    guard wants(.threadsPrefill2048, .threadsDecode0) else { return [] }
    let alone = try BenchRun(
      model: LoadedModel(
        name: model.name, path: model.path,
        workspace: Workspace(workers: WorkerPool(threadCount: 1))),
      rows: [], peers: [], repeats: repeats, environment: environment, report: { _ in })
    var measured: [BenchRow] = []
    if wants(.threadsPrefill2048) {
      let text = try prompt(2048)
      let ratios = try (0..<repeats).map { round in
        tell("one thread and all, prefill of 2,048 tokens, repeat \(round + 1) of \(repeats)")
        let one = try alone.timed(text, decodeTokens: 0, session: alone.makeFull())
        let all = try timed(text, decodeTokens: 0, session: makeFull())
        return one.timeToFirstToken / all.timeToFirstToken
      }
      measured.append(
        BenchRow(
          .threadsPrefill2048, samples: ratios,
          references: [
            BenchReference("threads", value: Double(workers.threadCount), target: 0.9)
          ]))
    }
    if wants(.threadsDecode0) {
      let text = try prompt(1)
      let ratios = try (0..<repeats).compactMap { round -> Double? in
        tell("one thread and all, 64 tokens, repeat \(round + 1) of \(repeats)")
        let one = try alone.timed(text, decodeTokens: 64, session: alone.makeFull())
        let all = try timed(text, decodeTokens: 64, session: makeFull())
        guard let first = one.decodeRate, let second = all.decodeRate else { return nil }
        return second / first
      }
      tell("memory bandwidth of one thread and of all")
      let bandwidths = zip(Self.bandwidth(workers), Self.bandwidth(alone.workers)).map { $0 / $1 }
      measured.append(
        BenchRow(
          .threadsDecode0, samples: ratios,
          references: [
            BenchReference("bandwidth of all over one", samples: bandwidths, target: 0.9)
          ]
        ))
    }
    return measured
  }
}
