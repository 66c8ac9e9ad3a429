// swift-tools-version: 6.1
import PackageDescription

// Imports point down only. SwiftPM enforces it: a target sees what it lists and no more.
//
//     phasor -> API -> Serving -> Pipelines -> Networks, Text, Diffusion -> Weights -> Tensor -> CKernels
//                |        '-> Media
//                '-> HTTP -> FlyingSocks
let package = Package(
    name: "phasor",
    products: [
        .executable(name: "phasor", targets: ["phasor"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/swhitty/FlyingFox", from: "0.27.1"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    ],
    targets: [
        // C: kernels of our own, and system libraries.
        .target(name: "CKernels"),
        .target(name: "CPNG", linkerSettings: [.linkedLibrary("png16"), .linkedLibrary("z")]),
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(
            name: "CFFmpeg", pkgConfig: "libavformat",
            providers: [.apt(["libavcodec-dev", "libavformat-dev"])]),

        // What two readers of JSON share.
        .target(name: "JSONText"),

        // Numerics.
        .target(name: "Tensor", dependencies: ["CKernels", "COpenBLAS"]),
        .target(name: "Weights", dependencies: ["Tensor"]),
        .target(name: "Text", dependencies: ["Weights", "Tensor", "JSONText"]),
        .target(name: "Networks", dependencies: ["Weights", "Tensor"]),
        .target(name: "Diffusion", dependencies: ["Tensor"]),
        .target(name: "Pipelines", dependencies: ["Networks", "Text", "Diffusion", "Weights", "Tensor"]),
        .target(
            name: "Verification", dependencies: ["Pipelines", "Networks", "Text", "Diffusion", "Weights", "Tensor"]),

        // Media and serving.
        .target(name: "Media", dependencies: ["CPNG", "CFFmpeg"]),
        .target(
            name: "Serving",
            dependencies: [
                "Pipelines", "Diffusion", "Weights", "Tensor", "Media",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        .target(name: "Benchmarks", dependencies: ["Serving", "Pipelines", "Diffusion", "Media", "Tensor"]),
        .target(
            name: "HTTP",
            dependencies: [
                .product(name: "FlyingSocks", package: "FlyingFox"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        .target(
            name: "API",
            dependencies: [
                "Serving", "HTTP", "Pipelines", "Diffusion", "Weights", "JSONText",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .target(
            name: "Batch",
            dependencies: [
                "API", "Benchmarks", "Serving", "Pipelines", "Media", "Weights",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .executableTarget(
            name: "phasor",
            dependencies: [
                "API", "Batch", "Serving", "HTTP", "Media", "Pipelines", "Verification", "Networks", "Diffusion",
                "Weights", "Tensor", "Benchmarks",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ]),

        // Tests mirror Sources.
        .target(name: "TestSupport", dependencies: ["Weights", "Tensor"], path: "Tests/TestSupport"),
        .testTarget(name: "TensorTests", dependencies: ["Tensor", "CKernels", "TestSupport"]),
        .testTarget(name: "WeightsTests", dependencies: ["Weights", "Tensor", "TestSupport"]),
        .testTarget(name: "TextTests", dependencies: ["Text", "Weights", "Tensor"]),
        .testTarget(name: "PipelinesTests", dependencies: ["Pipelines", "Networks", "Diffusion", "Weights", "Tensor"]),
        .testTarget(name: "DiffusionTests", dependencies: ["Diffusion", "Tensor"]),
        .testTarget(name: "MediaTests", dependencies: ["Media"]),
        .testTarget(
            name: "ServingTests",
            dependencies: [
                "Serving", "Pipelines", "Diffusion", "Media", "Weights", "Tensor", "TestSupport",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(
            name: "BatchTests",
            dependencies: [
                "Batch", "Serving", "Pipelines", "Media", "Weights", "Tensor", "TestSupport",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(
            name: "BenchmarksTests", dependencies: ["Benchmarks", "HTTP", "Serving", "Pipelines", "Media", "Tensor"]),
        .testTarget(name: "HTTPTests", dependencies: ["HTTP", "TestSupport"]),
        .testTarget(
            name: "APITests",
            dependencies: ["API", "Serving", "HTTP", "Pipelines", "Diffusion", "Weights", "Tensor", "TestSupport"]),
        .testTarget(name: "VerificationTests", dependencies: ["Verification", "Pipelines"]),
    ],
    swiftLanguageModes: [.v6]
)
