import TestSupport
import Testing

/// Keep a Changelog, https://keepachangelog.com/en/1.1.0/.
struct ChangelogTests {
    private static let kinds = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]

    @Test func `the changelog begins with its title and what is unreleased`() throws {
        let lines = try Repository.text("CHANGELOG.md").split(separator: "\n")
        #expect(lines.first == "# Changelog")
        #expect(lines.first { $0.hasPrefix("## ") } == "## [Unreleased]")
    }

    @Test func `versions have dates and stand newest first`() throws {
        let headings = try Repository.text("CHANGELOG.md").split(separator: "\n")
            .filter { $0.hasPrefix("## ") }.dropFirst()
        var dates: [Substring] = []
        for heading in headings {
            let match = heading.wholeMatch(of: /## \[\d+\.\d+\.\d+\] - (\d{4}-\d\d-\d\d)/)
            #expect(match != nil, "\(heading)")
            if let match { dates.append(match.output.1) }
        }
        #expect(dates == dates.sorted(by: >))
    }

    @Test func `sections are those of the form, and each has an entry`() throws {
        let lines = try Repository.text("CHANGELOG.md").split(separator: "\n")
        for (index, line) in lines.enumerated() where line.hasPrefix("### ") {
            #expect(Self.kinds.contains(String(line.dropFirst(4))), "\(line)")
            let next = index + 1 < lines.count ? lines[index + 1] : ""
            #expect(next.hasPrefix("- "), "\(line) has no entry")
        }
    }

    @Test func `entries are sentences`() throws {
        let text = try Repository.text("CHANGELOG.md")
        for block in text.split(separator: "\n\n") where block.hasPrefix("- ") {
            for entry in block.split(separator: "\n- ") {
                #expect(entry.hasSuffix(".") || entry.hasSuffix(".\n"), "\(entry.prefix(60))")
            }
        }
    }
}
