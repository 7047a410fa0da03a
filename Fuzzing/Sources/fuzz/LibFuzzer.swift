import Foundation
import Records

/// libFuzzer's doors: it calls these by name. The format is named by FUZZ_FORMAT.
private let format: any FuzzedFormat.Type = {
  let name = ProcessInfo.processInfo.environment["FUZZ_FORMAT"] ?? ""
  guard let format = formats[name] else {
    fatalError(
      "FUZZ_FORMAT is \"\(name)\"; allowed: \(formats.keys.sorted().joined(separator: ", "))")
  }
  return format
}()

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
  format.read(Array(UnsafeBufferPointer(start: data, count: size)))
  return 0
}

/// Half of the changes are libFuzzer's own, which know what comparisons the code made; of the others
/// most keep the structure, and some begin anew.
@_cdecl("LLVMFuzzerCustomMutator")
public func mutate(
  _ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ capacity: Int, _ seed: CUnsignedInt
) -> Int {
  var generator = SeededGenerator(seed: UInt64(seed))
  let bytes = Array(UnsafeBufferPointer(start: data, count: size))
  let changed: [UInt8]
  switch generator.index(below: 32) {
  case 0: changed = format.fresh(&generator)
  case 1..<16: changed = format.changed(bytes, &generator) ?? format.fresh(&generator)
  default: return libFuzzerMutate(data, size, capacity)
  }
  let kept = changed.prefix(capacity)
  for (index, byte) in kept.enumerated() { data[index] = byte }
  return kept.count
}

@_silgen_name("LLVMFuzzerMutate")
private func libFuzzerMutate(
  _ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ capacity: Int
) -> Int
