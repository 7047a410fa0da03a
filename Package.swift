// swift-tools-version: 6.2
import PackageDescription

/// `-march=native` reaches Swift's own code generation through the importer's target options, so a plain
/// `swift build -c release` gives the fast program. Only `Kernels` is built for this CPU; `CPUCheck`, which
/// runs first, is not, and refuses clearly where an instruction set is missing. `TCA_LAB_CPU=x86-64-v4 swift
/// build` builds for another machine than this one: for the nodes of a cluster.
let cpu = Context.environment["TCA_LAB_CPU"] ?? "native"
let nativeCode: [SwiftSetting] = [.unsafeFlags(["-Xcc", "-march=\(cpu)"])]

let common: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableExperimentalFeature("Lifetimes"),
]

let argumentParser: Target.Dependency = .product(
  name: "ArgumentParser", package: "swift-argument-parser")
let customDump: Target.Dependency = .product(name: "CustomDump", package: "swift-custom-dump")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let mustache: Target.Dependency = .product(name: "Mustache", package: "swift-mustache")

/// For modules that only arrange what others compute: optimising them takes a sixth of a clean
/// build and makes nothing faster that a benchmark sees.
let arranging: [SwiftSetting] = [.unsafeFlags(["-Onone"])]

func library(
  _ name: String, _ dependencies: [Target.Dependency] = [], extra: [SwiftSetting] = [],
  resources: [Resource]? = nil
) -> Target {
  .target(
    name: name, dependencies: dependencies, resources: resources, swiftSettings: common + extra)
}

func tests(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .testTarget(
    name: name + "Tests", dependencies: [.init(stringLiteral: name)] + dependencies,
    swiftSettings: common)
}

