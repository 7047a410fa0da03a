import ArgumentParser
import Foundation
import Kernels

/// The entry point: refuses a CPU that the kernels were not built for, parses, runs, and turns errors into exit codes.
@main
enum Main {
  static func main() {
    if let missing = InstructionSets.missing {
      exit(
        with: Failure(
          .modelOrFile,
          "this program was built for a CPU with \"\(missing)\", which this one lacks; build it on this machine (swift build -c release), or for what all of yours have (TCA_LAB_CPU=x86-64-v3 swift build -c release)"
        ))
    }
    refuseArgumentsThatAreNoText()
    BLAS.restartIfMisjudged()
    ScratchMemory.limitFreedMemory()
    var command: any ParsableCommand
    do {
      command = try TCALab.parseAsRoot()
    } catch {
      exitParsing(error)
    }
    do {
      try command.run()
    } catch let error as Failure {
      exit(with: error)
    } catch {
      // Help and version are thrown as errors too.
      if TCALab.exitCode(for: error) == .success { exitParsing(error) }
      exit(with: Failure.from(error))
    }
  }

  /// Swift repairs bytes that are no UTF-8, so that another text would be used, or another file opened, than was named.
  private static func refuseArgumentsThatAreNoText() {
    guard let line = FileManager.default.contents(atPath: "/proc/self/cmdline") else { return }
    for (number, argument) in line.split(separator: 0, omittingEmptySubsequences: false)
      .enumerated()
    where String(validating: argument, as: UTF8.self) == nil {
      exit(
        with: Failure(
          .usage,
          "argument \(number) is no UTF-8: \"\(String(decoding: argument, as: UTF8.self))\"; rename the file, or put the text into one"
        ))
    }
  }

  /// Help goes to stdout with code 0, a wrong command line to stderr with code 2.
  private static func exitParsing(_ error: any Error) -> Never {
    let text = TCALab.fullMessage(for: error)
    if TCALab.exitCode(for: error) == .success {
      print(text)
      Foundation.exit(0)
    }
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    if let near = MisspeltCommand.nearest(in: Array(CommandLine.arguments.dropFirst())) {
      lines[0] += ". Did you mean '\(near)'?"
    }
    Log.error(lines.joined(separator: "\n"))
    Foundation.exit(ExitStatus.usage.rawValue)
  }

  private static func exit(with failure: Failure) -> Never {
    if !failure.message.isEmpty { Log.error("tca-lab: " + failure.message) }
    Foundation.exit(failure.status.rawValue)
  }
}
