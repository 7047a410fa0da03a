import Experiments

/// The peers of a run, ready to be measured.
struct PeerSet {
  private let llama: LlamaBench?
  private let files: LlamaModelFiles?
  private let python: PyTorchPeer?
  private let model: LoadedModel
  /// By name: a version, or why there is none.
  let versions: [String: String]

  init(_ arguments: [PeerArgument], model: LoadedModel, threads: Int) {
    self.model = model
    let llamaPath = arguments.last { $0.kind == .llamaCpp }?.path
    llama = llamaPath.map { LlamaBench(path: $0, threads: threads) }
    files = llamaPath.map { LlamaModelFiles(model: model.path, beside: $0) }
    python = arguments.last { $0.kind == .pyTorch }
      .map { PyTorchPeer(python: $0.path, threads: threads) }
    var versions = ["llama.cpp": "not given", "PyTorch": "not given"]
    if let llama { versions["llama.cpp"] = "\(llama.version()) at \(llama.path)" }
    if let python {
      do { versions["PyTorch"] = "\(try python.version()) at \(python.python)" } catch {
        versions["PyTorch"] = error.description
      }
    }
    self.versions = versions
  }

  /// llama.cpp on one of the model's files, in tokens per second.
  ///
  /// - Parameter type: "same" for the file that this program runs, or "F16", "Q4_0".
  func llamaCpp(
    _ type: String, _ test: LlamaBench.Test, target: Double?, warmsUp: Bool
  ) -> PeerMeasure {
    let name = type == "same" ? "llama.cpp, same file" : "llama.cpp \(type)"
    guard let llama, let files else {
      return PeerMeasure(name, target: target, problem: "not given; --against llama.cpp=PATH")
    }
    return PeerMeasure(name, target: target) {
      try llama.rates(test, model: files.path(type), repetitions: 1, warmsUp: warmsUp)
    }
  }

  /// PyTorch, in what `rate` makes of seconds.
  func pyTorch(
    _ work: PyTorchPeer.Work, tokens: Int, name: String, target: Double?,
    rate: @escaping (Double) -> Double
  ) -> PeerMeasure {
    guard let python else {
      return PeerMeasure(name, target: target, problem: "not given; --against pytorch=PYTHON")
    }
    let blueprint = model.blueprint
    return PeerMeasure(name, target: target) {
      try python.seconds(work, tokens: tokens, blueprint: blueprint, repetitions: 1)
        .map(rate)
    }
  }
}

/// A peer at one piece of work, measured round by round.
struct PeerMeasure {
  private let name: String
  private let target: Double?
  private var samples: [Double] = []
  private var problem: String?
  private let body: () throws -> [Double]

  init(
    _ name: String, target: Double?, problem: String? = nil,
    _ body: @escaping () throws -> [Double] = { [] }
  ) {
    self.name = name
    self.target = target
    self.problem = problem
    self.body = body
  }

  /// One more round, unless the peer has failed before: half of its samples would compare with another machine.
  mutating func measure() {
    guard problem == nil else { return }
    do { samples += try body() } catch { problem = "\(error)" }
  }

  var reference: BenchReference {
    if let problem { return BenchReference(name, value: nil, target: target, problem: problem) }
    return BenchReference(name, samples: samples, target: target)
  }
}
