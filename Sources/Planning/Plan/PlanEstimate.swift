import Attention
import Calibration
import JSON
import Records
import Tasks
import Tensors

/// What running cells will take on a machine: seconds (``GroupWork``) and bytes, cell by cell and together.
public struct PlanEstimate: Sendable, Hashable {
  public struct Cell: Sendable, Hashable {
    /// Its own passes, and its part of those that its group shares.
    public var seconds = 0.0
    /// The process's high-water mark while its own pass runs, or the dense one with all that stand beside it.
    public var peakBytes = 0
  }

  /// By identity; cells that lack nothing are absent.
  public private(set) var cells: [String: Cell] = [:]
  /// Wall-clock seconds of all cells.
  public private(set) var seconds = 0.0
  /// The process's high-water mark, which one cell or a dense pass with all strategies beside it sets.
  public private(set) var peakBytes = 0

  /// A model is loaded, and texts are cut into tokens, once a group.
  private static let secondsToPrepare = 0.5

  /// - Parameter missing: what a cell still lacks; by default all that the spec asks for.
  public init(
    of cells: [PlannedCell], in checked: CheckedSpec, plan: ExperimentPlan,
    rates: MachineRates = .assumed, missing: ((PlannedCell) -> Set<ResultKind>)? = nil
  ) {
    let metrics = checked.spec.metrics
    let missing = missing ?? { _ in metrics }
    var calibrated: Set<[String]> = []
    for group in CellGroup.groups(of: cells) {
      guard let model = checked.models.first(where: { $0.digest == group.cell.modelDigest })
      else { continue }
      let open = group.cells.filter { !missing($0).isEmpty }
      guard !open.isEmpty else { continue }
      let work = GroupWork(
        of: group, model: model, strategies: plan.strategies, warmups: checked.spec.warmups,
        repeats: checked.spec.repeats, rates: rates, missing: missing)
      let length = group.expectedLength
      let cost = PassCost(model, rates)
      let memory = PassMemory(model, tokens: Double(group.cell.contextLength))
      let beside = open.count { missing($0).contains(.approximation) }
      seconds += Self.secondsToPrepare
      for cell in open {
        let kinds = missing(cell)
        var own = Cell(
          seconds: work.seconds(
            of: cell.cell.identity, over: [length], count: group.sampleCount),
          peakBytes: max(
            memory.ofOwnPass(kinds),
            kinds.contains(.approximation) ? memory.ofDensePass(strategies: beside) : 0))
        for strategy in plan.strategies[cell.cell.identity]?.withParts ?? [] {
          guard
            let request = try? strategy.offlinePhase?.calibrationRequest(
              contextLength: model.contextLength)
          else { continue }
          let tokens = Double(request.tokens)
          if calibrated.insert([model.digest, request.corpus, "\(tokens)", strategy.name]).inserted
          {
            own.seconds += cost.calibration(tokens)
          }
        }
        self.cells[cell.cell.identity] = own
        seconds += own.seconds
        peakBytes = max(peakBytes, own.peakBytes)
      }
      peakBytes = max(peakBytes, memory.ofDensePass(strategies: beside))
    }
  }
}

extension CellGroup {
  /// Of its samples, before they are made.
  public var expectedLength: SampleLength {
    TaskRegistry.builtIn.expectedLength(
      of: cell.task, parameters: cell.taskParameters, contextLength: cell.contextLength)
  }
}

/// The process's high-water mark: the mapped file, the caches, eight rows of hidden size a token, and 100 MB for the program
/// and its tiles.
private struct PassMemory {
  private let rest: Double
  /// Keys and values of one cache: numbers.
  private let numbers: Double

  init(_ model: ModelFacts, tokens: Double) {
    let shape = model.shape
    let held = shape.geometry.reduce(0) { $0 + min(tokens, $1.window.map(Double.init) ?? tokens) }
    numbers = held * Double(shape.kvHeads) * Double(shape.headDimension) * 2
    rest =
      Double(model.size.fileBytes) + (model.synthetic?.inputBytes(tokens: tokens) ?? 0)
      + 4 * tokens * 8 * Double(model.size.hiddenSize) + 100e6
  }

  /// Beside errors stand the exact cache (4 bytes a number) and the dense one of the strategy's format (2).
  func ofOwnPass(_ kinds: Set<ResultKind>) -> Int {
    bytes(perNumber: kinds.contains(.approximation) ? 8 : 2)
  }

  /// Strategies hold about half of what they see.
  func ofDensePass(strategies: Int) -> Int {
    bytes(perNumber: strategies > 0 ? 6 + Double(strategies) : 2)
  }

  /// A file may claim any context length; no process has more than this.
  private func bytes(perNumber: Double) -> Int { Int(min(rest + perNumber * numbers, 1e18)) }
}
