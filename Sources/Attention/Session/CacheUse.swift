/// What the caches of a sequence hold as it goes on, in bytes: after the prompt, at every decode step,
/// and at most.
///
/// A step's bytes are those while its token attends, its own included, as if steps were taken one by
/// one, however many went through a layer together.
public struct CacheUse: Sendable, Hashable {
  /// What is allocated (with what the strategy keeps beside the tokens), and what the tokens held
  /// need of it.
  public struct Bytes: Sendable, Hashable {
    public var resident = 0
    public var logical = 0

    static func += (left: inout Bytes, right: Bytes) {
      left.resident += right.resident
      left.logical += right.logical
    }

    /// Either figure's larger value.
    func maximum(_ other: Bytes) -> Bytes {
      Bytes(resident: max(resident, other.resident), logical: max(logical, other.logical))
    }
  }

  /// The layers that attend globally, and those with a window of their own.
  public struct Moment: Sendable, Hashable {
    public var global = Bytes()
    public var windows = Bytes()

    public var total: Bytes {
      var total = global
      total += windows
      return total
    }

    mutating func add(_ bytes: Bytes, isWindow: Bool) {
      if isWindow { windows += bytes } else { global += bytes }
    }
  }

  /// After the prompt and its compaction.
  public private(set) var afterPrompt = Moment()
  /// By decode step.
  public private(set) var steps: [Moment] = []
  /// The most at any time of the prompt: the layer at work holds all of it, those before it what they
  /// kept.
  private var promptPeak = Bytes()
  private var firstStep: Int?

  /// The most at any time.
  public var peak: Bytes {
    steps.reduce(promptPeak) { $0.maximum($1.total) }
  }

  /// At the end: at the last step, or after the prompt where none follows.
  public var final: Moment { steps.last ?? afterPrompt }

  /// The mean over decode steps; nil without any.
  public func meanOfSteps(_ bytes: (Moment) -> Int) -> Double? {
    guard !steps.isEmpty else { return nil }
    return Double(steps.reduce(0) { $0 + bytes($1) }) / Double(steps.count)
  }

  /// A layer of the prompt is done.
  mutating func notePrompt(whole: Bytes, kept: Bytes, isWindow: Bool) {
    var now = afterPrompt.total
    now += whole
    promptPeak = promptPeak.maximum(now)
    afterPrompt.add(kept, isWindow: isWindow)
  }

  /// A layer has taken the step of the token at `position`.
  mutating func noteStep(at position: Int, _ bytes: Bytes, isWindow: Bool) {
    let first = firstStep ?? position
    firstStep = first
    while steps.count <= position - first { steps.append(Moment()) }
    steps[position - first].add(bytes, isWindow: isWindow)
  }
}
