import CPUCheck

/// The instruction sets that this module was compiled for: those of the machine that built it, or of the one that it was
/// built for.
public enum InstructionSets {
  /// Their names, such as "avx2"; none that every CPU of the architecture has.
  public static var compiledFor: [String] { names(of: cpu_check_compiled_for()) }

  /// Those that this CPU has.
  static var present: [String] { names(of: cpu_check_present()) }

  private static func names(of sets: UInt32) -> [String] {
    (0..<UInt32.bitWidth).compactMap { bit in
      cpu_check_name(sets & 1 << bit).map { String(cString: $0) }
    }
  }

  /// The first one that this CPU lacks, such as "avx512f", or nil when the kernels can run here.
  ///
  /// Ask before anything else of this module runs: without the instruction set the process would be
  /// killed by an illegal instruction.
  public static var missing: String? {
    cpu_check_missing(cpu_check_compiled_for()).map { String(cString: $0) }
  }
}
