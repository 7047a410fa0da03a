/// All that is stored of one experiment, as reports read it: plain values, each cell with its newest figures.
public struct ExperimentResults: Codable, Sendable, Hashable {
  public var experiment: ExperimentRecord
  /// The runs behind the figures and every run of the experiment itself, oldest first.
  public var runs: [StoredRun]
  /// In the order of the plan.
  public var rows: [ComparisonRow]
  /// Oldest first; each holds this experiment's cells only and is the newest group of at least one of them.
  public var timingGroups: [StoredTimingGroup]
  /// Calibrations of the experiment's models for its strategies, the newest of each identity.
  public var calibrations: [CalibrationRecord]

  public init(
    experiment: ExperimentRecord, runs: [StoredRun], rows: [ComparisonRow],
    timingGroups: [StoredTimingGroup] = [], calibrations: [CalibrationRecord] = []
  ) {
    self.experiment = experiment
    self.runs = runs
    self.rows = rows
    self.timingGroups = timingGroups
    self.calibrations = calibrations
  }
}

/// One cell of an experiment with everything that is known of it besides times.
public struct ComparisonRow: Codable, Sendable, Hashable {
  /// The model's name is the one that this experiment uses.
  public var planned: PlannedCell
  /// The figures of the `comparison` view; absent where there is none.
  public var figures: [ComparisonColumn: Double]
  /// How its bytes stand to the mean that its budget asks for; nil where none does.
  public var matchStatus: MatchStatus?
  /// What is stored, and the newest run that stored it.
  public var kinds: [ResultKind: Int64]
  public var heads: [HeadMeasurement]
  public var units: [ScoredUnit]
  /// By layer and KV head; empty where everything was kept, and where nothing is known of it.
  public var kept: [KeptTokens]
  /// Why the cell failed when it was last tried; nil if it did not or has been completed since.
  public var failure: StoredFailure?

  public init(
    planned: PlannedCell, figures: [ComparisonColumn: Double] = [:],
    matchStatus: MatchStatus? = nil,
    kinds: [ResultKind: Int64] = [:], heads: [HeadMeasurement] = [], units: [ScoredUnit] = [],
    kept: [KeptTokens] = [], failure: StoredFailure? = nil
  ) {
    self.planned = planned
    self.figures = figures
    self.matchStatus = matchStatus
    self.kinds = kinds
    self.heads = heads
    self.units = units
    self.kept = kept
    self.failure = failure
  }

  public subscript(column: ComparisonColumn) -> Double? { figures[column] }

  /// True for the dense cell that the others are compared with.
  public var isFull: Bool { planned.fullIdentity == planned.cell.identity }
}

/// A run as it was recorded. Times are ISO 8601 in UTC.
public struct StoredRun: Codable, Sendable, Hashable {
  /// Its number in the file that it was read from.
  public var id: Int64
  /// What tells it from every other run, in whatever file.
  public var identity: String
  /// What tells its machine from others: a digest of the facts that times depend on.
  public var machine: String
  public var experiment: String
  public var startedAt: String
  /// Nil while it goes on, and for a run that was killed.
  public var endedAt: String?
  public var ending: RunEnding?
  public var provenance: Provenance

  public init(
    id: Int64, identity: String = "", machine: String = "", experiment: String, startedAt: String,
    endedAt: String?, ending: RunEnding?, provenance: Provenance
  ) {
    self.id = id
    self.identity = identity
    self.machine = machine
    self.experiment = experiment
    self.startedAt = startedAt
    self.endedAt = endedAt
    self.ending = ending
    self.provenance = provenance
  }
}

public struct StoredTimingGroup: Codable, Sendable, Hashable {
  public var id: Int64
  public var run: Int64
  public var group: TimingGroup

  public init(id: Int64, run: Int64, group: TimingGroup) {
    self.id = id
    self.run = run
    self.group = group
  }
}

public struct StoredFailure: Codable, Sendable, Hashable {
  public var run: Int64
  public var reason: String

  public init(run: Int64, reason: String) {
    self.run = run
    self.reason = reason
  }
}
