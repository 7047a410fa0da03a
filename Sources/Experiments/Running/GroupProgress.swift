import Kernels
import Planning
import Records
import Tasks

/// How far a group of cells is: the pass that goes on, as far as it has been told, and what of the group's planned work
/// is behind.
final class GroupProgress {
  private unowned let runner: ExperimentRunner
  private let title: String
  private var work: GroupWork?
  private var lengths: [SampleLength] = []
  private var layers = 1
  private var total = 0.0
  private var pass: WatchedPass

  private struct WatchedPass {
    var step: RunStep
    /// What it takes over one sample, as planned.
    var cost: (SampleLength) -> GroupWork.Pass? = { _ in nil }
    var sample: Int?
    /// Of the sample in progress, what has not been counted as done.
    var owed = 0.0
    var decoded = 0
    /// When the phase began, and when something was told last.
    var began = ContinuousClock.now
    var last = ContinuousClock.now
  }

  /// Begins with the model's loading.
  init(of title: String, in runner: ExperimentRunner) {
    self.runner = runner
    self.title = title
    pass = WatchedPass(step: RunStep(.loading, group: title))
    tell()
  }

  /// What the group will take, once its samples are made; nil where nothing is known of its model.
  func plan(_ work: GroupWork?, over lengths: [SampleLength], layers: Int) {
    self.work = work
    self.lengths = lengths
    self.layers = layers
    total = work?.seconds(over: lengths) ?? 0
  }

  var step: RunStep { pass.step }

  func tell() { runner.tell(step) }

  // MARK: Passes

  /// Names the pass that begins.
  func begin(
    _ label: String, _ phase: RunStep.Phase = .prefill, place: String = "",
    cost: @escaping (SampleLength) -> GroupWork.Pass? = { _ in nil }
  ) {
    settle()
    pass = WatchedPass(step: RunStep(phase, of: label, place: place, group: title), cost: cost)
    tell()
  }

  func beginDensePass() { begin("dense pass") { [work] in work?.densePass(over: $0) } }

  func beginOwnPass(of cell: PlannedCell, isDone: Bool = false) {
    begin(cell.label) { [work] in
      isDone ? nil : work?.ownPass(of: cell.cell.identity, over: $0)
    }
  }

  /// A timed pass is not watched: it is counted when it is settled.
  func beginTiming(of cell: PlannedCell, _ place: String) {
    begin(cell.label, .timing, place: place)
    pass.owed = work?.timedPass(of: cell.cell.identity, over: lengths[0]) ?? 0
  }

  /// What came before a cell's own pass is done.
  func prepared(_ cell: PlannedCell) {
    add(work?.preparation(of: cell.cell.identity, over: lengths) ?? 0)
    tell()
  }

  /// Counts what is left of a sample that is over: an answer may end early.
  func settle() {
    add(pass.owed)
    pass.owed = 0
  }

  private func add(_ seconds: Double) { runner.progress.add(seconds / max(total, 1e-9)) }

  // MARK: Inside a pass

  func note(_ progress: QualityPass.SampleProgress, ofSample index: Int) {
    let length = lengths[index]
    let cost = pass.cost(length) ?? GroupWork.Pass()
    if pass.sample != index {
      settle()
      pass.sample = index
      pass.owed = cost.seconds
      pass.decoded = 0
      pass.began = pass.last
      pass.step.phase = .prefill
      pass.step.place = "sample \(index + 1) of \(lengths.count)"
    }
    let now = ContinuousClock.now
    let amount: Double
    let tokens: Double
    switch progress {
    case .layers(let count):
      amount = cost.prompt / Double(layers)
      tokens = Double(length.prompt) * Double(count) / Double(layers)
    case .decoded(let count):
      if pass.step.phase == .prefill {
        pass.step.phase = .decode
        pass.began = pass.last
      }
      amount = cost.rest * Double(count - pass.decoded) / Double(max(1, length.decoded))
      pass.decoded = count
      tokens = Double(count)
    }
    let counted = min(amount, pass.owed)
    pass.owed -= counted
    pass.last = now
    let seconds = (now - pass.began).seconds
    pass.step.tokensPerSecond = seconds > 0 ? tokens / seconds : nil
    add(counted)
    tell()
  }
}
