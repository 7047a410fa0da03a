import Attention
import Tasks
import Transformer

/// What follows the prompt of each sample, found out once for all oracles that read it: a run of full attention.
package final class FutureShelf {
  private let model: any DecoderModel
  private let samples: [TaskSample]
  private let makeFull: () -> AttentionSession
  private let checkpoint: () throws -> Void
  private var futures: [Int: FutureAttention] = [:]

  package init(
    model: any DecoderModel, samples: [TaskSample],
    makeFull: @escaping () -> AttentionSession,
    checkpoint: @escaping () throws -> Void = {}
  ) {
    self.model = model
    self.samples = samples
    self.makeFull = makeFull
    self.checkpoint = checkpoint
  }

  /// The session, told what follows the prompt of the sample with this place if it has to be.
  ///
  /// Throws where nothing can follow: an oracle would have nothing to go by.
  func telling(_ session: AttentionSession, of sample: Int) throws -> AttentionSession {
    if session.readsFuture { session.foresee(try future(of: sample)) }
    return session
  }

  private func future(of index: Int) throws -> FutureAttention {
    if let known = futures[index] { return known }
    let sample = samples[index]
    guard sample.hasDecodeSteps else {
      throw RunError.nothingFollowsThePrompt
    }
    let recorder = FutureRecorder(makeFull())
    _ = try SamplePass(model: model, sample: sample, checkpoint: checkpoint).run(
      attention: recorder)
    futures[index] = recorder.future
    return recorder.future
  }
}

extension TaskSample {
  /// Whether a query comes after the prompt.
  var hasDecodeSteps: Bool { !lateTokens.isEmpty || forced.count > 1 || greedyTokens > 1 }
}
