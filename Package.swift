// swift-tools-version: 6.1
import PackageDescription

/// `-march=native` reaches Swift's own code generation through the importer's target options, so a plain
/// `swift build -c release` gives the fast program. Only `Kernels` is built for this CPU; `CPUCheck`, which
/// runs first, is not, and refuses clearly where an instruction set is missing.
let nativeCode: [SwiftSetting] = [.unsafeFlags(["-Xcc", "-march=native"])]

let common: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableExperimentalFeature("Lifetimes"),
]

let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let argumentParser: Target.Dependency = .product(
  name: "ArgumentParser", package: "swift-argument-parser")
let customDump: Target.Dependency = .product(name: "CustomDump", package: "swift-custom-dump")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")

func library(
  _ name: String, _ dependencies: [Target.Dependency] = [], extra: [SwiftSetting] = [],
  resources: [Resource]? = nil
) -> Target {
  .target(
    name: name, dependencies: dependencies, resources: resources, swiftSettings: common + extra)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(
    name: name + "Tests", dependencies: [.init(stringLiteral: name)] + dependencies,
    swiftSettings: common)
}

let package = Package(
  name: "tca-lab",
  products: [.executable(name: "tca-lab", targets: ["tca-lab"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
    .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
    .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
    .package(url: "https://github.com/pointfreeco/swift-custom-dump", exact: "1.7.3"),
  ],
  targets: [
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .target(name: "CPUCheck"),
    library("Tensors"),
    library("Kernels", ["Tensors", "COpenBLAS", "CPUCheck"], extra: nativeCode),
    library("GGUF", ["Tensors", "Kernels"]),
    library("Tokenization"),
    library("Digests", [crypto]),
    library("Records"),
    library("Attention", ["Tensors", "Kernels", "Records"]),
    library("Calibration", ["Attention", "Kernels", "Records"]),
    library("Transformer", ["Tensors", "Kernels", "GGUF", "Attention"]),
    library("Measurement", ["Attention", "Kernels", "Records"]),
    library("StrategyChecker", ["Attention", "Calibration", "Kernels", "Measurement"]),
    library(
      "Experiments",
      ["Transformer", "Tokenization", "Calibration", "Measurement", "Records", "Digests"],
      resources: [.copy("Models/catalogue.json"), .copy("corpora")]),
    library("ResultStore", ["Records", grdb]),
    library("Reports", ["Records"]),
    .executableTarget(
      name: "tca-lab",
      dependencies: [
        "Experiments", "ResultStore", "Reports", "StrategyChecker", argumentParser,
        logging,
      ],
      swiftSettings: common),
    library("LabTestSupport", ["Tensors", "Attention", "Transformer", "GGUF", "Records"]),

    tests("Kernels", ["LabTestSupport"]),
    tests("GGUF", ["LabTestSupport"]),
    tests("Tokenization", []),
    tests("Records", [customDump]),
    tests("Attention", ["LabTestSupport", "StrategyChecker", "Calibration"]),
    tests("Calibration", ["LabTestSupport"]),
    tests("Transformer", ["LabTestSupport"]),
    tests("Measurement", ["LabTestSupport"]),
    tests("Experiments", ["LabTestSupport", "ResultStore"]),
    tests("ResultStore", [customDump]),
    tests("Reports", [customDump]),
    .testTarget(
      name: "CommandTests", dependencies: ["tca-lab", "LabTestSupport", customDump],
      swiftSettings: common),
    .testTarget(
      name: "ModelTests",
      dependencies: ["Experiments", "Calibration", "LabTestSupport"],
      swiftSettings: common),
  ]
)
