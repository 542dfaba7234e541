import TestSupport
import Testing

/// One of our source files, read once.
struct SourceFile: Sendable {
    /// From the root on: `Sources/BPF/Map.swift`.
    let path: String
    let lines: [Substring]
    /// Line numbers, from 1, and lines without what stands after `//`. A `//` in a string hides the
    /// rest of its line too, which no rule here minds.
    let code: [(number: Int, text: Substring)]

    /// `BPF` of `Sources/BPF/Map.swift`.
    var room: String { String(path.split(separator: "/")[1]) }
    var name: String { String(path.split(separator: "/").last ?? "") }

    init(_ path: String) {
        self.path = path
        do {
            lines = try Repository.text(path).split(
                separator: "\n", omittingEmptySubsequences: false)
        } catch {
            preconditionFailure("\(path): \(error)")
        }
        code = lines.enumerated().map { index, line in
            (index + 1, line.firstRange(of: "//").map { line[..<$0.lowerBound] } ?? line)
        }
    }

    /// Modules that the file imports, with the line numbers.
    var imports: [(number: Int, module: String)] {
        code.compactMap { number, text in
            let words = text.split(separator: " ")
            guard let keyword = words.firstIndex(of: "import") else { return nil }
            let before = words[..<keyword]
            let modifiers: Set<Substring> = [
                "public", "package", "internal", "private", "fileprivate",
            ]
            guard before.allSatisfy({ $0.hasPrefix("@") || modifiers.contains($0) }) else {
                return nil
            }
            // `import struct Foundation.URL` names a kind first.
            let module = words.last?.split(separator: ".").first ?? ""
            return (number, String(module))
        }
    }

    static func swift(below directory: String) -> [SourceFile] {
        Repository.files(below: directory).filter { $0.hasSuffix(".swift") }.map(SourceFile.init)
    }

    static let sources = swift(below: "Sources")
    static let tests = swift(below: "Tests")
    /// C, headers and scripts of ours.
    static let others = ["Sources", "bpf", "bench", "scripts", "Tests"].flatMap(Repository.files)
        .filter { path in
            [".c", ".h", ".sh"].contains { path.hasSuffix($0) } && !path.hasSuffix("vmlinux.h")
        }.map(SourceFile.init)
}

/// One failure that names every place.
func expectNone(_ offenders: [String], sourceLocation: SourceLocation = #_sourceLocation) {
    guard !offenders.isEmpty else { return }
    Issue.record(
        "\(offenders.count) places:\n\(offenders.joined(separator: "\n"))",
        sourceLocation: sourceLocation)
}
