import ResultStore

/// The program's exit codes.
enum ExitStatus: Int32 {
  case done = 0
  /// Or a condition of `compare --fail-if` holds.
  case someCellFailed = 1
  /// The command line, or anything that the spec says.
  case usage = 2
  /// A model, tensor or text file that is named directly and is missing, damaged or unsupported; an output, stdout too, that
  /// cannot be written.
  case modelOrFile = 3
  case database = 4
  case interrupted = 130
  case terminated = 143
}

/// What a command ends with when it does not succeed: an exit code and a text for stderr.
struct Failure: Error {
  var status: ExitStatus
  var message: String

  init(_ status: ExitStatus, _ message: String) {
    self.status = status
    self.message = message
  }
}
