import Attention
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
///     let report = try StrategyChecker(CheckedStrategy(StreamingLLM.self)).run()
///     print(report)      // and report.passes
public struct StrategyChecker {
  public let strategy: CheckedStrategy
  public let seed: Int
  /// Told of each case before it runs.
  public var willRun: ((CheckCase) -> Void)?
  /// One thread, and more threads than most cases have heads to share out.
  let workspace: Workspace
  let threadedWorkspace: Workspace

  /// Throws if the system refuses threads.
  public init(_ strategy: CheckedStrategy, seed: Int = 1) throws(WorkerPoolError) {
    self.strategy = strategy
    self.seed = seed
    workspace = Workspace(workers: WorkerPool())
    threadedWorkspace = Workspace(workers: try WorkerPool(threadCount: 3))
  }

  /// All cases.
  public func run() -> CheckReport {
    run(CasePlan(strategy: strategy, seed: seed).cases)
  }

  /// One case again, such as a report's first failing one.
  public func check(_ checkCase: CheckCase) -> CheckReport { run([checkCase]) }

  private func run(_ cases: [CheckCase]) -> CheckReport {
    guard let first = cases.first else {
      preconditionFailure("StrategyChecker: no cases for \(strategy.description.name)")
    }
    var log = CheckLog(first)
    var declaresLookingAhead = false
    var lookedAhead = false
    for checkCase in cases {
      willRun?(checkCase)
      log.begin(checkCase)
      guard let subject = subject(of: checkCase, log: &log) else { continue }
      let original = subject.play()
      checkAttention(subject, original, log: &log)
      checkCache(subject, original, log: &log)
      checkBudget(subject, original, log: &log)
      checkRepetition(subject, original, log: &log)
      checkSeparation(subject, original, log: &log)
      if subject.description.selectionLooksAhead { declaresLookingAhead = true }
      if checkCausality(subject, original, log: &log) { lookedAhead = true }
    }
    if declaresLookingAhead && cases.count > 1 {
      log.look(at: .declaresLookingAhead)
      if !lookedAhead {
        log.fail(
          .declaresLookingAhead,
          "selectionLooksAhead is declared, but no later token changed an earlier output in any case"
        )
      }
    }
    return log.report(strategy: strategy.description.name, seed: seed)
  }

  /// The strategy made for a case; nil, and noted, if it refuses the parameters.
  private func subject(of checkCase: CheckCase, log: inout CheckLog) -> CheckSubject? {
    guard checkCase.isValid else {
      log.refuse("the case describes no sequence that can be checked")
      return nil
    }
    do {
      let session = try strategy.makeSession(checkCase.parameters, checkCase.shape, workspace)
      guard let session = session as? any RepeatableSession else {
        log.refuse("its session is no AttentionSession, so its selections cannot be seen")
        return nil
      }
      return CheckSubject(
        checkCase: checkCase, description: strategy.describe(checkCase.parameters),
        session: session,
        workspace: workspace,
        sequence: SyntheticSequence(
          shape: checkCase.shape, tokens: checkCase.tokens, seed: checkCase.seed))
    } catch {
      log.refuse("\(error)")
      return nil
    }
  }
}

/// One strategy value, the same for all runs of a case, and the sequence that it is shown.
struct CheckSubject {
  let checkCase: CheckCase
  let description: StrategyDescription
  let session: any RepeatableSession
  let workspace: Workspace
  let sequence: SyntheticSequence

  var shape: AttentionShape { sequence.shape }
  var promptTokens: Int { checkCase.promptTokens }

  /// What the strategy decided in a run, what came out, and the session as it was left.
  struct Original {
    let decisions: [RecordedDecision]
    let transcript: Transcript
    let session: any StrategySession
  }

  /// The sequence, step by step, with the decisions taken down.
  func play() -> Original {
    let recorder = DecisionRecorder()
    let recorded = session.begunAgain(in: workspace, recorder: recorder)
    var player = SequencePlayer(recorded, sequence)
    let transcript = player.finish(prompt: promptTokens)
    return Original(
      decisions: recorder.decisions, transcript: transcript, session: recorded)
  }

  /// Another sequence, or the same on other threads or in larger steps, by the same strategy value.
  func play(
    _ other: SyntheticSequence, in otherWorkspace: Workspace? = nil, together: Bool = false
  ) -> Transcript {
    var player = SequencePlayer(session.begunAgain(in: otherWorkspace ?? workspace), other)
    return player.finish(prompt: promptTokens, together: together)
  }

  func changed(_ change: SyntheticSequence.Change) -> SyntheticSequence {
    SyntheticSequence(
      shape: shape, tokens: checkCase.tokens, seed: checkCase.seed, change: change)
  }
}
