// swift-tools-version: 6.1
import PackageDescription

// Imports point down only. SwiftPM enforces it: a target sees what it lists and no more. docs/architecture.md draws this.
//
//     phasor -> Hub
//            -> API, Tools -> Serving -> Jobs -> Pipelines -> Models -> PromptText, Diffusion, Weights, Pictures -> Tensor -> CKernels
//                 |             '-> Media                                        '-> Support
//                 '-> HTTP -> FlyingSocks
let package = Package(
    name: "phasor",
    products: [
        .executable(name: "phasor", targets: ["phasor"]),
        // For Swift programs that generate without a server.
        .library(name: "PhasorKit", targets: ["PhasorKit"]),
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
        .target(name: "CJPEG", linkerSettings: [.linkedLibrary("jpeg")]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CPostgreSQL", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CWebP", pkgConfig: "libwebp", providers: [.apt(["libwebp-dev"])]),
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(
            name: "CFFmpeg", pkgConfig: "libavformat",
            providers: [.apt(["libavcodec-dev", "libavformat-dev"])]),

        // What several rooms need, each written once.
        .target(name: "Support"),

        // Requests to other servers.
        .target(name: "Web", dependencies: ["CCurl"]),
        // A shared database.
        .target(name: "PostgreSQL", dependencies: ["CPostgreSQL", "Support"]),
        // Files in a shared folder or an object store.
        .target(name: "Blobs", dependencies: ["Web", "Support"]),

        // Numerics.
        .target(name: "Tensor", dependencies: ["CKernels", "COpenBLAS"]),
        .target(name: "Pictures", dependencies: ["Tensor"]),
        .target(name: "Weights", dependencies: ["Tensor", "Support"]),
        .target(name: "PromptText", dependencies: ["Support"]),
        .target(name: "Diffusion", dependencies: ["Tensor", "Support"]),
        .target(
            name: "Models", dependencies: ["PromptText", "Diffusion", "Weights", "Pictures", "Tensor", "Support"]),
        .target(
            name: "Pipelines",
            dependencies: ["Models", "PromptText", "Diffusion", "Weights", "Pictures", "Tensor", "Support"]),

        // Media and serving.
        .target(name: "Media", dependencies: ["Pictures", "Support", "CPNG", "CJPEG", "CWebP", "CFFmpeg"]),
        .target(
            name: "Jobs",
            dependencies: [
                "Blobs", "Media", "Pictures", "Pipelines", "Models", "Diffusion", "Support",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        .target(
            name: "Serving",
            dependencies: [
                "Jobs", "Web", "Pictures", "Pipelines", "Models", "Diffusion", "Weights", "Tensor", "Media", "Support",
                .product(name: "Logging", package: "swift-log"),
            ]),
        // Jobs of several machines, in a database.
        .target(
            name: "Cluster",
            dependencies: [
                "PostgreSQL", "Serving", "Jobs", "Blobs", "Pipelines", "Models", "Support",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .target(
            name: "HTTP",
            dependencies: [
                "Support",
                .product(name: "FlyingSocks", package: "FlyingFox"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        .target(
            name: "API",
            dependencies: [
                "Serving", "Jobs", "Blobs", "HTTP", "Media", "Pictures", "Pipelines", "Models", "Diffusion", "Weights",
                "Tensor", "Support",
                .product(name: "Logging", package: "swift-log"),
            ]),

        // Files of others: brought from the hub, kept in the cache that other tools share.
        .target(name: "Hub", dependencies: ["Web", "Support"]),

        .target(name: "PhasorKit", dependencies: ["Pipelines", "Media", "Pictures", "Weights", "Tensor", "Support"]),

        // What is done with a model besides serving it.
        .target(
            name: "Verification",
            dependencies: ["Media", "Pipelines", "Models", "PromptText", "Diffusion", "Weights", "Tensor"],
            path: "Sources/Tools/Verification"),
        .target(
            name: "Benchmarks",
            dependencies: [
                "Cluster", "PostgreSQL", "Pictures", "Serving", "Jobs", "Pipelines", "Models", "Diffusion", "Media",
                "Tensor", "Support",
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Sources/Tools/Benchmarks"),
        .target(
            name: "Batch",
            dependencies: [
                "Pictures", "Serving", "Jobs", "Pipelines", "Models", "Media", "Weights", "Support",
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Sources/Tools/Batch"),
        .executableTarget(
            name: "phasor",
            dependencies: [
                "API", "Batch", "Cluster", "PostgreSQL", "Serving", "Jobs", "Blobs", "Web", "Hub", "HTTP", "Media",
                "Pictures", "Pipelines",
                "Verification",
                "Models",
                "Diffusion",
                "Weights", "Tensor", "Benchmarks", "Support",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ]),

        // Tests mirror Sources.
        .target(name: "TestSupport", dependencies: ["Weights", "Tensor"], path: "Tests/TestSupport"),
        .testTarget(name: "SupportTests", dependencies: ["Support", "TestSupport"]),
        .testTarget(name: "TensorTests", dependencies: ["Tensor", "CKernels", "TestSupport"]),
        .testTarget(name: "WeightsTests", dependencies: ["Weights", "Tensor", "TestSupport"]),
        .testTarget(name: "PromptTextTests", dependencies: ["PromptText", "TestSupport"]),
        .testTarget(
            name: "ModelsTests",
            dependencies: ["Models", "Diffusion", "PromptText", "Weights", "Pictures", "Tensor", "TestSupport"]),
        .testTarget(
            name: "PipelinesTests",
            dependencies: [
                "Pipelines", "Models", "Diffusion", "Weights", "Pictures", "Tensor", "Support", "TestSupport",
            ]),
        .testTarget(name: "DiffusionTests", dependencies: ["Diffusion", "Tensor"]),
        .testTarget(name: "MediaTests", dependencies: ["Pictures", "Media"], exclude: ["hostile_pictures.py"]),
        .testTarget(
            name: "JobsTests", dependencies: ["Jobs", "Pipelines", "Models", "Pictures", "Support", "TestSupport"]),
        .testTarget(
            name: "ServingTests",
            dependencies: [
                "Pictures", "Cluster", "PostgreSQL", "Serving", "Jobs", "Blobs", "HTTP", "Pipelines", "Models",
                "Diffusion",
                "Media", "Weights", "Tensor", "Support", "TestSupport",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(
            name: "BatchTests",
            dependencies: [
                "Pictures", "Batch", "Cluster", "PostgreSQL", "Blobs", "Serving", "Jobs", "Pipelines", "Models",
                "Media", "Weights", "Tensor",
                "TestSupport",
                "Support",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(
            name: "BenchmarksTests",
            dependencies: [
                "Pictures", "Benchmarks", "HTTP", "Serving", "Jobs", "Pipelines", "Models", "Media", "Tensor",
            ]),
        .testTarget(name: "WebTests", dependencies: ["Web", "HTTP"]),
        .testTarget(name: "BlobsTests", dependencies: ["Blobs", "Web"]),
        .testTarget(name: "PostgreSQLTests", dependencies: ["PostgreSQL", "TestSupport"]),
        .testTarget(
            name: "ClusterTests",
            dependencies: [
                "Cluster", "PostgreSQL", "Jobs", "Blobs", "Pipelines", "Models", "Support", "TestSupport",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(name: "HubTests", dependencies: ["Hub", "Models", "Support"], exclude: ["hub_server.py"]),
        .testTarget(name: "HTTPTests", dependencies: ["HTTP", "TestSupport"]),
        .testTarget(
            name: "APITests",
            dependencies: [
                "API", "Batch", "Blobs", "Cluster", "PostgreSQL", "Serving", "Jobs", "HTTP", "Media", "Pictures",
                "Pipelines", "Models", "Diffusion", "Weights", "Tensor", "Support", "TestSupport",
            ]),
        .testTarget(name: "PhasorKitTests", dependencies: ["PhasorKit"]),
        .testTarget(name: "VerificationTests", dependencies: ["Verification", "Pipelines"]),
        // They run the built command, as a person does.
        .testTarget(
            name: "CommandTests",
            dependencies: ["phasor", "Jobs", "Media", "Support", "TestSupport"]),
    ],
    swiftLanguageModes: [.v6]
)
