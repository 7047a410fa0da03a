import Foundation

/// Writes a script that can be run at once.
///
/// A process of its own writes it: were the file open for writing here, a process that another test
/// starts at this moment would hold it open until it is replaced by its program, and running the
/// script would fail with "text file busy".
public func writeProgram(_ text: String, to path: String) throws {
  let shell = Process()
  shell.executableURL = URL(fileURLWithPath: "/bin/sh")
  shell.arguments = ["-c", #"cat > "$0" && chmod 755 "$0""#, path]
  let input = Pipe()
  shell.standardInput = input
  try shell.run()
  try input.fileHandleForWriting.write(contentsOf: Data(text.utf8))
  try input.fileHandleForWriting.close()
  shell.waitUntilExit()
  guard shell.terminationStatus == 0 else { throw CocoaError(.fileWriteUnknown) }
}
