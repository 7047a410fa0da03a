import Attention
import JSON
import Records
import Tensors
import Threads

/// Runs one strategy through the invariants of `docs/measurement.md` on made-up sequences.
///
/// Everything follows from the seed: cases cross prompt lengths around the borders of blocks and windows with groups of
/// 1, 3 and 8 query heads, head dimensions of whole and broken vectors, and parameters worked out from the strategy's
/// description (small sizes, each option in turn, each form of budget, everything kept). A strategy that traps ends the
/// program; `willRun` names the case before.
///
///     let report = try StrategyChecker(StreamingLLM.self).run()
///     print(report)      // and report.passes
public struct StrategyChecker {
  public let entry: StrategyEntry
  public let seed: Int
  /// Told of each case before it runs.
  public var willRun: ((CheckCase) -> Void)?
  /// One thread, and more threads than most cases have heads to share out.
  let workspace: Workspace
  let threadedWorkspace: Workspace

  /// Throws if the system refuses threads.
  public init(_ entry: StrategyEntry, seed: Int = 1) throws(WorkerPoolError) {
    self.entry = entry
    self.seed = seed
    workspace = Workspace(workers: WorkerPool())
    threadedWorkspace = Workspace(workers: try WorkerPool(threadCount: 3))
  }

  /// Of a strategy that need not be registered.
  public init(_ type: (some AttentionStrategy).Type) throws(WorkerPoolError) {
    try self.init(StrategyEntry(type))
  }

  /// All cases.
  public func run() -> CheckReport { run(CasePlan(entry: entry, seed: seed).cases) }

  /// One case again, such as a report's first failing one.
  public func check(_ checkCase: CheckCase) -> CheckReport { run([checkCase]) }

  private func run(_ cases: [CheckCase]) -> CheckReport {
    guard let first = cases.first else {
      preconditionFailure("StrategyChecker: no cases for \(entry.description.name)")
    }
    var log = CheckLog(first)
    for checkCase in cases {
      willRun?(checkCase)
      log.begin(checkCase)
      guard let subject = subject(of: checkCase, log: &log) else { continue }
      if !check(subject, log: &log) { log.isPartial = true }
    }
    if cases.count > 1 && !log.isPartial { checkDeclarations(&log) }
    return log.report(strategy: entry.description.name, seed: seed)
  }

  /// False if it was left early, since what else fails would only follow from what did.
  private func check(_ subject: CheckSubject, log: inout CheckLog) -> Bool {
    let original = subject.play()
    guard checkAnswers(subject, original, log: &log) else { return false }
    checkAttention(subject, original, log: &log)
    checkCache(subject, original, log: &log)
    checkBudget(subject, original, log: &log)
    guard checkRepetition(subject, original, log: &log) else { return false }
    checkSteps(subject, original, log: &log)
    checkSeparation(subject, original, log: &log)
    checkWindows(subject, original, log: &log)
    checkCausality(subject, original, log: &log)
    checkState(subject, log: &log)
    return true
  }

  /// The strategy made for a case; nil, and noted, if it refuses the parameters.
  private func subject(of checkCase: CheckCase, log: inout CheckLog) -> CheckSubject? {
    guard checkCase.isValid else {
      log.refuse("the case describes no sequence that can be checked")
      return nil
    }
    do {
      return CheckSubject(
        checkCase, try configure(checkCase),
        SyntheticSequence(
          shape: checkCase.shape, tokens: checkCase.tokens, seed: checkCase.seed),
        workspace: workspace)
    } catch {
      log.refuse("\(error)")
      return nil
    }
  }

  /// The strategy with the parameters of a case, or with others.
  func configure(
    _ checkCase: CheckCase, parameters: JSONValue? = nil
  ) throws(ConfigurationError) -> ConfiguredStrategy {
    let configured = try entry.configure(
      parameters ?? checkCase.parameters, cache: checkCase.cache)
    try configured.check(promptTokens: checkCase.promptTokens, shape: checkCase.shape)
    return configured
  }
}

/// One strategy value, the same for all runs of a case, and the sequence that it is shown.
struct CheckSubject {
  let checkCase: CheckCase
  let configured: ConfiguredStrategy
  let workspace: Workspace
  let sequence: SyntheticSequence
  /// By layer, what the cache holds of the sequence.
  let rows: [HeldRows]

  init(
    _ checkCase: CheckCase, _ configured: ConfiguredStrategy, _ sequence: SyntheticSequence,
    workspace: Workspace
  ) {
    self.checkCase = checkCase
    self.configured = configured
    self.workspace = workspace
    self.sequence = sequence
    rows = zip(sequence.keys, sequence.values).map { keys, values in
      HeldRows(
        checkCase.cache, shape: sequence.shape, keys: keys, values: values,
        prompt: checkCase.promptTokens)
    }
  }

  var strategy: any AttentionStrategy { configured.forPrompt(of: promptTokens, shape: shape) }
  var description: StrategyDescription { strategy.description }
  var shape: AttentionShape { sequence.shape }
  var promptTokens: Int { checkCase.promptTokens }

  /// What the strategy decided in a run, what came out, and the session as it was left.
  struct Original {
    var decisions: [RecordedDecision] = []
    /// Where a scorer ranked a token by NaN first.
    var unrankedToken: String?
    let transcript: Transcript
    let session: AttentionSession
  }

  /// A session that begins; by the same strategy value, so that what a strategy hides in it is found.
  func begun(in other: Workspace? = nil) -> AttentionSession {
    AttentionSession(
      strategy, shape: shape, workspace: other ?? workspace, cache: checkCase.cache)
  }

  /// The sequence, step by step, with the decisions taken down.
  func play() -> Original {
    let session = begun()
    var decisions: [RecordedDecision] = []
    var unrankedToken: String?
    let ranking = strategy as? any Ranking
    session.observer = { view, decision, selections in
      decisions.append(RecordedDecision(view, decision, selections))
      if case .retaining = decision, unrankedToken == nil,
        selections.selections.contains(where: { !$0.isEverything })
      {
        unrankedToken = ranking?.unrankedToken(view)
      }
    }
    var player = SequencePlayer(session, sequence)
    let transcript = player.finish(prompt: promptTokens)
    session.observer = nil
    return Original(
      decisions: decisions, unrankedToken: unrankedToken, transcript: transcript, session: session)
  }

  /// Another sequence, or the same on other threads or in larger steps, by the same strategy value.
  func play(
    _ other: SyntheticSequence, in otherWorkspace: Workspace? = nil, together: Bool = false
  ) -> Transcript {
    var player = SequencePlayer(begun(in: otherWorkspace), other)
    return player.finish(prompt: promptTokens, together: together)
  }

  func changed(_ change: SyntheticSequence.Change) -> SyntheticSequence {
    SyntheticSequence(
      shape: shape, tokens: checkCase.tokens, seed: checkCase.seed, change: change)
  }
}
