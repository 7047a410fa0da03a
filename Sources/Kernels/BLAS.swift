import COpenBLAS
import Foundation
import Threads

/// Matrix multiplication of OpenBLAS, one thread a call.
///
/// The program's threads are the ``WorkerPool``'s: each calls BLAS for its own tile. OpenBLAS's own
/// threads cost a third of the speed on tiles of an attention head, those of its OpenMP flavour
/// nearly all of it.
public enum BLAS {
  /// How OpenBLAS was built, such as "OpenBLAS 0.3.21 DYNAMIC_ARCH NO_AFFINITY Cooperlake
  /// MAX_THREADS=64".
  public static var configuration: String {
    useOneThread()
    return openblas_get_config().map { String(cString: $0).trimmed } ?? ""
  }

  /// The CPU that its chosen kernels are written for, such as "Cooperlake".
  public static var coreName: String {
    useOneThread()
    return openblas_get_corename().map { String(cString: $0).trimmed } ?? ""
  }

  /// The core whose kernels this CPU can run, where OpenBLAS fell back to those of 2004: it does so on CPUs that are
  /// newer than itself.
  static func betterCore(than chosen: String, having names: Set<String>) -> String? {
    guard chosen == "Prescott" else { return nil }
    if names.isSuperset(of: ["avx512f", "avx512bw", "avx512dq", "avx512vl"]) { return "SkylakeX" }
    return names.isSuperset(of: ["avx2", "fma"]) ? "Haswell" : nil
  }

  /// Starts the program anew, with the right kernels, where OpenBLAS took those for a CPU it doesn't know; it chooses
  /// before a program's first line. Returns where there is nothing to mend, or no way to.
  ///
  /// `OPENBLAS_CORETYPE` is left alone if it is set, and not passed on to programs that this one starts.
  public static func restartIfMisjudged() {
    #if os(Linux) && arch(x86_64)
      let (core, mark) = ("OPENBLAS_CORETYPE", "TCA_LAB_RESTARTED_FOR_OPENBLAS")
      if getenv(mark) != nil {
        unsetenv(core)
        unsetenv(mark)
        return
      }
      guard getenv(core) == nil,
        let better = betterCore(than: coreName, having: Set(InstructionSets.present))
      else { return }
      setenv(core, better, 1)
      setenv(mark, "1", 1)
      // Not through a loader that was given the program to run, which would be what is started.
      if let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"),
        (program as NSString).lastPathComponent
          == (CommandLine.arguments[0] as NSString).lastPathComponent
      {
        execv(program, CommandLine.unsafeArgv)
      }
      unsetenv(core)
      unsetenv(mark)
    #endif
  }

  /// Threads that one call uses: 1, or what OpenBLAS insists on. Recorded with results.
  public static var threadsPerCall: Int {
    useOneThread()
    return Int(openblas_get_num_threads())
  }

  /// Throws unless OpenBLAS uses one thread a call. Call it once at start-up.
  public static func requireOneThreadPerCall() throws(BLASError) {
    guard threadsPerCall == 1 else {
      throw .threadCountRefused(threads: threadsPerCall, configuration: configuration)
    }
  }

  /// Limits calls from this thread to one thread. The OpenMP flavour keeps the number per thread,
  /// so every worker calls this.
  static func useOneThread() { openblas_set_num_threads(1) }

  private static let isPrepared: Bool = {
    useOneThread()
    return openblas_get_num_threads() == 1
  }()

  /// C = alpha · op(A) · op(B) + beta · C, row-major, where op transposes if its flag is set.
  ///
  /// op(A) is (m x k), op(B) (k x n), C (m x n); `lda`, `ldb`, `ldc` are the floats from one stored
  /// row to the next. With `beta` 0, C is written without being read. Runs on the calling thread
  /// alone; traps on a size beyond the library's 32 bits.
  @inline(__always)
  static func sgemm(
    transposeA: Bool = false, transposeB: Bool = false, m: Int, n: Int, k: Int, alpha: Float = 1,
    _ a: UnsafePointer<Float>, lda: Int, _ b: UnsafePointer<Float>, ldb: Int, beta: Float = 0,
    _ c: UnsafeMutablePointer<Float>, ldc: Int
  ) {
    _ = isPrepared
    // One comparison for all of them: a negative one has the highest bit too.
    precondition(
      UInt(bitPattern: m | n | k | lda | ldb | ldc) <= UInt(Int32.max),
      "BLAS.sgemm: m \(m), n \(n), k \(k), lda \(lda), ldb \(ldb), ldc \(ldc); each may be 0 to \(Int32.max)"
    )
    cblas_sgemm(
      CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
      Int32(m), Int32(n), Int32(k), alpha, a, Int32(lda), b, Int32(ldb), beta, c, Int32(ldc))
  }
}

/// Why the BLAS library that was found cannot be used.
public enum BLASError: Error, Equatable, CustomStringConvertible {
  case threadCountRefused(threads: Int, configuration: String)

  public var description: String {
    switch self {
    case .threadCountRefused(let threads, let configuration):
      "OpenBLAS uses \"\(threads)\" threads a call, allowed is 1 (library: \(configuration)); "
        + "set OPENBLAS_NUM_THREADS=1 and OMP_NUM_THREADS=1, or install the pthread flavour"
    }
  }
}

extension WorkerPool {
  /// A pool of `threadCount` workers (1…1,024), each of which calls BLAS with one thread.
  ///
  /// Throws if the number is outside its range or the system refuses a thread.
  public convenience init(threadCount: Int) throws(WorkerPoolError) {
    try self.init(threadCount: threadCount, preparingEachWith: BLAS.useOneThread)
  }
}

extension String {
  fileprivate var trimmed: String {
    String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
  }
}
