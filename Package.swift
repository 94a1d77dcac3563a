// swift-tools-version: 6.3

import PackageDescription

/// `deploy/test` sets the variable; a user's build does not break when a newer compiler finds a new warning.
let warnings: [SwiftSetting] =
    Context.environment["REALTIME_BRIDGE_WARNINGS_AS_ERRORS"] == "1" ? [.treatAllWarnings(as: .error)] : []

// Why each feature is on:
// ExistentialAny            https://github.com/swiftlang/swift-evolution/blob/main/proposals/0335-existential-any.md
//                           `any` shows where a call is dynamic.
// MemberImportVisibility    https://github.com/swiftlang/swift-evolution/blob/main/proposals/0444-member-import-visibility.md
//                           a file's imports are its true dependencies.
// InternalImportsByDefault  https://github.com/swiftlang/swift-evolution/blob/main/proposals/0409-access-level-on-imports.md
//                           a C type cannot leak into a door by accident.
// NonisolatedNonsendingByDefault
//                           https://github.com/swiftlang/swift-evolution/blob/main/proposals/0461-async-function-isolation.md
//                           an async call stays on its caller's actor unless it says otherwise.
let settings: [SwiftSetting] =
    [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    ] + warnings

let nio = "swift-nio"
let nioCore: Target.Dependency = .product(name: "NIOCore", package: nio)
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: nio)
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: nio)
let nioWebSocket: Target.Dependency = .product(name: "NIOWebSocket", package: nio)
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: nio)
/// `NIOLockedValueBox`: a lock the thread sanitizer can see.
let locks: Target.Dependency = .product(name: "NIOConcurrencyHelpers", package: nio)
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let deque: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")

/// One room: its sources under `Sources/NAME`, its tests under `Tests/NAMETests`.
func room(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, resources: resources, swiftSettings: settings)
}

let package = Package(
    name: "realtime-bridge",
    products: [
        .executable(name: "realtime-bridge", targets: ["RealtimeBridge"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0"),
    ],
    // Top to bottom is the data path; an arrow never points back up.
    targets: [
        .systemLibrary(name: "CMicroHTTPD", pkgConfig: "libmicrohttpd", providers: [.apt(["libmicrohttpd-dev"])]),
        // `openapi.json` as bytes, by C23's #embed.
        .target(name: "COpenAPI"),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),

        room("Realtime", []),
        tests("RealtimeTests", ["TestSupport", "Realtime"]),
        .systemLibrary(name: "CSampleRate", pkgConfig: "samplerate", providers: [.apt(["libsamplerate0-dev"])]),
        .systemLibrary(name: "CSndFile", pkgConfig: "sndfile", providers: [.apt(["libsndfile1-dev"])]),
        room("Audio", ["CSampleRate", "CSndFile"]),
        tests("AudioTests", ["Audio", "CSndFile"]),
        room("HTTPServer", ["CMicroHTTPD", locks, logging]),
        tests("HTTPServerTests", ["HTTPServer", locks, logging]),
        room("Upstream", ["Realtime", "COpenSSL", nioCore, nioPosix, nioHTTP1, nioWebSocket, locks, logging]),
        // Below the sessions, whose tools have webhooks; not on an event's way.
        room(
            "Webhooks", ["Realtime", "Upstream", "COpenSSL", nioCore, nioPosix, nioHTTP1, locks, logging, deque]),
        room("TestSupport", ["Realtime", "Upstream", "Webhooks", nioCore, nioPosix, locks, logging]),
        tests("WebhooksTests", ["TestSupport", "Webhooks", "Realtime", "Upstream", nioCore, nioPosix, locks, logging]),
        tests(
            "UpstreamTests",
            ["TestSupport", "Upstream", "Realtime", nioCore, nioPosix, nioEmbedded, nioHTTP1, nioWebSocket, locks, logging]),
        room("EventLog", ["Realtime", grdb, locks, logging, deque]),
        tests("EventLogTests", ["TestSupport", "EventLog", "Realtime", grdb, locks, logging]),
        room("Sessions", ["Realtime", "Upstream", "EventLog", "Webhooks", locks, logging, deque]),
        tests(
            "SessionsTests",
            ["Sessions", "Simulator", "TestSupport", nioPosix, "Realtime", "Upstream", "EventLog", "Webhooks", locks, logging]),
        room("BridgeAPI", ["COpenAPI", "HTTPServer", "Audio", "Sessions", "EventLog", "Upstream", "Realtime", "COpenSSL", locks, logging]),
        tests(
            "BridgeAPITests",
            [
                "BridgeAPI", "HTTPServer", "Audio", "Sessions", "EventLog", "Upstream", "Webhooks", "Realtime", "Simulator", "TestSupport",
                nioPosix, locks, logging,
            ]),
        room("Simulator", ["Audio", "Realtime", nioCore, nioPosix, nioHTTP1, nioWebSocket, locks, logging]),
        tests(
            "SimulatorTests",
            ["Simulator", "TestSupport", "Audio", "Realtime", nioCore, nioPosix, nioHTTP1, nioWebSocket, locks, logging]),
        .executableTarget(
            name: "RealtimeBridge",
            dependencies: [
                "HTTPServer", "BridgeAPI", "Audio", "Sessions", "EventLog", "Upstream", "Webhooks", "Realtime", "Simulator",
                locks, logging, lifecycle, signals, nioCore, nioHTTP1, nioPosix,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Configuration", package: "swift-configuration"),
            ],
            swiftSettings: settings),
        // Run by hand; nothing depends on it and no product names it.
        .systemLibrary(name: "CEpoll"),
        .executableTarget(
            name: "BridgeBenchmarks",
            dependencies: [
                "CEpoll", "EventLog", "Realtime", nioCore, nioPosix, nioHTTP1, nioWebSocket, locks, logging,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),
        tests(
            "AcceptanceTests",
            [
                "RealtimeBridge", "HTTPServer", "BridgeAPI", "Audio", "CSndFile", "Sessions", "TestSupport", "Realtime", "Upstream",
                "Webhooks", locks,
                logging,
                .product(name: "Configuration", package: "swift-configuration"),
            ]),
    ]
)
