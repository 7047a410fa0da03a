import Foundation
import LabTestSupport
import Synchronization
import Testing

@testable import Experiments

@Suite("A machine that processes share")
struct MachineShareTests {
  /// Who is at work at a moment, as a process would see it that looks from outside.
  private final class Moments: Sendable {
    let state = Mutex((beside: 0, alone: 0, overlaps: 0, most: 0))

    func enter(_ use: MachineShare.Use) {
      state.withLock {
        if use == .alone { $0.alone += 1 } else { $0.beside += 1 }
        $0.most = max($0.most, $0.beside)
        if $0.alone > 1 || $0.alone == 1 && $0.beside > 0 { $0.overlaps += 1 }
      }
    }

    func leave(_ use: MachineShare.Use) {
      state.withLock { if use == .alone { $0.alone -= 1 } else { $0.beside -= 1 } }
    }
  }

  @Test("Times are taken alone, and soon, though others never pause of themselves")
  func turns() throws {
    let folder = try TemporaryFolder()
    let url = folder.url
    let moments = Moments()
    let rounds = Atomic<Int>(0)
    let steps = Atomic<Int>(0)
    // Threads stand for processes: each opens the files for itself.
    let workers = (0..<3).map { _ in
      Thread {
        guard let share = MachineShare(folder: url) else { return }
        try? share.take(.beside) { _ in true }
        moments.enter(.beside)
        while rounds.load(ordering: .relaxed) < 20 {
          moments.leave(.beside)
          try? share.letOthersPass { _ in true }
          moments.enter(.beside)
          steps.add(1, ordering: .relaxed)
          usleep(500)
        }
        moments.leave(.beside)
        share.leave()
      }
    }
    for worker in workers { worker.start() }
    while steps.load(ordering: .relaxed) < 30 { usleep(1_000) }
    let share = try #require(MachineShare(folder: folder.url))
    let start = ContinuousClock.now
    for _ in 0..<20 {
      try share.take(.alone) { _ in true }
      moments.enter(.alone)
      usleep(1_000)
      moments.leave(.alone)
      share.leave()
      rounds.add(1, ordering: .relaxed)
    }
    #expect(ContinuousClock.now - start < .seconds(60))
    moments.state.withLock {
      #expect($0.overlaps == 0)
      #expect($0.most > 1, "the others were side by side")
    }
  }

  @Test("Whoever waits can give up, and does not keep the machine from others then")
  func givingUp() throws {
    let folder = try TemporaryFolder()
    let first = try #require(MachineShare(folder: folder.url))
    let second = try #require(MachineShare(folder: folder.url))
    try first.take(.beside) { _ in true }
    var asked = 0
    try second.take(.alone) { _ in
      asked += 1
      return asked < 3
    }
    #expect(asked == 3)
    struct Enough: Error {}
    #expect(throws: Enough.self) { try second.take(.alone) { _ in throw Enough() } }
    // The door is free again.
    try first.letOthersPass { _ in
      Issue.record("nobody waits any more")
      return false
    }
    try second.take(.beside) { _ in
      Issue.record("there is room beside")
      return false
    }
  }

  @Test("A folder without room for the files gives none")
  func noFolder() {
    #expect(MachineShare(folder: URL(fileURLWithPath: "/proc/nowhere")) == nil)
  }

  @Test("What other processes do is told from what this one does")
  func load() throws {
    let own = try #require(MachineLoad())
    let end = ContinuousClock.now + .seconds(0.6)
    var sum = 0.0
    while ContinuousClock.now < end { sum += Double.random(in: 0...1).squareRoot() }
    #expect(sum > 0)
    let share = try #require(own.othersShare)
    #expect((0...1).contains(share))
    // Too short to tell.
    #expect(try #require(MachineLoad()).othersShare == nil)
  }
}
