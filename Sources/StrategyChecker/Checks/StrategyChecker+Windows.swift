import Attention
import Tensors

/// Layers with a window of their own beside those that the strategy acts on.
extension StrategyChecker {
  /// Shorter than nearly all prompts, and no multiple of a block.
  private static let window = 13

  func checkWindows(
    _ subject: CheckSubject, _ original: CheckSubject.Original, log: inout CheckLog
  ) {
    // Longer prompts show nothing that shorter ones do not.
    guard subject.promptTokens <= 100 else { return }
    log.look(at: .windowsStandApart)
    let mixed = subject.sequence.withWindows(of: Self.window)
    func play(_ strategy: any AttentionStrategy) -> Transcript {
      var player = SequencePlayer(
        AttentionSession(
          strategy, shape: mixed.shape, workspace: subject.workspace,
          cache: subject.checkCase.cache), mixed)
      return player.finish(prompt: subject.promptTokens)
    }
    let run = play(subject.strategy)
    let plain = play(FullAttention())
    for layer in 0..<subject.shape.layers {
      if run.outputs[2 * layer + 1].elements != original.transcript.outputs[layer].elements {
        log.fail(
          .windowsStandApart,
          "beside layers with a window, the output of the global layer \(layer) is another")
      }
      let (found, wanted) = (run.outputs[2 * layer], plain.outputs[2 * layer])
      // A coarse look rounds the queries of these layers, too, though it reads them whole.
      let isSame =
        original.session.readsCoarsely
        ? Self.isClose(found, wanted, exactRows: subject.promptTokens)
        : found.elements == wanted.elements
      if !isSame {
        log.fail(
          .windowsStandApart,
          "the output of a layer with a window of \(Self.window) tokens is not attention within it")
      }
    }
  }

  private static func isClose(_ found: Matrix, _ wanted: Matrix, exactRows: Int) -> Bool {
    let largest = wanted.elements.reduce(0) { max($0, abs($1)) }
    let tolerance = Float(coarseTolerance(readsWholeAbove: 0))
    return wanted.elements.indices.allSatisfy { index in
      index < exactRows * wanted.columns
        ? found.elements[index] == wanted.elements[index]
        : abs(found.elements[index] - wanted.elements[index]) <= tolerance * largest
    }
  }
}
