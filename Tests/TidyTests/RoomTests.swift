import Testing

/// What may be imported and written where: see README, "The rooms".
struct RoomTests {
    /// Modules that only some rooms may import. What is not named here, Package.swift decides.
    static let rooms: [String: Set<String>] = [
        "CLibbpf": ["BPF", "ObjectLoader"],
        "CMicrohttpd": ["HTTP"],
        "CGnuTLS": ["HTTP"],
        "CZlib": ["HTTP"],
        "CAssets": ["Assets"],
        "CLinux": ["Linux", "BPF", "ObjectLoader", "HTTP"],
        "Glibc": ["Linux", "BPF", "ObjectLoader", "HTTP"],
        "GRDB": ["Registry"],
        "Assets": ["Registry", "API", "apiary"],
        "Foundation": ["Registry", "apiary", "apiary-generate"],
        "FoundationEssentials": ["Registry", "apiary", "apiary-generate"],
        "Yams": ["apiary", "apiary-generate"],
        "ArgumentParser": ["apiary"],
        "Testing": [],
    ]

    /// Where memory is handled by hand.
    static let unsafeRooms: Set<String> = [
        "Linux", "BPF", "ObjectLoader", "HTTP", "Events", "Assets",
    ]
    /// In pure rooms, only the files with the hot loops.
    static let unsafeFiles: Set<String> = [
        "Sources/JSON/JSONText.swift",
        "Sources/JSON/JSONText+Escaping.swift",
        "Sources/JSON/JSONWriter.swift",
        "Sources/JSON/JSONWriter+Structure.swift",
        "Sources/JSON/JSONWriter+Values.swift",
        "Sources/BTF/BTFLayout.swift",
        "Sources/BTF/Renderer.swift",
        "Sources/BTF/ValuePlan.swift",
    ]

    @Test func `each import stands in a room that may have it`() {
        var offenders: [String] = []
        for file in SourceFile.sources {
            for (line, module) in file.imports {
                guard let rooms = Self.rooms[module] else { continue }
                if !rooms.contains(file.room) {
                    offenders.append("\(file.path):\(line) imports \(module)")
                }
            }
        }
        expectNone(offenders)
    }

    @Test func `C modules are never imported publicly`() {
        var offenders: [String] = []
        for file in SourceFile.sources {
            for (line, text) in file.code {
                if text.contains(/public import (C[A-Z]|Glibc|GRDB)/) {
                    offenders.append("\(file.path):\(line)")
                }
            }
        }
        expectNone(offenders)
    }

    @Test func `unsafe code stands in the rooms made for it`() {
        var offenders: [String] = []
        for file in SourceFile.sources {
            if Self.unsafeRooms.contains(file.room) || Self.unsafeFiles.contains(file.path) {
                continue
            }
            for (line, text) in file.code {
                if text.contains(/\bunsafe\b|@unchecked/) {
                    offenders.append("\(file.path):\(line)")
                }
            }
        }
        expectNone(offenders)
    }

    @Test func `the list of files with unsafe hot loops names no file that is gone or safe`() {
        for path in Self.unsafeFiles {
            let file = SourceFile.sources.first { $0.path == path }
            let isUnsafe = file?.code.contains { $0.text.contains(/\bunsafe\b/) }
            #expect(isUnsafe == true, "\(path)")
        }
    }

    @Test func `SQL stands in migrations and in Registry`() {
        var offenders: [String] = []
        let sql = /\b(SELECT [a-z*(]|INSERT (OR [A-Z]+ )?INTO|UPDATE \w+ SET|DELETE FROM|PRAGMA )/
        for file in SourceFile.sources where file.room != "Registry" {
            for (line, text) in file.code {
                if text.contains(sql) { offenders.append("\(file.path):\(line)") }
            }
        }
        expectNone(offenders)
    }

    @Test func `the scanner sees imports in all their forms`() {
        let file = SourceFile("Tests/TidyTests/RoomTests.swift")
        #expect(file.imports.map(\.module) == ["Testing"])
        #expect(SourceFile.sources.contains { !$0.imports.isEmpty })
        #expect(SourceFile.sources.flatMap(\.imports).contains { $0.module == "CLibbpf" })
    }
}
