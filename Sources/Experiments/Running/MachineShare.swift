import Foundation

/// How a user's processes share a machine: any number of them compute side by side, but one that takes times has it to
/// itself, and the others wait at their next step.
///
/// Two files are locked, and never written. A lock ends with its process, whatever the cause.
public final class MachineShare {
  enum Use { case beside, alone }

  private let machine: Int32
  /// Held by whoever waits for the machine, so that those who have it let go: without it, processes that take turns side
  /// by side would never leave it free.
  private let door: Int32
  private var held: Use?

  /// Nil where the files cannot be made.
  public init?(folder: URL = FileManager.default.temporaryDirectory) {
    func opened(_ name: String) -> Int32 {
      open(
        folder.appendingPathComponent("tca-lab-\(getuid())-\(name).lock").path,
        O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    }
    (machine, door) = (opened("machine"), opened("door"))
    guard machine >= 0, door >= 0 else {
      for file in [machine, door] where file >= 0 { close(file) }
      return nil
    }
  }

  deinit { for file in [machine, door] { close(file) } }

  /// Takes the machine, instead of how it was taken before.
  ///
  /// - Parameter goesOnWaiting: asked again and again, with the time that has passed; where it says no, or throws, the
  ///   machine is not taken.
  func take(_ use: Use, goesOnWaiting: (Duration) throws -> Bool) throws {
    leave()
    let start = ContinuousClock.now
    func lock(_ file: Int32, _ kind: Int32) throws -> Bool {
      while flock(file, kind | LOCK_NB) != 0 {
        // Where files cannot be locked, every process is alone.
        guard [EWOULDBLOCK, EINTR].contains(errno), try goesOnWaiting(ContinuousClock.now - start)
        else { return false }
        Thread.sleep(forTimeInterval: 0.005)
      }
      return true
    }
    guard try lock(door, LOCK_EX) else { return }
    defer { flock(door, LOCK_UN) }
    if try lock(machine, use == .alone ? LOCK_EX : LOCK_SH) { held = use }
  }

  func leave() {
    guard held != nil else { return }
    flock(machine, LOCK_UN)
    held = nil
  }

  /// Between two steps: lets a process that waits have the machine first.
  func letOthersPass(goesOnWaiting: (Duration) throws -> Bool) throws {
    guard held == .beside else { return }
    if flock(door, LOCK_EX | LOCK_NB) == 0 {
      flock(door, LOCK_UN)
    } else {
      try take(.beside, goesOnWaiting: goesOnWaiting)
    }
  }
}
