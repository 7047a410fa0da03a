import Experiments
import Foundation
import Records

/// Tells a person how a run goes: lines for what is done, and where it is with an estimate of the
/// rest; in a terminal in one line that is always true, elsewhere now and then.
final class RunReporter {
  /// A log that says nothing for longer looks like that of a program that hangs.
  private static let longestSilence = Duration.seconds(30)

  /// A terminal's line need not change more often than it can be read.
  private static let shortestView = Duration.seconds(0.1)

  /// Cells done before that are named one by one; further ones are counted.
  private static let mostNamed = 20

  private let start = ContinuousClock.now
  private var skipped = 0
  private var lastLine = ContinuousClock.now
  private var lastView = ContinuousClock.now
  private var shown: RunStep.Phase?

  func note(_ event: RunEvent) {
    if case .skipped = event { skipped += 1 } else { countSkipped() }
    switch event {
    case .skipped(let cell):
      if skipped <= Self.mostNamed { line("  done before: \(name(cell))") }
    case .began(let title): line(title)
    case .finished(let cell, let time): line("  \(cell.label): \(time)")
    case .ended(let what, let seconds): line("  \(what): \(String(format: "%.1f s", seconds))")
    case .failed(let cell, let reason): Log.error("  FAILED \(name(cell)): \(reason)")
    case .note(let text): line("  \(text)")
    case .progress(let step, let done, let remaining): show(step, done, remaining)
    }
  }

  private func show(_ step: RunStep, _ done: Double, _ remaining: Double?) {
    let now = ContinuousClock.now
    let isDue =
      Log.isTerminal
      ? step.phase != shown || now - lastView >= Self.shortestView
      : now - lastLine >= Self.longestSilence
    guard isDue else { return }
    let percent = String(format: "%3.0f %%", done * 100)
    let rest = remaining.map { ", about \(Self.duration($0)) left" } ?? ""
    let progress = "[\(percent)\(rest)] \(step)"
    if Log.isTerminal {
      Log.progress(progress)
      (lastView, shown) = (now, step.phase)
    } else {
      line("  \(progress)")
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
      "\(ending) after \(Self.duration(seconds)): \(summary.finished.counting("cell")) run, \(summary.skipped) done before, \(summary.failed) failed"
    )
    if summary.isInterrupted {
      let words = CommandLine.arguments.dropFirst().map(\.shellWord)
      Log.line(
        "\(isFresh ? "to run all cells again" : "to go on"): tca-lab \(words.joined(separator: " "))"
      )
    }
    let place = database == DatabaseOptions.standardPath ? "" : " --db \(database.shellWord)"
    Log.line("results: \(database); report: tca-lab report \(experiment.shellWord)\(place)")
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
