import Kernels
import Threads

/// What strategies and the framework share for one forward pass: the program's threads and one attention kernel.
///
/// Not `Sendable`: a forward pass has one owner.
public final class Workspace {
  public let workers: WorkerPool
  public private(set) var kernel: AttentionKernel

  public init(workers: WorkerPool) {
    self.workers = workers
    kernel = AttentionKernel(workers: workers)
  }

  /// Gives back the memory that the attention kernel kept for its next call.
  public func releaseScratch() { kernel = AttentionKernel(workers: workers) }
}
