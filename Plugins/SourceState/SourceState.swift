import Foundation
import PackagePlugin

/// Writes the commit that is being built into a source file of the program, before every build: a run records what was
/// built, whatever is checked out by then.
@main
struct SourceState: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: any Target) -> [Command] {
    let package = context.package.directoryURL
    let output = context.pluginWorkDirectoryURL
    return [
      .prebuildCommand(
        displayName: "Asking git for the commit",
        executable: URL(fileURLWithPath: "/bin/sh"),
        arguments: [
          package.appending(path: "scripts/source-state").path, package.path,
          output.appending(path: "SourceState.swift").path,
        ],
        outputFilesDirectory: output)
    ]
  }
}
