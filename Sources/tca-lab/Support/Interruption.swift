import Dispatch
import Foundation
import Synchronization

/// Notes SIGINT and SIGTERM, so that a run can stop between two steps. A second signal ends the program at once.
final class Interruption: Sendable {
  private let received = Atomic<Int32>(0)
  private let sources: Mutex<[any DispatchSourceSignal]> = Mutex([])

  init() {
    for number in [SIGINT, SIGTERM] {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { [weak self] in
        guard let self else { return }
        if self.received.exchange(number, ordering: .relaxed) != 0 {
          Foundation.exit(128 + number)
        }
        Log.line("stopping after the step in progress; once more to stop at once")
      }
      source.resume()
      sources.withLock { $0.append(source) }
    }
  }

  var isRequested: Bool { received.load(ordering: .relaxed) != 0 }

  /// 130 or 143.
  var status: ExitStatus {
    received.load(ordering: .relaxed) == SIGTERM ? .terminated : .interrupted
  }
}
