import Testing

struct BanTests {
    /// What is written nowhere in the sources, and why.
    private let bans: [(pattern: Regex<Substring>, why: String)] = [
        (/\btry!/, "an error that cannot happen is a preconditionFailure with its reason"),
        (/\bas!/, "a cast that cannot fail needs no cast"),
        (/\bfatalError\(/, "preconditionFailure says which promise was broken"),
        (/\bdebugPrint\(|\bdump\(/, "left over from debugging"),
        (/\bTask\s*[{(.]|\bactor [A-Z]|\basync\b|\bawait\b/, "named threads and Mutex instead"),
    ]

    @Test func `nothing that is banned stands in the sources`() {
        var offenders: [String] = []
        for file in SourceFile.sources where !file.path.hasSuffix("/main.swift") {
            for (line, text) in file.code {
                for ban in bans {
                    if text.contains(ban.pattern) {
                        offenders.append("\(file.path):\(line): \(ban.why)")
                    }
                }
            }
        }
        expectNone(offenders)
    }

    /// The commands' own output: everything else goes to the log.
    @Test func `only the mains print`() {
        var offenders: [String] = []
        for file in SourceFile.sources where !["apiary", "apiary-loader"].contains(file.room) {
            for (line, text) in file.code where !file.path.hasSuffix("/main.swift") {
                if text.contains(/(^|[^.\w])print\(/) { offenders.append("\(file.path):\(line)") }
            }
        }
        expectNone(offenders)
    }

    @Test func `try? has a reason in a comment`() {
        var offenders: [String] = []
        for file in SourceFile.sources {
            for (index, line) in file.lines.enumerated() where line.contains(/\btry\?/) {
                let before = index > 0 ? file.lines[index - 1] : ""
                let isExplained = line.contains("//") || before.contains("//")
                if !isExplained { offenders.append("\(file.path):\(index + 1)") }
            }
        }
        expectNone(offenders)
    }

    @Test func `a TODO has a date, and there is no FIXME`() {
        var offenders: [String] = []
        for file in SourceFile.sources + SourceFile.tests + SourceFile.others
        where !file.path.hasSuffix("BanTests.swift") {
            for (index, line) in file.lines.enumerated() {
                let isDated = line.contains(/TODO\(\d{4}-\d\d-\d\d\)/)
                let isTodo = line.contains(/\bTODO\b/)
                if isTodo && !isDated { offenders.append("\(file.path):\(index + 1)") }
                if line.contains(/\b(FIXME|XXX|HACK)\b/) {
                    offenders.append("\(file.path):\(index + 1)")
                }
            }
        }
        expectNone(offenders)
    }

    @Test func `nothing is named Manager, Helper or Util`() {
        var offenders: [String] = []
        let vague = /(Manager|Helper|Util|Utils|Utilities)\b/
        for file in SourceFile.sources + SourceFile.tests + SourceFile.others {
            if file.name.contains(/(Manager|Helper|Util)/) { offenders.append("\(file.path)") }
        }
        for file in SourceFile.sources {
            for (line, text) in file.code
            where text.contains(/\b(struct|class|enum|protocol|typealias)\s/) {
                if text.contains(vague) { offenders.append("\(file.path):\(line)") }
            }
        }
        expectNone(offenders)
    }
}
