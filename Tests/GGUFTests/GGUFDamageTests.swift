import GGUF
import LabTestSupport
import Records
import Testing

@Suite("Damaged GGUF files")
struct GGUFDamageTests {
  @Test("A file that is no GGUF file says what it begins with")
  func notGGUF() {
    #expect(SmallFile.message([]) == "small.gguf at byte 0: has \"0\" bytes, which is no GGUF file")
    #expect(
      SmallFile.message(Array("# Title\n".utf8))
        == "small.gguf at byte 0: begins with \"# Ti\", a GGUF file begins with \"GGUF\"")
    #expect(
      SmallFile.message([0, 27, 255, 10] + Array("rest".utf8))
        == "small.gguf at byte 0: begins with \"\\0\\u{1B}\u{FFFD}\\n\", a GGUF file begins with \"GGUF\""
    )
  }

  @Test("Other versions and the other byte order are named")
  func versions() {
    let bytes = SmallFile.bytes()
    #expect(
      SmallFile.message(bytes.replacing(at: 4, with: UInt32(1)))
        == "small.gguf at byte 4: is of GGUF version \"1\"; versions 2 and 3 are read, convert it first"
    )
    #expect(
      SmallFile.message(bytes.replacing(at: 4, with: UInt32(4)))
        == "small.gguf at byte 4: is of GGUF version \"4\"; versions 2 and 3 are read, convert it first"
    )
    #expect(
      SmallFile.message(bytes.replacing(at: 4, with: UInt32(3).byteSwapped))
        == "small.gguf at byte 4: is big-endian (version \"3\" the other way round); only little-endian files are read, convert it first"
    )
  }

  @Test("A count that the file cannot hold is refused", arguments: [8, 16])
  func absurdCounts(offset: Int) {
    let bytes = SmallFile.bytes()
    let what = offset == 8 ? "tensors" : "metadata keys"
    let (left, most) = (
      bytes.count - offset - 8, (bytes.count - offset - 8) / (offset == 8 ? 32 : 13)
    )
    for count in [UInt64(1) << 63, .max, UInt64(most) + 1] {
      #expect(
        SmallFile.message(bytes.replacing(at: offset, with: count))
          == "small.gguf at byte \(offset): says to have \"\(count)\" \(what); the \(left) bytes that follow hold at most \(most); the file is cut off or damaged"
      )
    }
  }

  @Test("A string or array longer than the file is refused, with its key")
  func absurdLengths() {
    let bytes = SmallFile.bytes()
    let value = bytes.offset(of: "general.architecture") + "general.architecture".utf8.count + 4
    #expect(
      SmallFile.message(bytes.replacing(at: value, with: UInt64.max))
        == "small.gguf: metadata key \"general.architecture\" at byte \(value): its value says to be \"18446744073709551615\" bytes long, \(bytes.count - value - 8) are left; the file is cut off or damaged"
    )
    let count = bytes.offset(of: "tokens") + "tokens".utf8.count + 8
    #expect(
      SmallFile.message(bytes.replacing(at: count, with: UInt64(1) << 40))
        == "small.gguf: metadata key \"tokens\" at byte \(count): says to have \"1099511627776\" elements; the \(bytes.count - count - 8) bytes that follow hold at most \((bytes.count - count - 8) / 8); the file is cut off or damaged"
    )
    let name = 24
    #expect(
      SmallFile.message(bytes.replacing(at: name, with: UInt64(1) << 62)).hasPrefix(
        "small.gguf: metadata key 0 at byte 24: its name says to be \"4611686018427387904\" bytes long"
      ))
  }

  @Test("Unknown types, booleans other than 0 and 1, and text that is not UTF-8 are refused")
  func wrongValues() {
    let bytes = SmallFile.bytes()
    let type = bytes.offset(of: "llama.block_count") + "llama.block_count".utf8.count
    #expect(
      SmallFile.message(bytes.replacing(at: type, with: UInt32(13)))
        == "small.gguf: metadata key \"llama.block_count\" at byte \(type): has the unknown type \"13\"; allowed are 0 to 12"
    )
    let flag = bytes.offset(of: "a.flag") + "a.flag".utf8.count + 4
    #expect(
      SmallFile.message(bytes.replacing(at: flag, with: UInt8(2)))
        == "small.gguf: metadata key \"a.flag\" at byte \(flag): has the boolean \"2\"; allowed are 0 and 1"
    )
    let text = bytes.offset(of: "general.architecture") + "general.architecture".utf8.count + 12
    #expect(
      SmallFile.message(bytes.replacing(at: text, with: UInt8(0xff)))
        == "small.gguf: metadata key \"general.architecture\" at byte \(text - 8): its value is not UTF-8: \"\u{FFFD}lama\""
    )
  }

  @Test("A key or a tensor that is there twice is refused")
  func duplicates() {
    var writer = SmallFile.writer()
    writer.add("a.byte", .uint8(1))
    #expect(SmallFile.message(writer.encoded()).contains("metadata key \"a.byte\" at byte"))
    #expect(SmallFile.message(writer.encoded()).hasSuffix("is there twice"))
    writer = SmallFile.writer()
    writer.add(tensor: "cube.weight", dimensions: [1], format: .f32, bytes: [0, 0, 0, 0])
    #expect(SmallFile.message(writer.encoded()).contains("tensor \"cube.weight\" at byte"))
    #expect(SmallFile.message(writer.encoded()).hasSuffix("is there twice"))
  }

  @Test("Arrays nest four deep and no deeper")
  func nesting() throws {
    func file(depth: Int) -> [UInt8] {
      var array = GGUFArray.uint8([1])
      for _ in 1..<depth { array = .array([array]) }
      var writer = GGUFWriter()
      writer.add("deep", .array(array))
      return writer.encoded()
    }
    #expect(throws: Never.self) { try SmallFile.open(file(depth: 4)) }
    #expect(
      SmallFile.message(file(depth: 5)).hasSuffix("has arrays nested \"5\" deep; allowed are 4"))
    // Far deeper than any stack: 100,000 headers of an array with one element each.
    #expect(SmallFile.message(file(depth: 1_000)).hasSuffix("allowed are 4"))
  }

  @Test(
    "A tensor's shape and type are checked",
    arguments: [
      ([], 0, "has \"0\" dimensions; allowed are 1 to 4"),
      ([1, 1, 1, 1, 1], 0, "has \"5\" dimensions; allowed are 1 to 4"),
      ([4, 0], 0, "has a dimension of \"0\"; allowed are 1 to 9223372036854775807"),
      (
        [-1], 0, "has a dimension of \"18446744073709551615\"; allowed are 1 to 9223372036854775807"
      ),
      ([33, 2], 3, "has rows of \"33\" numbers; in q4_1 a row is a multiple of 32"),
      ([128, 2], 14, "has rows of \"128\" numbers; in q6_K a row is a multiple of 256"),
      (
        [1 << 40, 1 << 40], 0,
        "has the shape \"1099511627776 x 1099511627776\", too many numbers to count in 63 bits"
      ),
      (
        [1 << 32, 1 << 31, 1, 1], 2,
        "has the shape \"4294967296 x 2147483648 x 1 x 1\", too many numbers to count in 63 bits"
      ),
      (
        [4], 99,
        "has the type \"99\", which this program does not read; it reads f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q2_K, q3_K, q4_K, q5_K, q6_K, iq4_nl, iq4_xs"
      ),
      (
        [256], 21,
        "has the type \"21\" (iq3_s), which this program does not read; it reads f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q2_K, q3_K, q4_K, q5_K, q6_K, iq4_nl, iq4_xs"
      ),
    ] as [([Int], UInt32, String)])
  func tensorShapes(dimensions: [Int], type: UInt32, problem: String) {
    let message = SmallFile.message(tensors: [
      .init(name: "t", dimensions: dimensions, type: type, bytes: [0, 0, 0, 0])
    ])
    #expect(message.hasPrefix("small.gguf: tensor \"t\" at byte "))
    #expect(message.hasSuffix(": " + problem))
  }

  @Test("A tensor outside the file, out of line or over another one is refused")
  func tensorPlaces() {
    var writer = GGUFWriter()
    writer.add(tensor: "a", dimensions: [16], format: .f32, bytes: [UInt8](repeating: 0, count: 64))
    writer.add(tensor: "b", dimensions: [8], format: .f32, bytes: [UInt8](repeating: 0, count: 32))
    let bytes = writer.encoded()
    #expect(SmallFile.message(bytes) == "opened")
    // An entry: name (8 + 1), dimension count (4), dimension (8), type (4), offset (8).
    let entry = 24 + 33
    let offset = entry + 25
    func moved(to place: UInt64) -> String {
      SmallFile.message(bytes.replacing(at: offset, with: place))
    }
    let place = "small.gguf: tensor \"b\" at byte \(entry): "
    #expect(moved(to: 33) == place + "has the offset \"33\"; allowed are multiples of 32")
    #expect(
      moved(to: 32)
        == place + "begins at byte \"128\", inside tensor \"a\", which ends at byte 160")
    #expect(
      moved(to: 96)
        == place
        + "takes 32 bytes from offset \"96\" of 96 bytes of data (from byte 96 of 192); the file is cut off or damaged"
    )
    #expect(
      moved(to: .max - 31).hasPrefix(place + "takes 32 bytes from offset \"18446744073709551584\""))
    // In front of the first one, and exactly over it.
    #expect(
      moved(to: 0).contains("inside tensor \"a\"") || moved(to: 0).contains("inside tensor \"b\""))
  }

  @Test(
    "An alignment that is no power of two is refused",
    arguments: [
      GGUFValue.uint32(0), .uint32(24), .int32(-8), .string("32"), .uint64(1 << 40), .uint64(.max),
    ])
  func alignment(value: GGUFValue) {
    var writer = GGUFWriter()
    writer.add("a", .uint8(1))
    let bytes = { () -> [UInt8] in
      // Written under another name of the same length, so that the writer keeps to 32.
      writer.add("general.alignmenT", value)
      var bytes = writer.encoded()
      bytes[bytes.offset(of: "general.alignmenT") + 16] = UInt8(ascii: "t")
      return bytes
    }()
    let message = SmallFile.message(bytes)
    #expect(message.hasPrefix("small.gguf: metadata key \"general.alignment\": is \""))
    #expect(message.hasSuffix("; allowed is a power of 2 below 2^32"))
  }

  @Test("Cut at any byte, a file gives an error that points inside it, and never a crash")
  func truncation() {
    let bytes = SmallFile.bytes()
    let lastTensorEnd = bytes.count - (bytes.count - 24) % 32 % 8  // the padding after it may go
    for length in 0..<bytes.count {
      do {
        let file = try SmallFile.open(Array(bytes[..<length]))
        // Only the padding at the very end may be missing.
        #expect(file.tensors.allSatisfy { $0.offset + $0.byteCount <= length })
        #expect(length >= lastTensorEnd - 32)
        Self.readEverything(file)
      } catch {
        #expect(error.reason == (length < 4 ? .notGGUF : .damaged))
        #expect((error.offset ?? -1) <= length)
        #expect(error.file == "small.gguf")
      }
    }
  }

  @Test("Damaged at random, a file gives an error or reads within its bounds", arguments: 0..<8)
  func mutations(seed: Int) {
    let original = SmallFile.bytes()
    var generator = SeededGenerator(seed: seed, purpose: "GGUF mutations")
    var opened = 0
    for _ in 0..<2_000 {
      let bytes = Self.mutated(original, &generator)
      do {
        let file = try SmallFile.open(bytes)
        opened += 1
        #expect(file.tensors.allSatisfy { $0.offset + $0.byteCount <= bytes.count })
        Self.readEverything(file)
      } catch {
        #expect(!error.description.isEmpty)
        #expect((error.offset ?? 0) <= bytes.count)
      }
    }
    // Damage to a tensor's bytes or to a number goes unseen, damage to the structure does not.
    #expect((50...1_950).contains(opened))
  }

  /// One to four changes: a bit, a byte, an extreme integer, or bytes taken out or put in.
  static func mutated(_ original: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
    var bytes = original
    for _ in 0...generator.index(below: 4) {
      let place = generator.index(below: bytes.count - 8)
      switch generator.index(below: 6) {
      case 0: bytes[place] ^= 1 << UInt8(generator.index(below: 8))
      case 1: bytes[place] = UInt8(truncatingIfNeeded: generator.next())
      case 2:
        let extremes: [UInt64] = [
          0, 1, .max, 1 << 63, UInt64(Int.max), 1 << 32, UInt64(bytes.count), 12, 255,
        ]
        bytes = bytes.replacing(at: place, with: extremes[generator.index(below: extremes.count)])
      case 3:
        bytes = bytes.replacing(at: place, with: UInt32(generator.index(below: 16)))
      case 4: bytes.removeSubrange(place..<place + 1 + generator.index(below: 8))
      default:
        bytes.insert(
          contentsOf: (0..<1 + generator.index(below: 8)).map { _ in
            UInt8(truncatingIfNeeded: generator.next())
          }, at: place)
      }
    }
    return bytes
  }

  static func readEverything(_ file: GGUFFile) {
    for key in file.metadataKeys {
      _ = try? file.string(key)
      _ = try? file.number(key)
      _ = try? file.integers(key)
      _ = try? file.strings(key)
    }
    for tensor in file.tensors {
      if let weights = try? file.weightMatrix(tensor.name) {
        _ = weights.dequantizedRows(0..<weights.rows)
      }
      _ = try? file.vector(tensor.name)
    }
  }
}
