import CMemory
import Synchronization

/// The scratch memory of all kernels in the program.
public enum ScratchMemory {
  static let total = Atomic<Int>(0)

  /// Bytes of scratch that are allocated now.
  public static var allocatedBytes: Int { total.load(ordering: .relaxed) }

  /// Returns freed memory to the system, so that resident memory counts what is in use.
  /// Does nothing where the C library has no way to ask for it.
  public static func returnFreedMemory() {
    return_freed_memory()
  }

  /// Keeps at most 16 MB of freed memory, so that the peak of a long prompt is what it needs. To be
  /// called once, before anything large is allocated.
  public static func limitFreedMemory() {
    limit_freed_memory(1 << 24)
  }
}
