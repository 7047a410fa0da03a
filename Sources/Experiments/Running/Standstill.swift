import Foundation
import Synchronization

/// Whether this process stood still: stopped by a signal and continued, or asleep with its machine.
/// Times that were taken meanwhile say nothing.
public enum Standstill {
  private static let continuations = Atomic<Int>(0)

  /// Notes from now on when the process is continued.
  public static func watch() {
    // A handler must not be the first to use a lazy value.
    _ = continuations.load(ordering: .relaxed)
    // Whoever started this program may have blocked it for itself.
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGCONT)
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    signal(SIGCONT) { _ in Standstill.continuations.add(1, ordering: .relaxed) }
  }

  /// A moment to look back to.
  struct Mark {
    private let continuations = Standstill.continuations.load(ordering: .relaxed)
    private let awake = SuspendingClock.now
    private let all = ContinuousClock.now

    /// Longer than reading two clocks takes.
    private static let shortestSleep = Duration.milliseconds(50)

    /// True where the process has stood still since.
    var isBroken: Bool {
      Standstill.continuations.load(ordering: .relaxed) != continuations
        || (ContinuousClock.now - all) - (SuspendingClock.now - awake) > Self.shortestSleep
    }
  }
}
