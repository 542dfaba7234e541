import Testing

/// What may be imported and written where: see README, "The rooms".
struct RoomTests {
    /// Modules that only some rooms may import. What is not named here, Package.swift decides.
    static let rooms: [String: Set<String>] = [
        "CLibbpf": ["BPF", "ObjectLoader"],
        "CMicrohttpd": ["HTTP"],
        "CGnuTLS": ["HTTP", "Cryptography"],
        "CZlib": ["HTTP"],
        "CAssets": ["Assets"],
        "CLinux": ["Linux", "BPF", "ObjectLoader", "HTTP"],
        "Glibc": ["Linux", "BPF", "ObjectLoader", "HTTP"],
        "GRDB": ["Registry"],
        "Assets": ["Registry", "API", "apiary"],
        "Foundation": ["Registry", "apiary", "apiary-generate"],
        "FoundationEssentials": ["Registry", "apiary", "apiary-generate"],
        "Yams": ["YAML", "apiary", "apiary-generate"],
        "ArgumentParser": ["apiary"],
        "Testing": [],
    ]

    /// Where memory is handled by hand.
    static let unsafeRooms: Set<String> = [
        "Linux", "BPF", "ObjectLoader", "HTTP", "Events", "Assets", "Cryptography",
    ]
    /// In pure rooms, only the files with the hot loops.
    static let unsafeFiles: Set<String> = [
        "Sources/JSON/JSONText.swift",
        "Sources/JSON/PlainJSON.swift",
        "Sources/JSON/JSONText+Escaping.swift",
        "Sources/JSON/JSONWriter.swift",
        "Sources/JSON/JSONWriter+Structure.swift",
        "Sources/JSON/JSONWriter+Values.swift",
        "Sources/BTF/BTFLayout.swift",
        "Sources/BTF/RenderMemory.swift",
        "Sources/BTF/Renderer.swift",
        "Sources/BTF/ValuePlan.swift",
    ]

    @Test func `each import stands in a room that may have it`() {
        var offenders: [String] = []
        for file in SourceFile.sources {
            for place in file.imports {
                guard let rooms = Self.rooms[place.group], !rooms.contains(file.room) else {
                    continue
                }
                offenders.append("\(place) imports \(place.group)")
            }
        }
        expectNone(offenders)
    }

    @Test func `C modules are never imported publicly`() {
        let pattern = "public import (C[A-Z]|Glibc|GRDB)"
        expectNone(SourceFile.sources.flatMap { $0.places(of: pattern) })
    }

    @Test func `unsafe code stands in the rooms made for it`() {
        let safe = SourceFile.sources.filter {
            !Self.unsafeRooms.contains($0.room) && !Self.unsafeFiles.contains($0.path)
        }
        expectNone(safe.flatMap { $0.places(of: #"\bunsafe\b|@unchecked"#) })
    }

    @Test func `the list of files with unsafe hot loops names no file that is gone or safe`() {
        let unsafe = SourceFile.sources.filter { !$0.places(of: #"\bunsafe\b"#).isEmpty }
        #expect(Self.unsafeFiles.subtracting(unsafe.map(\.path)).sorted() == [])
    }

    @Test func `SQL stands in migrations and in Registry`() {
        let sql =
            #"\b(SELECT [a-z*(]|INSERT (OR [A-Z]+ )?INTO|UPDATE \w+ SET|DELETE FROM|PRAGMA )"#
        let others = SourceFile.sources.filter { $0.room != "Registry" }
        expectNone(others.flatMap { $0.places(of: sql) })
    }

    @Test func `the scanner sees imports`() {
        let file = SourceFile("Tests/TidyTests/RoomTests.swift")
        #expect(file.imports.map(\.group) == ["Testing"])
        let modules = Set(SourceFile.sources.flatMap(\.imports).map(\.group))
        #expect(modules.isSuperset(of: ["CLibbpf", "CMicrohttpd", "GRDB", "Glibc", "Yams"]))
    }
}
