import Foundation
import PackagePlugin

/// Writes the commit that is being built into a source file of the program: a run records what was built, whatever is
/// checked out by then.
///
/// A build command with everything that the answer depends on as its input: a prebuild command runs only when the
/// package manager plans anew, and a build after a commit would go on with the commit before.
@main
struct SourceState: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: any Target) -> [Command] {
    let package = context.package.directoryURL
    let script = package.appending(path: "scripts/source-state")
    let output = context.pluginWorkDirectoryURL.appending(path: "SourceState.swift")
    return [
      .buildCommand(
        displayName: "Asking git for the commit",
        executable: URL(fileURLWithPath: "/bin/sh"),
        arguments: [script.path, package.path, output.path],
        inputFiles: [script, package.appending(path: "Package.swift")]
          + files(under: package.appending(path: "Sources"))
          + files(under: package.appending(path: "Plugins")) + gitFiles(package),
        outputFiles: [output])
    ]
  }

  private func files(under folder: URL) -> [URL] {
    guard
      let contents = FileManager.default.enumerator(
        at: folder, includingPropertiesForKeys: [.isRegularFileKey])
    else { return [] }
    return contents.compactMap { $0 as? URL }.filter { !$0.hasDirectoryPath }
      .sorted { $0.path < $1.path }
  }

  /// What changes with a commit, another branch, or what is staged; nothing outside of git.
  private func gitFiles(_ package: URL) -> [URL] {
    var folder = package.appending(path: ".git")
    // In a worktree it is a file that names the folder.
    if let text = try? String(contentsOf: folder, encoding: .utf8), text.hasPrefix("gitdir: ") {
      let path = text.dropFirst("gitdir: ".count).trimmingCharacters(in: .whitespacesAndNewlines)
      folder = URL(fileURLWithPath: path, relativeTo: package)
    }
    return ["HEAD", "logs/HEAD", "index"].map { folder.appending(path: $0) }
      .filter { FileManager.default.fileExists(atPath: $0.path) }
  }
}
