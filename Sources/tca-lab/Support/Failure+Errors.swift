import Attention
import Experiments
import GGUF
import ModelLibrary
import Planning
import Records
import Reports
import ResultStore
import Threads
import Tokenization
import Transformer

extension Failure {
  /// The exit code and text of anything that a command can throw.
  static func from(_ error: any Error) -> Failure {
    switch error {
    case let error as Failure: error
    case let error as SinkError: from(error.underlying)
    // A name on the command line that the database does not hold.
    case let error as StoreError where error.problem == .unknownName: Failure(.usage, "\(error)")
    case is StoreError: Failure(.database, "\(error)")
    case is SpecError, is ConfigurationError, is WorkerPoolError, is ReportError,
      is WrittenPathError:
      Failure(.usage, "\(error)")
    case let error as ModelLibraryError where error.reason == .licenceNotAccepted:
      Failure(.usage, "\(error)")
    case let error as ModelError: Failure(status(of: error), "\(error)")
    default: Failure(.modelOrFile, "\(error)")
    }
  }

  /// A text beyond the model's context is no fault of the model's file.
  private static func status(of error: ModelError) -> ExitStatus {
    if case .contextExceeded = error.problem { .usage } else { .modelOrFile }
  }
}
