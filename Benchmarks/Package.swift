// swift-tools-version: 6.1
import PackageDescription

/// A program that measures with some of the lab's libraries.
func benchmark(_ name: String, _ libraries: [String]) -> Target {
  .executableTarget(
    name: name,
    dependencies: libraries.map { .product(name: $0, package: "tca-lab") },
    swiftSettings: [
      .swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny"),
      .enableExperimentalFeature("Lifetimes"),
    ])
}

let package = Package(
  name: "Benchmarks",
  dependencies: [.package(name: "tca-lab", path: "..")],
  targets: [
    benchmark("kernel-bench", ["Kernels", "Tensors", "Threads"]),
    benchmark(
      "engine-bench", ["Attention", "GGUF", "Kernels", "Tensors", "Threads", "Transformer"]),
  ]
)
