import Kernels

/// What strategies and the framework share for one forward pass: the program's threads and one attention kernel.
///
/// Not `Sendable`: a forward pass has one owner.
public final class Workspace {
  public let workers: WorkerPool
  public let kernel: AttentionKernel

  public init(workers: WorkerPool) {
    self.workers = workers
    kernel = AttentionKernel(workers: workers)
  }
}
