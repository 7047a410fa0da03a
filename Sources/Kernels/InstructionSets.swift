import CPUCheck

/// The instruction sets that this module was compiled for (`-march=native`).
public enum InstructionSets {
  /// The first one that this CPU lacks, such as "avx512f", or nil when the kernels can run here.
  ///
  /// Ask before anything else of this module runs: without the instruction set the process would be
  /// killed by an illegal instruction.
  public static var missing: String? {
    cpu_check_missing(cpu_check_compiled_for()).map { String(cString: $0) }
  }
}
