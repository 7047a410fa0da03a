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
    #endif
  }
}
