import Synchronization

/// How much memory kernels hold for their own work, over the whole program.
public enum ScratchMemory {
  static let total = Atomic<Int>(0)

  /// Bytes of scratch that are allocated now.
  public static var allocatedBytes: Int { total.load(ordering: .relaxed) }
}
