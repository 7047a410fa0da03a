// swift-tools-version: 6.1
import PackageDescription

let package = Package(
  name: "Benchmarks",
  dependencies: [.package(name: "tca-lab", path: "..")],
  targets: [
    .executableTarget(
      name: "kernel-bench",
      dependencies: [
        .product(name: "Kernels", package: "tca-lab"),
        .product(name: "Tensors", package: "tca-lab"),
      ],
      swiftSettings: [
        .swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny"),
        .enableExperimentalFeature("Lifetimes"),
      ])
  ]
)
