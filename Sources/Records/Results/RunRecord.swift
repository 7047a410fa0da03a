import JSON

/// An experiment as its spec states it.
public struct ExperimentRecord: Codable, Sendable, Hashable {
  public var name: String
  public var question: String
  /// The spec file's text, as read.
  public var spec: String

  public init(name: String, question: String, spec: String) {
    self.name = name
    self.question = question
    self.spec = spec
  }

  /// The contrasts that the spec names as `primary`: pairs of strategy labels, the second against the first.
  public var primary: [PrimaryContrast] {
    let pairs = (try? JSONValue(parsing: spec))?["primary"]?.arrayValue ?? []
    return pairs.compactMap { pair in
      let labels = (pair.arrayValue ?? []).compactMap(\.stringValue)
      return labels.count == 2 ? PrimaryContrast(first: labels[0], second: labels[1]) : nil
    }
  }
}

/// Two strategies, by their labels, whose difference an experiment was made to find out.
public struct PrimaryContrast: Codable, Sendable, Hashable {
  public var first: String
  public var second: String

  public init(first: String, second: String) {
    self.first = first
    self.second = second
  }
}

/// Where results come from: program, machine, libraries, compiler.
public struct Provenance: Codable, Sendable, Hashable {
  public var programVersion: String
  /// `git describe` of the source that was built, `dirty` included; "unknown" outside a checkout.
  public var sourceState: String
  public var numericsVersion: Int
  public var operatingSystem: String
  public var cpu: String
  public var cores: Int
  public var memoryBytes: Int
  public var blas: String
  public var blasThreadsPerCall: Int
  public var threads: Int
  public var compiler: String
  public var compilerFlags: String
  public var dependencies: [String: String]

  public init(
    programVersion: String, sourceState: String, numericsVersion: Int, operatingSystem: String,
    cpu: String, cores: Int, memoryBytes: Int, blas: String, blasThreadsPerCall: Int,
    threads: Int, compiler: String, compilerFlags: String, dependencies: [String: String]
  ) {
    self.programVersion = programVersion
    self.sourceState = sourceState
    self.numericsVersion = numericsVersion
    self.operatingSystem = operatingSystem
    self.cpu = cpu
    self.cores = cores
    self.memoryBytes = memoryBytes
    self.blas = blas
    self.blasThreadsPerCall = blasThreadsPerCall
    self.threads = threads
    self.compiler = compiler
    self.compilerFlags = compilerFlags
    self.dependencies = dependencies
  }
}

/// A stored calibration: the configuration of every query head and the evidence behind it.
public struct CalibrationRecord: Codable, Sendable, Hashable {
  /// SHA-256 over model digest, corpus digest, length and the options that decide the evidence.
  public var identity: String
  public var strategy: String
  public var model: String
  public var modelDigest: String
  public var corpus: String
  public var corpusDigest: String
  public var tokens: Int
  /// The options that decide the evidence.
  public var options: JSONValue
  /// What the strategy's calibrator found, for every layer and head.
  public var evidence: JSONValue

  public init(
    identity: String, strategy: String, model: String, modelDigest: String, corpus: String,
    corpusDigest: String, tokens: Int, options: JSONValue, evidence: JSONValue
  ) {
    self.identity = identity
    self.strategy = strategy
    self.model = model
    self.modelDigest = modelDigest
    self.corpus = corpus
    self.corpusDigest = corpusDigest
    self.tokens = tokens
    self.options = options
    self.evidence = evidence
  }
}

/// How a run ended; a run without one is going on or was killed.
public enum RunEnding: String, Codable, Sendable, Hashable {
  case finished, interrupted
  /// All cells were tried; some failed.
  case withFailures
}

/// Where a run puts what it finds and looks up what is there already. One transaction a call.
public protocol ResultSink: AnyObject {
  /// Opens a run: registers the experiment, its cells with their labels, and the provenance.
  func beginRun(
    of experiment: ExperimentRecord, cells: [PlannedCell], provenance: Provenance
  ) throws -> Int64

  /// The kinds that are stored for each of these cells, by identity; those without any are absent.
  func storedKinds(of identities: [String]) throws -> [String: Set<ResultKind>]

  func store(_ results: CellResults, run: Int64) throws
  func store(_ group: TimingGroup, run: Int64) throws
  /// Says why a cell could not be measured, and which kinds of its results are missing for it.
  func storeFailure(
    of identity: String, kinds: Set<ResultKind>, reason: String, run: Int64) throws
  func endRun(_ run: Int64, as ending: RunEnding) throws

  /// The newest figure of a cell, for budgets that match another strategy's use.
  func storedMeasurement(
    _ name: String, statistic: String, setting: ErrorSetting?, phase: MeasuredPhase?,
    of identity: String
  ) throws -> Double?

  func storedCalibration(_ identity: String) throws -> CalibrationRecord?
  func store(_ calibration: CalibrationRecord) throws

  /// Takes cells for a run, so that no other process measures them meanwhile; what the run had taken before is free again.
  ///
  /// A run's end frees its cells, and so does the end of its process, whatever the cause.
  ///
  /// - Returns: nil, or who has one of the cells; none is taken then.
  func claim(_ identities: [String], run: Int64) throws -> ClaimHolder?
}

extension ResultSink {
  /// For sinks that one process uses.
  public func claim(_ identities: [String], run: Int64) -> ClaimHolder? { nil }
}

/// A run of another process that is at work on a cell.
public struct ClaimHolder: Sendable, Hashable {
  public var experiment: String
  public var run: Int64
  public var process: HoldingProcess

  public init(experiment: String, run: Int64, process: HoldingProcess) {
    self.experiment = experiment
    self.run = run
    self.process = process
  }
}

/// A process that is at work on a run, as messages name it: "process 7", or "process 7 of another container".
public struct HoldingProcess: Sendable, Hashable, CustomStringConvertible {
  /// As its own container counts.
  public var number: Int32
  /// Whether the number means this process here too.
  public var isInSight: Bool

  public init(number: Int32, isInSight: Bool) {
    self.number = number
    self.isInSight = isInSight
  }

  public var description: String {
    "process \(number)" + (isInSight ? "" : " of another container")
  }
}
