import Foundation
import TestSupport
import Testing

/// One of our source files, read once.
struct SourceFile: Sendable {
    /// From the root on: `Sources/BPF/Map.swift`.
    let path: String
    let text: String
    /// The text without what stands after `//`. A `//` in a string hides the rest of its line too,
    /// which no rule here minds.
    let code: String
    let lines: [Substring]

    /// `BPF` of `Sources/BPF/Map.swift`.
    var room: String { String(path.split(separator: "/")[1]) }
    var name: String { String(path.split(separator: "/").last ?? "") }
    var isMain: Bool { name == "main.swift" }

    init(_ path: String) {
        self.path = path
        do {
            text = try Repository.text(path)
        } catch {
            preconditionFailure("\(path): \(error)")
        }
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        code = text.replacingOccurrences(of: "//.*", with: "", options: .regularExpression)
    }

    /// Where in the code an expression matches, as `path:line`, with the first group's text.
    /// Foundation's expressions, since Swift's take a hundred times as long here.
    func places(of pattern: String, inComments: Bool = false) -> [Place] {
        let searched = inComments ? text : code
        let expression: NSRegularExpression
        do {
            expression = try NSRegularExpression(pattern: pattern, options: .anchorsMatchLines)
        } catch {
            preconditionFailure("\(pattern): \(error)")
        }
        let whole = NSRange(searched.startIndex..., in: searched)
        return expression.matches(in: searched, range: whole).map { match in
            let start = Range(match.range, in: searched)?.lowerBound ?? searched.startIndex
            let group = match.numberOfRanges > 1 ? Range(match.range(at: 1), in: searched) : nil
            return Place(
                path: path, line: searched[..<start].utf8.count { $0 == UInt8(ascii: "\n") } + 1,
                group: group.map { String(searched[$0]) } ?? "")
        }
    }

    /// Modules that the file imports: `import struct Foundation.URL` imports Foundation.
    var imports: [Place] {
        places(
            of: #"^(?:@\w+ )*(?:public |package |internal |private |fileprivate )?"#
                + #"import (?:(?:struct|class|enum|protocol|func|var|let|typealias) )?(\w+)"#)
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
    static let all = sources + tests + others
}

/// A match in a file.
struct Place: CustomStringConvertible {
    let path: String
    let line: Int
    /// What the expression's first group matched.
    let group: String

    var description: String { "\(path):\(line)" }
}

/// One failure that names every place.
func expectNone(_ offenders: [String], sourceLocation: SourceLocation = #_sourceLocation) {
    guard !offenders.isEmpty else { return }
    Issue.record(
        "\(offenders.count) places:\n\(offenders.joined(separator: "\n"))",
        sourceLocation: sourceLocation)
}

func expectNone(_ offenders: [Place], sourceLocation: SourceLocation = #_sourceLocation) {
    expectNone(offenders.map(\.description), sourceLocation: sourceLocation)
}