let package = Package(
  name: "tca-lab",
  products: [
    .executable(name: "tca-lab", targets: ["tca-lab"]),
    // What the nested package `Benchmarks` measures.
    .library(name: "Tensors", targets: ["Tensors"]),
    .library(name: "Threads", targets: ["Threads"]),
    .library(name: "Kernels", targets: ["Kernels"]),
    .library(name: "GGUF", targets: ["GGUF"]),
    .library(name: "Attention", targets: ["Attention"]),
    .library(name: "Transformer", targets: ["Transformer"]),
    // What the nested package `Fuzzing` feeds.
    .library(
      name: "Readers",
      targets: [
        "Attention", "GGUF", "JSON", "Kernels", "LabTestSupport", "ModelLibrary", "Planning",
        "Records", "ResultStore", "Tasks", "Tensors", "Tokenization",
      ]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
    .package(url: "https://github.com/pointfreeco/swift-custom-dump", exact: "1.7.3"),
    .package(url: "https://github.com/hummingbird-project/swift-mustache", exact: "2.1.1"),
  ],
  targets: [
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(
      name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .target(name: "CPUCheck"),
    .target(name: "CLookup"),
    .target(
      name: "CNested", dependencies: ["CLookup"], cSettings: [.unsafeFlags(["-march=\(cpu)"])]),
    .target(name: "CMemory"),
    .target(name: "CMappedFile"),
    library("Tensors"),
    library("Threads"),
    library(
      "Kernels", ["Tensors", "Threads", "COpenBLAS", "CPUCheck", "CLookup", "CMemory", "CNested"],
      extra: nativeCode),
    library("GGUF", ["CMappedFile", "JSON", "Kernels", "Tensors"]),
    library("Tokenization"),
    library("Digests", ["COpenSSL"]),
    library("ProgramFiles", resources: [.copy("catalogue.json"), .copy("corpora")]),
    library("JSON"),
    library("Records", ["JSON"]),
    library("Attention", ["JSON", "Tensors", "Threads", "Kernels", "Records"]),
    library("Calibration", ["Attention", "JSON", "Kernels", "Records", "Tensors", "Threads"]),
    library("Transformer", ["Attention", "GGUF", "Kernels", "Tensors"]),
    library("Probes", ["Attention", "Kernels", "Records", "Tensors"]),
    library(
      "StrategyChecker",
      ["Attention", "JSON", "Kernels", "Records", "Tensors", "Threads"]),
    library(
      "ModelLibrary",
      ["Digests", "GGUF", "ProgramFiles", "Records", "Tensors", "Tokenization", "Transformer"],
      extra: arranging),
    library("Synthesis", ["Digests", "JSON", "Records", "Tensors", "Threads"]),
    library(
      "Tasks", ["Digests", "JSON", "ProgramFiles", "Records", "Tokenization"]),
    library(
      "Planning",
      [
        "Attention", "Calibration", "Digests", "JSON", "Records", "Synthesis", "Tasks", "Tensors",
      ]),
    library(
      "Experiments",
      [
        "Attention", "Calibration", "Digests", "GGUF", "JSON", "Kernels", "ModelLibrary",
        "Planning",
        "Probes", "Records", "Synthesis", "Tasks", "Tensors", "Threads", "Tokenization",
        "Transformer",
      ]),
    library("ResultStore", ["Digests", "JSON", "Records", grdb]),
    library(
      "Reports", ["Digests", "JSON", "Records", mustache], extra: arranging,
      resources: ["mustache", "css", "js"].map { .embedInCode("Rendering/Page/page.\($0)") }),
    library(
      "Bench",
      [
        "Attention", "Experiments", "JSON", "Kernels", "Planning", "Records", "Reports",
        "ResultStore",
        "Tasks", "Tensors", "Threads", "Transformer",
      ], extra: arranging),
    .executableTarget(
      name: "tca-lab",
      dependencies: [
        "Attention", "Bench", "Calibration", "Digests", "Experiments", "GGUF", "JSON", "Kernels",
        "ModelLibrary", "Planning", "Records", "Reports", "ResultStore", "StrategyChecker", "Tasks",
        "Tensors", "Threads", "Tokenization", "Transformer", argumentParser,
      ],
      swiftSettings: common + arranging, plugins: ["SourceState"]),
    .plugin(name: "SourceState", capability: .buildTool()),

    .target(
      name: "LabTestSupport", dependencies: ["GGUF", "Kernels", "Records", "Tensors"],
      path: "Tests/LabTestSupport", swiftSettings: common),
    .executableTarget(
      name: "tiny-model", dependencies: ["LabTestSupport"], path: "Tests/tiny-model",
      swiftSettings: common),
    tests("Threads"),
    tests("Kernels", ["LabTestSupport"]),
    tests("GGUF", ["LabTestSupport"]),
    tests("Tokenization", ["LabTestSupport"]),
    tests("JSON", ["Records"]),
    tests("Records", ["LabTestSupport"]),
    tests("Attention", ["LabTestSupport", "Calibration"]),
    tests("StrategyChecker"),
    tests("Calibration", ["LabTestSupport"]),
    tests("Transformer", ["LabTestSupport"]),
    tests("Probes", ["LabTestSupport"]),
    tests("ModelLibrary", ["LabTestSupport"]),
    tests("Synthesis"),
    tests("Tasks", ["LabTestSupport"]),
    tests("Planning"),
    tests("Experiments", ["LabTestSupport", "ResultStore", grdb]),
    tests("ResultStore"),
    tests("Reports", ["LabTestSupport", customDump]),
    tests("Bench", ["LabTestSupport", customDump]),
    .testTarget(
      name: "CommandTests",
      dependencies: [
        "tca-lab", "Experiments", "ModelLibrary", "Planning", "ResultStore", "Records",
        "LabTestSupport", argumentParser,
      ],
      swiftSettings: common),
    .testTarget(
      name: "ModelTests",
      dependencies: ["Experiments", "Calibration", "LabTestSupport", "ModelLibrary"],
      swiftSettings: common),
  ]
)
