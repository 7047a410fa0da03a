import Experiments
import Foundation
import JSON
import Records

/// Tells a person how a run goes: lines for what is done, and where it is with an estimate of the
/// rest; in a terminal in one line that is always true, elsewhere now and then.
final class RunReporter {
  /// A log that says nothing for longer looks like that of a program that hangs.
  private static let longestSilence = Duration.seconds(20)

  /// Cells done before that are named one by one; further ones are counted.
  private static let mostNamed = 20

  private let start = ContinuousClock.now
  private var skipped = 0
  private var lastLine = ContinuousClock.now

  func note(_ event: RunEvent) {
    if case .skipped = event { skipped += 1 } else { countSkipped() }
    switch event {
    case .skipped(let cell):
      if skipped <= Self.mostNamed { line("  done before: \(name(cell))") }
    case .began(let title): line(title)
    case .finished(let cell, let time): line("  \(cell.label): \(time)")
    case .failed(let cell, let reason): line("  FAILED \(name(cell)): \(reason)")
    case .note(let text): line("  \(text)")
    case .progress(let text, let done, let remaining):
      let percent = String(format: "%3.0f %%", done * 100)
      let rest = remaining.map { ", about \(Self.duration($0)) left" } ?? ""
      let progress = "[\(percent)\(rest)] \(text)"
      if Log.isTerminal {
        Log.progress(progress)
      } else if ContinuousClock.now - lastLine >= Self.longestSilence {
        line("  \(progress)")
      }
    }
  }

  private func line(_ text: String) {
    Log.line(text)
    lastLine = .now
  }

  private func countSkipped() {
    if skipped > Self.mostNamed { line("  done before: \(skipped - Self.mostNamed) more") }
    skipped = 0
  }

  func finish(
    _ summary: RunSummary, database: String, experiment: String, isFresh: Bool
  ) {
    countSkipped()
    Log.endProgress()
    let seconds = Double((ContinuousClock.now - start).components.seconds)
    let ending = summary.isInterrupted ? "interrupted" : "finished"
    Log.line(
      "\(ending) after \(Self.duration(seconds)): \(summary.finished) cells run, \(summary.skipped) done before, \(summary.failed) failed"
    )
    if summary.isInterrupted {
      let words = CommandLine.arguments.dropFirst().map(Self.quoted)
      Log.line(
        "\(isFresh ? "to run all cells again" : "to go on"): tca-lab \(words.joined(separator: " "))"
      )
    }
    let place = database == DatabaseOptions.standardPath ? "" : " --db \(Self.quoted(database))"
    Log.line("results: \(database); report: tca-lab report \(Self.quoted(experiment))\(place)")
  }

  /// A word as a shell takes it.
  private static func quoted(_ word: String) -> String {
    let isPlain = word.utf8.allSatisfy { byte in
      UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
        || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || "-_./".utf8.contains(byte)
    }
    return isPlain ? word : "'" + word.replacingScalars { $0 == "'" ? "'\\''" : nil } + "'"
  }

  private func name(_ cell: PlannedCell) -> String {
    "\(cell.label), \(cell.taskTitle) at \(cell.cell.contextLength)"
  }

  static func duration(_ seconds: Double) -> String {
    switch seconds {
    case ..<90: String(format: "%.0f s", seconds)
    case ..<600: String(format: "%d min %02d s", Int(seconds) / 60, Int(seconds) % 60)
    case ..<5400: String(format: "%.0f min", seconds / 60)
    default: String(format: "%.1f h", seconds / 3600)
    }
  }
}
