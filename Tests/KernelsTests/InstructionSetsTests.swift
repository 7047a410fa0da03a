import Foundation
import Testing

@testable import Kernels

@Suite struct InstructionSetsTests {
  @Test("The build names its instruction sets once each, and the system has them")
  func names() throws {
    let names = InstructionSets.compiledFor
    #expect(Set(names).count == names.count)
    #expect(InstructionSets.missing == nil)
    #if arch(x86_64)
      let flags = try #require(
        String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8).split(separator: "\n").first {
          $0.hasPrefix("flags")
        }
      ).split(separator: " ").map(String.init)
      #expect(Set(names).isSubset(of: flags))
      #expect(Set(names).isSubset(of: InstructionSets.present))
      #expect(Set(InstructionSets.present).isSubset(of: flags))
    #endif
  }

  @Test("Kernels of 2004 are not kept on a CPU that can do more; those that OpenBLAS knows are")
  func core() {
    let modern: Set = ["avx", "avx2", "fma"]
    let newest = modern.union(["avx512f", "avx512bw", "avx512dq", "avx512vl"])
    #expect(BLAS.betterCore(than: "Prescott", having: newest) == "SkylakeX")
    #expect(BLAS.betterCore(than: "Prescott", having: modern) == "Haswell")
    #expect(BLAS.betterCore(than: "Prescott", having: ["avx"]) == nil)
    #expect(BLAS.betterCore(than: "Zen", having: newest) == nil)
  }
}
