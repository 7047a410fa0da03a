import ArgumentParser

/// The program: compares sparse-attention and KV-compression methods on a real model.
struct TCALab: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tca-lab",
    abstract: "Compares sparse-attention and KV-compression methods on a real language model.",
    discussion: """
      An experiment is a JSON spec: models x context lengths x strategies x tasks.

        tca-lab models pull smollm2-135m-instruct
        tca-lab run experiments/quickstart.json
        tca-lab report quickstart

      A shell completes commands, strategies, models and experiments:

        source <(tca-lab --generate-completion-script bash)       # bash, or zsh after compinit
        fish: tca-lab --generate-completion-script fish | source

      Results go to stdout, the log and progress to stderr.
      Exit codes: 0 done; 1 some cell failed, or compare --fail-if holds;
      2 the command line or the spec; 3 a model, tensor or text file that is
      missing, damaged or unsupported, or an output that cannot be written;
      4 the database; 130 and 143 interrupted.
      """,
    version: versionText,
    subcommands: [
      RunCommand.self, SubmitCommand.self, MergeCommand.self, PlanCommand.self,
      ValidateCommand.self, ReportCommand.self,
      CompareCommand.self, ExportCommand.self, CalibrateCommand.self, ModelsCommand.self,
      StrategiesCommand.self, GenerateCommand.self, ScoreCommand.self, TokenizeCommand.self,
      AttendCommand.self, BenchCommand.self,
    ])
}
