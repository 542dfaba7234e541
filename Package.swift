// swift-tools-version: 6.2
import PackageDescription

/// Every target of ours: Swift 6 mode, unsafe code marked, imports internal unless said, no warning.
let ours: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("ExistentialAny"),
    .treatAllWarnings(as: .error),
    // Named places where a test ends the daemon: none in a release build (Sources/Linux/Fault.swift).
    .define("APIARY_FAULTS", .when(configuration: .debug)),
]

/// A room of the house. What it may import is exactly what is named here: see README, "The rooms".
func room(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: ours)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: ours)
}

let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let log = Target.Dependency.product(name: "Logging", package: "swift-log")

let package = Package(
    name: "apiary",
    products: [
        .executable(name: "apiary", targets: ["apiary"]),
        .executable(name: "apiary-loader", targets: ["apiary-loader"]),
    ],
    dependencies: [
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        .systemLibrary(name: "CLinux"),
        .systemLibrary(name: "CLibbpf", pkgConfig: "libbpf"),
        .systemLibrary(name: "CMicrohttpd", pkgConfig: "libmicrohttpd"),
        .systemLibrary(name: "CGnuTLS", pkgConfig: "gnutls"),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib"),
        .target(
            name: "CAssets", cSettings: [.unsafeFlags(["-std=gnu23", "-Wno-c23-extensions"])]),

        room("Assets", ["CAssets"]),
        room("Linux", ["CLinux"]),
        room("JSON"),
        room("Cryptography", ["CGnuTLS"]),
        room("YAML", ["JSON", "Linux", yams]),
        room("Tar"),
        room("Problems"),
        room("BTF", ["JSON"]),
        room("BPF", ["CLibbpf", "Linux", "BTF"]),
        room("Loading", ["Linux", "JSON"]),
        room("ObjectLoader", ["CLibbpf", "BPF", "BTF", "Loading", "Linux", "JSON"]),
        room("Events", ["BPF", "BTF", "JSON", "Linux"]),
        room("Registry", [grdb, "Assets", "Cryptography", "JSON", "Linux"]),
        room(
            "ControlPlane",
            [
                "Registry", "Events", "Loading", "BPF", "BTF", "Cryptography", "Problems", "JSON",
                "Linux", log,
            ]),
        room("HTTP", ["CMicrohttpd", "CGnuTLS", "CZlib", "Cryptography", "Linux"]),
        room(
            "API",
            [
                "HTTP", "ControlPlane", "Events", "Cryptography", "Problems", "JSON", "YAML", "Tar",
                "Linux", "Assets", log,
            ]),
        .executableTarget(
            name: "apiary",
            dependencies: [
                "API", "HTTP", "ControlPlane", "Events", "Registry", "Loading", "Problems", "JSON",
                "Linux", "Tar", "Cryptography", arguments, log, yams,
            ],
            swiftSettings: ours),
        .executableTarget(
            name: "apiary-loader", dependencies: ["ObjectLoader"], swiftSettings: ours,
            // One process for each load: without the shared runtime it starts in half the time.
            linkerSettings: [.unsafeFlags(["-static-stdlib"], .when(configuration: .release))]),
        .executableTarget(name: "apiary-generate", dependencies: [yams], swiftSettings: ours),
        tests("LinuxTests", ["Linux"]),
        tests("HTTPTests", ["HTTP", "Linux"]),
        tests("LoadingTests", ["Loading", "ObjectLoader", "JSON", "Linux"]),
        .testTarget(
            name: "KernelTests",
            dependencies: [
                "TestSupport", "Loading", "Events", "BPF", "BTF", "JSON", "Linux", "CLibbpf",
            ],
            exclude: ["Objects"], swiftSettings: ours),

        .target(
            name: "TestSupport", dependencies: ["JSON", "Linux", "Problems"],
            path: "Tests/TestSupport", swiftSettings: ours),
        tests(
            "ContractTests",
            ["TestSupport", "API", "BPF", "ControlPlane", "JSON", "Linux", "Problems"]),
        .testTarget(
            name: "DaemonTests",
            dependencies: ["TestSupport", "JSON", "Linux"],
            exclude: ["Objects", "Durability/shim.c"], swiftSettings: ours),
        tests("TidyTests", ["TestSupport", "Linux", "apiary", "apiary-generate"]),
        tests("RegistryTests", ["Registry", "Linux"]),
        tests("JSONTests", ["JSON"]),
        tests("CryptographyTests", ["Cryptography"]),
        tests("YAMLTests", ["YAML", "JSON"]),
        tests("TarTests", ["Tar"]),
        tests("BTFTests", ["BTF", "JSON"]),
        tests("EventsTests", ["Events", "BTF", "JSON", "Linux"]),
    ],
    cLanguageStandard: .gnu17
)
