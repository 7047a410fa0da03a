import Foundation
import LabTestSupport

// Writes the tiny random model of the tests to a path, for scripts that need a model at once.

guard CommandLine.arguments.count == 2 else {
  FileHandle.standardError.write(Data("usage: tiny-model FILE.gguf\n".utf8))
  exit(2)
}
do {
  try TinyModel().write(to: CommandLine.arguments[1])
} catch {
  FileHandle.standardError.write(Data("tiny-model: \(error)\n".utf8))
  exit(3)
}
