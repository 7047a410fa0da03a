import Kernels
import Synchronization
import Threads

/// What strategies and the framework share for one forward pass: the program's threads and one
/// attention kernel.
///
/// Not `Sendable`: a forward pass has one owner.
public final class Workspace {
  public let workers: WorkerPool
  public private(set) var kernel: AttentionKernel
  /// The first fault reported since one was last taken.
  private let fault = Mutex<String?>(nil)

  public init(workers: WorkerPool) {
    self.workers = workers
    kernel = AttentionKernel(workers: workers)
  }

  /// Frees the memory that the attention kernel keeps for its next call.
  public func releaseScratch() { kernel = AttentionKernel(workers: workers) }

  /// May be called from several threads.
  func report(_ text: String) { fault.withLock { $0 = $0 ?? text } }

  func takeFault() -> String? {
    fault.withLock { fault in
      defer { fault = nil }
      return fault
    }
  }
}
