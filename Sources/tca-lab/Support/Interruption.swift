import Foundation
import Synchronization

/// Notes SIGINT and SIGTERM, so that a run can stop between two steps. A second signal ends the
/// program at once.
///
/// A handler, since it does not outlive `exec`: a program started meanwhile can be interrupted
/// itself. Signals that are ignored or blocked here would be so there.
final class Interruption {
  init() {
    Received.prepare()
    // Whoever started this program may have blocked them for itself.
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in [SIGINT, SIGTERM] { sigaddset(&signals, number) }
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    for number in [SIGINT, SIGTERM] { signal(number, noteSignal) }
  }

  var isRequested: Bool { Received.number.load(ordering: .relaxed) != 0 }

  /// 130 or 143.
  var status: ExitStatus {
    Received.number.load(ordering: .relaxed) == SIGTERM ? .terminated : .interrupted
  }
}

private enum Received {
  /// The first signal that came; 0 before it.
  static let number = Atomic<Int32>(0)
  static let notice =
    Log.lineStart + "stopping after the step in progress; once more to stop at once\n"

  /// A handler must not be the first to use a lazy value.
  static func prepare() {
    number.store(0, ordering: .relaxed)
    _ = notice
  }
}

/// Only what a signal handler may do: no lock, nothing allocated.
private func noteSignal(_ signal: Int32) {
  if Received.number.exchange(signal, ordering: .relaxed) != 0 { _exit(128 + signal) }
  let error = errno
  _ = write(STDERR_FILENO, Received.notice, Received.notice.utf8.count)
  errno = error
}
